import assert from "node:assert/strict";
import { join } from "node:path";
import { startGateway } from "./_gateway.ts";
import { testConfig } from "./test_config.ts";

/** What a start needs of npm: the packages that the gateway imports, and theirs. */
const NEEDED = ["@opentelemetry", "bintrees", "hono", "lru-cache", "prom-client", "tdigest", "yaml", "zod"];

Deno.test("D4: a first start fetches what the gateway imports, and neither test packages nor sharp", async (t) => {
  const denoDir = await Deno.makeTempDir({ prefix: "usher-deno-dir-" });
  try {
    const gateway = await startGateway({
      config: (places) =>
        testConfig(places, {
          pools: { one: { type: "custom", health: false, upstreams: ["http://127.0.0.1:9"] } },
          listeners: [{ name: "one", pool: "one" }],
        }),
      env: { DENO_DIR: denoDir },
    });
    try {
      assert.equal((await gateway.status()).workers.filter(({ state }) => state === "up").length, 3);
    } finally {
      await gateway.close();
    }
    // One folder for the registry, whichever it is.
    const [registry, ...others] = foldersIn(join(denoDir, "npm"));
    assert.deepEqual(others, []);
    const fetched = foldersIn(join(denoDir, "npm", registry!)).sort();
    const sizes = fetched.map((name) => `${name} ${kib(bytesIn(join(denoDir, "npm", registry!, name)))}`);
    await t.step(`it fetched ${sizes.join(", ")}; ${kib(bytesIn(denoDir))} with what Deno makes of it`, () => {
      assert.deepEqual(fetched, NEEDED);
    });
  } catch (error) {
    // Without the registry nothing can be fetched: there is nothing to see then.
    if (!/registry|npm package|error sending request/i.test(String(error))) throw error;
    await t.step({ name: "left out: npm's registry cannot be reached", ignore: true, fn: () => {} });
  } finally {
    await Deno.remove(denoDir, { recursive: true });
  }
});

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
