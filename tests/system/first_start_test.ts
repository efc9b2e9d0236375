import assert from "node:assert/strict";
import { join } from "node:path";
import { ROOT_URL } from "../house/syntax.ts";
import { eventually } from "../eventually.ts";
import { freePort } from "./_gateway.ts";
import { testConfig } from "./test_config.ts";

/** What a start needs of npm: the packages that the gateway imports, and theirs. */
const NEEDED = ["hono", "htm", "lru-cache", "uplot", "yaml", "zod"];

Deno.test("D4: a first `deno task start` fetches what the gateway imports, and neither test packages nor sharp", async (t) => {
  const directory = await Deno.makeTempDir({ prefix: "usher-test-" });
  try {
    const denoDir = join(directory, "deno");
    const printed = await firstStart(directory, denoDir);
    // Without the registry nothing can be fetched: there is nothing to see then.
    if (/error sending request|Failed caching npm package/.test(printed) && !printed.includes("Usher is ready")) {
      await t.step({ name: "left out: npm's registry cannot be reached", ignore: true, fn: () => {} });
      return;
    }
    assert.match(printed, /Usher is ready/);
    // One folder for the registry, whichever it is.
    const [registry, ...others] = foldersIn(join(denoDir, "npm"));
    assert.deepEqual(others, []);
    const fetched = foldersIn(join(denoDir, "npm", registry!)).sort();
    const sizes = fetched.map((name) => `${name} ${kib(bytesIn(join(denoDir, "npm", registry!, name)))}`);
    await t.step(`it fetched ${sizes.join(", ")}; ${kib(bytesIn(denoDir))} with what Deno makes of it`, () => {
      assert.deepEqual(fetched, NEEDED);
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

/** Starts the gateway with an empty cache, with a listener that would like to convert pictures, and stops it; what it printed. */
async function firstStart(directory: string, denoDir: string): Promise<string> {
  const config = join(directory, "config.yaml");
  const places = { port: freePort(), adminPort: freePort(), dataDir: join(directory, "data") };
  await Deno.writeTextFile(
    config,
    testConfig(places, {
      pools: { one: { type: "custom", health: false, upstreams: ["http://127.0.0.1:9"] } },
      listeners: [{ name: "one", pool: "one", images: { convert: { enabled: true } } }],
    }),
  );
  const child = new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "start", "--config", config],
    cwd: ROOT_URL,
    env: { NO_COLOR: "1", DENO_DIR: denoDir, USHER_RUN_DIR: join(directory, "session") },
    ...{ stdin: "null", stdout: "piped", stderr: "piped" },
  }).spawn();
  let text = "";
  let isOver = false;
  const read = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
    for await (const part of stream.pipeThrough(new TextDecoderStream())) text += part;
  };
  const drained = Promise.all([read(child.stdout), read(child.stderr)]).finally(() => isOver = true);
  const isSettled = () => /Usher is ready[^]*Pictures cannot be|Pictures cannot be[^]*Usher is ready/.test(text);
  await eventually("it is ready, and knows of no pictures", () => isOver || isSettled());
  if (!isOver) child.kill("SIGTERM");
  await child.status;
  await drained;
  return text;
}

function foldersIn(path: string): string[] {
  return [...Deno.readDirSync(path)].filter(({ isDirectory }) => isDirectory).map(({ name }) => name);
}

function bytesIn(path: string): number {
  let bytes = 0;
  for (const { name, isDirectory } of Deno.readDirSync(path)) {
    const below = join(path, name);
    bytes += isDirectory ? bytesIn(below) : Deno.lstatSync(below).size;
  }
  return bytes;
}

function kib(bytes: number): string {
  return `${Math.round(bytes / 1024)} KiB`;
}
