import assert from "node:assert/strict";
import { parse } from "yaml";
import { demoBanner, demoConfig, prepareDemo } from "./demo_config.ts";
import { demoApiKey } from "./tmdb_origin.ts";

Deno.test("demoConfig() is YAML with pools for every listener", () => {
  const config = parse(demoConfig("http://127.0.0.1:1", { port: 6635, adminPort: 6636, dataDir: 'C:\\a "b"' }));
  assert.equal(config.server.data_dir, 'C:\\a "b"');
  assert.deepEqual(config.pools["tmdb-api"].upstreams, ["http://127.0.0.1:1"]);
  const two = parse(demoConfig(["http://127.0.0.1:1", "http://127.0.0.1:2"], { port: 1, adminPort: 2, dataDir: "d" }));
  assert.deepEqual(two.pools["tmdb-image"].upstreams, ["http://127.0.0.1:1", "http://127.0.0.1:2"]);
  for (const listener of config.listeners) assert.ok(config.pools[listener.pool], listener.name);
});

Deno.test("demoBanner() names targets that the origin answers", async () => {
  const parentDir = await Deno.makeTempDir();
  const demo = await prepareDemo({ port: 6635, adminPort: 6636, parentDir });
  try {
    const urls = [...demoBanner(demo.origins[0]!.url, "http://127.0.0.1:6636").matchAll(/'(http[^']+)'/g)].map((
      match,
    ) => match[1]!);
    assert.equal(urls.length, 3);
    for (const url of urls) {
      const response = await fetch(url);
      await response.body?.cancel();
      assert.ok(response.ok || response.status === 401, url);
      if (response.status !== 401) continue;
      const withKey = await fetch(`${url}${url.includes("?") ? "&" : "?"}api_key=${demoApiKey}`);
      await withKey.body?.cancel();
      assert.equal(withKey.status, 200, url);
    }
    assert.match(await Deno.readTextFile(demo.configPath), /access: all/);
  } finally {
    await demo.close();
    // Fails unless the demo took everything away with it.
    await Deno.remove(parentDir);
  }
});
