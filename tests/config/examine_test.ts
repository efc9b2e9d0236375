import assert from "node:assert/strict";
import { formatListenAddress } from "../../lib/config/addresses.ts";
import { examine } from "../../lib/config/examine.ts";
import { parseText } from "../../lib/config/yaml/parse.ts";
import { buildTree } from "../../lib/config/yaml/tree.ts";
import { names, SOUND } from "./load_text.ts";

const deps = {
  ...names,
  readTextFile: () => Promise.reject(new Deno.errors.NotFound()),
  env: () => undefined,
  cores: 0,
  cwd: "/",
};

function examineText(text: string) {
  const parsed = parseText(text);
  assert.ok(parsed.ok);
  const file = () => ({ problem: "there is no such file" });
  return examine({ file: "c.yaml", tree: buildTree(parsed, { env: () => undefined, file }) }, deps);
}

Deno.test("examine() makes a configuration, its warnings and its addresses of a sound tree", async () => {
  const result = await examineText(
    SOUND.replace("listeners:", "  b: { type: custom, upstreams: [https://b.example] }\nlisteners:"),
  );
  assert.ok(result.ok);
  assert.equal(result.config.server.workers, 1);
  assert.deepEqual(result.warnings.map(({ path }) => path), ["pools.b"]);
  assert.deepEqual(result.listening.map(({ address }) => formatListenAddress(address)), [
    "127.0.0.1:6636",
    "0.0.0.0:6635",
  ]);
});

Deno.test("examine() reports mistakes of the tree, of the schema and of meaning together", async () => {
  const result = await examineText(`server: { name: "\${NONE}", workers: 0 }\nadmin: { listen: ":1" }${SOUND}`);
  assert.ok(!result.ok);
  assert.deepEqual(result.problems.map(({ path }) => path), ["server.name", "server.workers", "admin.listen"]);
});
