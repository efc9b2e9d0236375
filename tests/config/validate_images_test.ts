import assert from "node:assert/strict";
import { loadConfig } from "../../lib/config/load.ts";
import { formatLocated } from "../../lib/config/yaml/located.ts";
import { balancerNames } from "../../lib/pool/balancer_registry.ts";
import { upstreamTypeNames } from "../../lib/upstream_type/registry.ts";

/** Warnings about a listener with these `images` over a pool of this type. */
async function warningsOf(images: string, more: { type?: string; pool?: string; mayLoadAddons?: boolean } = {}) {
  const { type = "tmdb-image", pool = "", mayLoadAddons } = more;
  const text = `pools:
  p: { type: ${type}, upstreams: [http://127.0.0.1:9]${pool} }
listeners:
  - name: l
    pool: p
    images: ${images}
`;
  const loaded = await loadConfig("config.yaml", {
    types: upstreamTypeNames,
    strategies: balancerNames,
    readTextFile: () => Promise.resolve(text),
    env: () => undefined,
    cores: 1,
    cwd: "/etc/usher",
    mayLoadAddons,
  });
  assert.ok(loaded.ok, loaded.ok ? "" : loaded.problems.map(formatLocated).join("\n"));
  return loaded.warnings.map(formatLocated);
}

Deno.test("validateImages() says where pictures are to be converted by a process that may not", async () => {
  const [warning, ...others] = await warningsOf("{ convert: true }", { mayLoadAddons: false });
  assert.match(warning!, /^config\.yaml:6:24 listeners\[0\]\.images\.convert: .*--allow-ffi.*originals are served/);
  assert.deepEqual(others, []);
  assert.equal((await warningsOf("{ derive: {} }", { mayLoadAddons: false })).length, 1);
  for (const images of ["{}", "{ convert: false, derive: false }", "{ convert: { enabled: false } }"]) {
    assert.deepEqual(await warningsOf(images, { mayLoadAddons: false }), [], images);
  }
  assert.deepEqual(await warningsOf("{ convert: true, derive: true }", { mayLoadAddons: true }), []);
  assert.deepEqual(await warningsOf("{ convert: true, derive: true }"), []);
});

Deno.test("validateImages() says what has no effect with other types", async () => {
  assert.match((await warningsOf("{ derive: true }", { type: "custom" }))[0]!, /images\.derive: it has no effect/);
  assert.deepEqual(await warningsOf("{ convert: true }", { type: "custom" }), []);
  const negotiating = { type: "custom", pool: ", image_accept: negotiate" };
  assert.match(
    (await warningsOf("{}", negotiating))[0]!,
    /^config\.yaml:2:\d+ pools\.p\.image_accept: it has no effect/,
  );
  assert.deepEqual(await warningsOf("{}", { pool: ", image_accept: negotiate" }), []);
});
