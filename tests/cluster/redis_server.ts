import { eventually } from "../eventually.ts";
import { freePort } from "../free_port.ts";
import { isInstalled } from "../house/test_command.ts";
import type { EngineReply } from "../../lib/cluster/engine.ts";

const REDIS_SERVER = "/usr/bin/redis-server";

/** Whether Debian's `redis-server` is here; where it is not, what needs it is left out, and that is said once. */
export const HAS_REDIS = isInstalled(REDIS_SERVER);
if (!HAS_REDIS) {
  await Deno.stdout.write(
    new TextEncoder().encode(`What needs an engine is not tested: there is no ${REDIS_SERVER}\n`),
  );
}

/** How a server is started. */
export interface RedisOptions {
  /**
   * Port for plain connections; 0 for none.
   * @default a free one
   */
  readonly port?: number;
  /** Further settings as on its command line: `--name value …`. */
  readonly settings?: readonly string[];
  /** Speak TLS alone on the port, with these texts in PEM. Clients have to show a certificate of the authority. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string };
  /**
   * The beginning of the command, such as one that enters a network namespace.
   * @default none
   */
  readonly prefix?: readonly string[];
  /** Lines of its configuration file: what sentinels need, which write to it. */
  readonly file?: string;
}

/** A server of the tests: Debian's `redis-server`, in memory alone unless its settings say otherwise. */
export interface Redis extends AsyncDisposable {
  readonly port: number;
  /** `redis://localhost:PORT`, or `rediss` */
  readonly url: string;
  /** Its folder, which it may write to; it is kept over {@linkcode Redis.restart}. */
  readonly folder: string;
  /** Stops it from running (SIGSTOP): connections stay and nothing is answered. */
  pause(): void;
  resume(): void;
  /** Ends it at once (SIGKILL). */
  kill(): Promise<void>;
  /** Starts it again on the same port, after {@linkcode Redis.kill}. */
  restart(): Promise<void>;
  /** Sends one command over a connection of its own. @throws {Error} with the engine's words where it refuses */
  command(...args: readonly (string | number)[]): Promise<EngineReply>;
}

/** Starts a server and waits until it answers; it ends with the scope that it is `await using` in. */
export async function startRedis(options: RedisOptions = {}): Promise<Redis> {
  const folder = await Deno.makeTempDir({ prefix: "usher-redis-" });
  const port = options.port ?? freePort();
  let child = await spawn(folder, port, options);
  const kill = async () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await child.status;
  };
  return {
    port,
    folder,
    url: `${options.tls === undefined ? "redis" : "rediss"}://localhost:${port}`,
    pause: () => child.kill("SIGSTOP"),
    resume: () => child.kill("SIGCONT"),
    kill,
    async restart() {
      child = await spawn(folder, port, options);
    },
    command: (...args) => redisCommand(port, args),
    async [Symbol.asyncDispose]() {
      await kill();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

async function spawn(folder: string, port: number, options: RedisOptions): Promise<Deno.ChildProcess> {
  const settings = [
    ...["--port", String(port), "--dir", folder, "--save", "", "--appendonly", "no", "--daemonize", "no"],
    ...["--loglevel", "notice", "--logfile", `${folder}/log`, ...(options.settings ?? [])],
  ];
  const own: string[] = [];
  if (options.tls !== undefined) {
    const { ca, cert, key } = options.tls;
    for (const [name, text] of Object.entries({ ca, cert, key })) {
      await Deno.writeTextFile(`${folder}/${name}.pem`, text, { mode: 0o600 });
    }
    settings.push(...["--port", "0", "--tls-port", String(port), "--tls-auth-clients", "yes"]);
    settings.push(
      ...["ca-cert", "cert", "key"].flatMap((
        name,
      ) => [`--tls-${name}-file`, `${folder}/${name.replace("-cert", "")}.pem`]),
    );
  }
  if (options.file !== undefined) {
    await Deno.writeTextFile(`${folder}/redis.conf`, options.file);
    own.push(`${folder}/redis.conf`);
  }
  const [program, ...args] = [...(options.prefix ?? []), REDIS_SERVER, ...own, ...settings];
  await Deno.writeTextFile(`${folder}/log`, "");
  const child = new Deno.Command(program!, { args, stdin: "null", stdout: "null", stderr: "null" }).spawn();
  let ended = false;
  child.status.then(() => ended = true);
  await eventually("redis-server has started", async () => {
    const log = await Deno.readTextFile(`${folder}/log`);
    if (ended) throw new Error(`redis-server has ended: ${log.slice(-500)}`);
    return /Ready to accept connections|monitor master/.test(log);
  }, 30_000);
  return child;
}

/** Sends one command to a server on loopback over a connection of its own; see {@linkcode Redis.command}. */
export async function redisCommand(port: number, args: readonly (string | number)[]): Promise<EngineReply> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const parts = args.map((one) => new TextEncoder().encode(String(one)));
  const head = (text: string) => new TextEncoder().encode(text);
  const pieces = [
    head(`*${parts.length}\r\n`),
    ...parts.flatMap((part) => [head(`$${part.length}\r\n`), part, head("\r\n")]),
  ];
  const writer = connection.writable.getWriter();
  for (const piece of pieces) await writer.write(piece);
  const reader = new ReplyReader(connection.readable.getReader());
  return await reader.reply();
}

class ReplyReader {
  #bytes = new Uint8Array(0);

  constructor(readonly reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>) {}

  async reply(): Promise<EngineReply> {
    const line = await this.#line();
    const rest = line.slice(1);
    switch (line[0]) {
      case "+":
        return new TextEncoder().encode(rest);
      case "-":
        throw new Error(rest);
      case ":":
        return Number(rest);
      case "$":
        return rest === "-1" ? null : await this.#bulk(Number(rest));
      default: {
        const list: EngineReply[] = [];
        for (let left = Number(rest); left > 0; left--) list.push(await this.reply());
        return list;
      }
    }
  }

  async #bulk(length: number): Promise<Uint8Array<ArrayBuffer>> {
    while (this.#bytes.length < length + 2) await this.#more();
    const bulk = this.#bytes.slice(0, length);
    this.#bytes = this.#bytes.slice(length + 2);
    return bulk;
  }

  async #line(): Promise<string> {
    for (;;) {
      const end = this.#bytes.indexOf(13);
      if (end >= 0 && end + 1 < this.#bytes.length) {
        const line = new TextDecoder().decode(this.#bytes.subarray(0, end));
        this.#bytes = this.#bytes.slice(end + 2);
        return line;
      }
      await this.#more();
    }
  }

  async #more(): Promise<void> {
    const { value, done } = await this.reader.read();
    if (done) throw new Error("redis-server has closed the connection");
    const joined = new Uint8Array(this.#bytes.length + value.length);
    joined.set(this.#bytes);
    joined.set(value, this.#bytes.length);
    this.#bytes = joined;
  }
}
