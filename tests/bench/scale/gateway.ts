import { join } from "node:path";
import { freePort } from "../../free_port.ts";
import { answered, startCommand } from "../_servers.ts";

const HOST = "127.0.0.1";
const CONNECTIONS = 32;
const BUFFER_BYTES = 64 * 1024;

/** A gateway under measurement: one process, started as `deno task start` does it. */
export interface ScaleGateway extends AsyncDisposable {
  readonly port: number;
  readonly directory: string;
  /** From its start to the first answer that a client got, in milliseconds. */
  readonly firstAnswerMs: number;
  /** Its anonymous memory, in bytes: what files of the runtime it shows in memory is not its own. */
  residentBytes(): Promise<number>;
  /** All that is resident, files included, as `ps` and `docker stats` show it, and the most that it ever was; in bytes. */
  shownBytes(): Promise<{ readonly now: number; readonly most: number }>;
  /** CPU time so far, in seconds. */
  cpuSeconds(): Promise<number>;
  /** As much of `/status` as is read here. */
  status(): Promise<ScaleStatus>;
  admin(path: string, order: unknown): Promise<Response>;
}

/** As much of `/status` as is read here. */
export interface ScaleStatus {
  readonly cache: {
    readonly memory: { readonly entries: number; readonly bytes: number; readonly evictions: number };
    readonly disk: Readonly<Record<string, number>> | null;
  };
}

/** What a gateway is started with. */
export interface ScaleGatewayOptions {
  readonly directory: string;
  readonly originPort: number;
  readonly cache: Readonly<Record<string, unknown>>;
  readonly workers?: number;
  /** The first request. @default "/ready" of the listener's own making */
  readonly firstPath?: string;
}

