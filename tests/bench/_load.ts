import { canPin, isInstalled, LOAD_CORE, pinned } from "./_pinned_process.ts";

/** Load on one target. */
export interface LoadOptions {
  readonly port: number;
  readonly path: string;
  /** Over HTTPS; by `wrk` alone. */
  readonly isTls?: boolean;
  /** A connection, and with TLS a handshake, for each request; by `wrk` alone. */
  readonly closes?: boolean;
  /** Asks for another path with each request: a number comes behind `path`. */
  readonly isDistinct?: boolean;
  readonly connections: number;
  readonly seconds: number;
}

/** What a run of load came to: of requests that were answered 200, where our own client made it. */
export interface Measured {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  /** Not told by `wrk`. */
  readonly p95Ms?: number;
  readonly p99Ms: number;
  /** What went wrong; empty where nothing did. */
  readonly problem: string;
}

/** What makes the load, for the output. */
export const loadName = isInstalled("wrk") ? "wrk" : "the bench's own client (wrk is not installed)";

/** Puts load on a target from {@linkcode LOAD_CORE}, by `wrk` where it is installed. @throws {Error} when no load came about */
export async function putLoad(options: LoadOptions): Promise<Measured> {
  return loadName === "wrk" ? await wrk(options) : await ownLoad(options);
}

/** Told what {@linkcode ownLoad} is at, while its connections are open. */
export interface LoadStages {
  /** All connections are open, requests begin. */
  readonly onOpen?: () => Promise<void>;
  /** The last response has come. */
  readonly onDone?: () => Promise<void>;
}

/** The same by a client of our own, which knows the p95 and when its connections are open. @throws {Error} when no load came about */
export async function ownLoad(options: LoadOptions, { onOpen, onDone }: LoadStages = {}): Promise<Measured> {
  const script = new URL("_load_process.ts", import.meta.url).pathname;
  const args = ["run", "--quiet", "--allow-net", script, JSON.stringify(options)];
  const child = pinned(LOAD_CORE, Deno.execPath(), { args, stdin: "piped", stdout: "piped", stderr: "inherit" })
    .spawn();
  let text = "";
  for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
    const hadLines = text.split("\n").length - 1;
    text += part;
    const lines = text.split("\n").length - 1;
    if (hadLines < 1 && lines >= 1) await onOpen?.();
    if (hadLines < 2 && lines >= 2) {
      await onDone?.();
      await child.stdin.close();
    }
  }
  if (!(await child.status).success) throw new Error(`The load ended early: ${text}`);
  return JSON.parse(text.split("\n")[1]!);
}

const DISTINCT = `
local n = 0
request = function()
  n = n + 1
  return wrk.format("GET", wrk.path .. n)
end
`;
/** A connection that waits behind 4,000 others is no fault. */
const PATIENCE = ["--timeout", "20s"];

let scriptPath: string | undefined;

async function wrk({ port, path, isTls, closes, isDistinct, connections, seconds }: LoadOptions): Promise<Measured> {
  const script = isDistinct ? ["-s", scriptPath ??= await writeScript()] : [];
  // It knows whole seconds only.
  const args = ["-t1", `-c${connections}`, `-d${Math.ceil(seconds)}s`, "--latency", ...PATIENCE, ...script];
  const header = closes ? ["-H", "Connection: close"] : [];
  const url = `${isTls ? "https" : "http"}://127.0.0.1:${port}${path}`;
  const command = pinned(LOAD_CORE, "wrk", { args: [...args, ...header, url], stderr: "inherit" });
  const text = await outputOf(command);
  const number = (pattern: RegExp) => Number(pattern.exec(text)?.[1]);
  const requests = number(/(\d+) requests in/);
  return {
    requests,
    requestsPerSecond: number(/Requests\/sec:\s+([\d.]+)/),
    p50Ms: milliseconds(/50%\s+([\d.]+)(us|ms|s)/.exec(text)),
    p99Ms: milliseconds(/99%\s+([\d.]+)(us|ms|s)/.exec(text)),
    problem: requests > 0 ? /Non-2xx or 3xx responses: \d+|Socket errors: .*/.exec(text)?.[0] ?? "" : "no response",
  };
}

async function writeScript(): Promise<string> {
  const path = await Deno.makeTempFile({ prefix: "usher-bench-", suffix: ".lua" });
  globalThis.addEventListener("unload", () => Deno.removeSync(path));
  await Deno.writeTextFile(path, DISTINCT);
  return path;
}

function milliseconds(match: RegExpExecArray | null): number {
  const value = Number(match?.[1]);
  return match?.[2] === "us" ? value / 1000 : match?.[2] === "s" ? value * 1000 : value;
}

async function outputOf(command: Deno.Command): Promise<string> {
  const { stdout, success } = await command.output();
  const text = new TextDecoder().decode(stdout);
  if (!success) throw new Error(`The load ended early: ${text}`);
  return text;
}

/** Where everything runs, in one line for the output. */
export const placement = canPin
  ? "the server on one core, load and origin on another"
  : "nothing bound to a core (that takes taskset and two cores), so servers, load and origin disturb each other";
