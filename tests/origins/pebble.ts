import { existsSync } from "node:fs";
import { join } from "node:path";
import { DAY_MS, type MadeAuthority, madeAuthority } from "../certificates/made.ts";
import { freePort } from "../free_port.ts";

const PEBBLE = "/usr/bin/pebble";
const NAME_SERVER = "/usr/bin/pebble-challtestsrv";

/** Whether Debian's `pebble` is there, Let's Encrypt's authority for tests. */
export const hasPebble: boolean = existsSync(PEBBLE) && existsSync(NAME_SERVER);

/** How it is started. */
export interface PebbleOptions {
  /** Where it looks for answers over HTTP, and in handshakes, at 127.0.0.1, which every name leads to. */
  readonly httpPort: number;
  readonly tlsPort: number;
  /** Time that its certificates go on for. */
  readonly lifeMs?: number;
}

/** An authority that gives certificates, as a process. */
export interface Pebble extends AsyncDisposable {
  readonly directory: string;
  /** The authority of its own HTTPS, in PEM. */
  readonly ca: string;
  readonly caFile: string;
  /** What it signs with from now on, in PEM. */
  root(): Promise<string>;
  /** Ends it; its memory is gone with it. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** Starts one, and a name server for it. @throws {Error} where it does not answer */
export async function startPebble({ httpPort, tlsPort, lifeMs = 90 * DAY_MS }: PebbleOptions): Promise<Pebble> {
  await using stack = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ prefix: "usher-pebble-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const authority = await madeAuthority();
  const [port, managementPort, dnsPort] = [freePort(), freePort(), freePort()];
  await writeFiles(folder, authority, {
    listenAddress: `127.0.0.1:${port}`,
    managementListenAddress: `127.0.0.1:${managementPort}`,
    certificate: join(folder, "cert.pem"),
    privateKey: join(folder, "key.pem"),
    httpPort,
    tlsPort,
    ocspResponderURL: "",
    certificateValidityPeriod: lifeMs / 1_000,
  });
  const names = stack.adopt(
    run(NAME_SERVER, [
      ...["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""],
      ...["-dns01", `127.0.0.1:${dnsPort}`, "-management", `127.0.0.1:${freePort()}`],
    ]),
    end,
  );
  void names;
  const client = stack.adopt(Deno.createHttpClient({ caCerts: [authority.ca] }), (one) => one.close());
  const directory = `https://127.0.0.1:${port}/dir`;
  let process: Deno.ChildProcess | null = null;
  const stop = async () => {
    if (process !== null) await end(process);
    process = null;
  };
  const start = async () => {
    process = run(PEBBLE, ["-config", join(folder, "pebble.json"), "-dnsserver", `127.0.0.1:${dnsPort}`]);
    await answered(directory, client);
  };
  stack.defer(stop);
  await start();
  const kept = stack.move();
  return {
    ...{ directory, ca: authority.ca, caFile: join(folder, "ca.pem"), start, stop },
    root: async () => await (await fetch(`https://127.0.0.1:${managementPort}/roots/0`, { client })).text(),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function writeFiles(folder: string, authority: MadeAuthority, pebble: unknown): Promise<void> {
  const { cert, key } = await authority.leaf(["127.0.0.1", "localhost"]);
  const texts = { "ca.pem": authority.ca, "cert.pem": cert, "key.pem": key, "pebble.json": JSON.stringify({ pebble }) };
  for (const [name, text] of Object.entries(texts)) await Deno.writeTextFile(join(folder, name), text);
}

function run(program: string, args: readonly string[]): Deno.ChildProcess {
  const env = { PEBBLE_VA_NOSLEEP: "1", PEBBLE_WFE_NONCEREJECT: "20", PEBBLE_AUTHZREUSE: "0" };
  return new Deno.Command(program, { args: [...args], env, stdin: "null", stdout: "null", stderr: "null" }).spawn();
}

async function end(process: Deno.ChildProcess): Promise<void> {
  process.kill("SIGKILL");
  await process.status;
}

async function answered(url: string, client: Deno.HttpClient): Promise<void> {
  for (let turn = 0; turn < 300; turn++) {
    try {
      await (await fetch(url, { client })).body?.cancel();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error(`Nothing answers at ${url}`);
}