/** Starts a gateway over the files in `directory`, and waits for its first answer. @throws {Error} when it does not answer */
export async function startScaleGateway(options: ScaleGatewayOptions): Promise<ScaleGateway> {
  const { directory, originPort, cache, workers = 1, firstPath = "/m/first" } = options;
  const [port, adminPort] = [freePort(), freePort()];
  const path = join(directory, "usher.yaml");
  const config = {
    server: { workers, data_dir: join(directory, "data") },
    admin: { listen: `${HOST}:${adminPort}` },
    logging: { access: "off" },
    cache,
    pools: { origin: { type: "custom", upstreams: [`http://${HOST}:${originPort}`], health: { path: "/m/health" } } },
    listeners: [{ name: "api", listen: `${HOST}:${port}`, prefix: "/", pool: "origin", cache: { mode: "rfc9111" } }],
  };
  await Deno.writeTextFile(path, JSON.stringify(config));
  const [program, ...args] = await startCommand(path, directory);
  const startedMs = performance.now();
  const child = new Deno.Command(program!, { args, stdin: "null", stdout: "null", stderr: "inherit" }).spawn();
  await answered(port, firstPath);
  const firstAnswerMs = performance.now() - startedMs;
  const admin = `http://${HOST}:${adminPort}`;
  return {
    port,
    directory,
    firstAnswerMs,
    residentBytes: async () => Number(/RssAnon:\s+(\d+)/.exec(await read(`/proc/${child.pid}/status`))![1]) * 1024,
    shownBytes: async () => {
      const status = await read(`/proc/${child.pid}/status`);
      const bytes = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)![1]) * 1024;
      return { now: bytes("VmRSS"), most: bytes("VmHWM") };
    },
    cpuSeconds: async () => {
      const stat = await read(`/proc/${child.pid}/stat`);
      const words = stat.slice(stat.lastIndexOf(")") + 2).split(" ").map(Number);
      return (words[11]! + words[12]!) / 100;
    },
    status: async () => await (await fetch(`${admin}/status`)).json(),
    admin: (path, order) =>
      fetch(`${admin}${path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(order),
      }),
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.status;
    },
  };
}

/** The runtime reads `/proc` for nobody who may not do everything; `cat` does. */
async function read(path: string): Promise<string> {
  const { stdout } = await new Deno.Command("cat", { args: [path] }).output();
  return new TextDecoder().decode(stdout);
}

/** Distinct requests on kept connections. */
export interface LoadOrder {
  readonly port: number;
  /** Numbers behind `/m/`: from the first, as many as `count`. */
  readonly from: number;
  readonly count: number;
  /**
   * What stands before the number.
   * @default "/m/"
   */
  readonly prefix?: string;
  /** Requests a second at most; without it as fast as they are answered. */
  readonly perSecond?: number;
}

/** Sends the requests; answers the seconds that they took. @throws {Error} where an answer is no 200 */
export async function load({ port, from, count, prefix = "/m/", perSecond = Infinity }: LoadOrder): Promise<number> {
  const startedMs = performance.now();
  let sent = 0;
  const ask = async () => {
    using connection = await Deno.connect({ port });
    const buffer = new Uint8Array(BUFFER_BYTES);
    while (sent < count) {
      const n = sent++;
      const aheadMs = n / perSecond * 1000 - (performance.now() - startedMs);
      if (aheadMs > 0) await new Promise((resolve) => setTimeout(resolve, aheadMs));
      await connection.write(encoder.encode(`GET ${prefix}${from + n} HTTP/1.1\r\nHost: ${HOST}:${port}\r\n\r\n`));
      await takeAnswer(connection, buffer);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, ask));
  return (performance.now() - startedMs) / 1000;
}

const encoder = new TextEncoder();

async function takeAnswer(connection: Deno.Conn, buffer: Uint8Array<ArrayBuffer>): Promise<void> {
  let text = "";
  for (let end = -1, got = 0; end < 0 || got < end;) {
    const size = await connection.read(buffer);
    if (size === null) throw new Error("The connection was closed");
    got += size;
    if (end >= 0) continue;
    text += String.fromCharCode(...buffer.subarray(0, Math.min(size, 8192)));
    const head = text.indexOf("\r\n\r\n");
    if (head < 0) continue;
    if (!text.startsWith("HTTP/1.1 200")) throw new Error(text.slice(0, head));
    end = head + 4 + Number(/content-length: *(\d+)/i.exec(text)![1]);
  }
}

/** Bytes of the body that {@linkcode startOrigin} answers with. */
export const BODY_BYTES = 1024;

/** Answers each request with twelve fields and a kilobyte of JSON, or with as many bytes as a path `/b/BYTES/…` says. */
export function startOrigin(): { readonly port: number; close(): void } {
  const listener = Deno.listen({ hostname: HOST, port: 0 });
  const small = JSON.stringify({ id: 550, pad: "x".repeat(BODY_BYTES - JSON.stringify({ id: 550, pad: "" }).length) });
  const answers = new Map<number, Uint8Array<ArrayBuffer>>();
  const answerOf = (bytes: number) => {
    const known = answers.get(bytes);
    if (known !== undefined) return known;
    const body = small.repeat(Math.ceil(bytes / BODY_BYTES)).slice(0, bytes);
    const made = encoder.encode(`${headOf(body.length)}\r\n\r\n${body}`);
    answers.set(bytes, made);
    return made;
  };
  const serve = async (connection: Deno.Conn) => {
    const buffer = new Uint8Array(BUFFER_BYTES);
    for (let size = await connection.read(buffer); size !== null; size = await connection.read(buffer)) {
      const asked = /^GET \/b\/(\d+)\//.exec(new TextDecoder().decode(buffer.subarray(0, size)));
      const answer = answerOf(asked === null ? BODY_BYTES : Number(asked[1]));
      for (let at = 0; at < answer.length;) at += await connection.write(answer.subarray(at));
    }
  };
  (async () => {
    for await (const connection of listener) serve(connection).catch(() => {}).finally(() => connection.close());
  })().catch(() => {});
  return { port: (listener.addr as Deno.NetAddr).port, close: () => listener.close() };
}

function headOf(lengthBytes: number): string {
  const head = [
    "HTTP/1.1 200 OK",
    `Date: ${new Date().toUTCString()}`,
    "Server: openresty",
    "Content-Type: application/json;charset=utf-8",
    `Content-Length: ${lengthBytes}`,
    "Cache-Control: public, max-age=86400",
    'ETag: W/"6b0db05f0a7c4d2e9b1f3a5c7d8e9f00"',
    "X-Memc: HIT",
    "X-Memc-Key: 5b2fa0c7d1e93846",
    "X-Memc-Age: 1734",
    "X-Cache: Miss from cloudfront",
    "X-Amz-Cf-Pop: FRA56-P4",
    "X-Amz-Cf-Id: 3xJ9mQ2vT7bKc5nRw8yZ1aLdF6hGpE4sUuOiXqWtVbMzNj",
  ];
  return head.join("\r\n");
}

/** Waits. */
export function rest(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
