import assert from "node:assert/strict";
import { demoConfig } from "../origins/demo_config.ts";
import { startTmdbOrigin } from "../origins/tmdb_origin.ts";
import { filePath } from "../origins/artwork.ts";
import { fetched, type GatewayPlaces, sha256, startGateway } from "./_gateway.ts";

Deno.test("a poster is the same from upstream, memory and KV, after a restart and after kill -9", async () => {
  const origin = await startTmdbOrigin();
  const config = (places: GatewayPlaces) => demoConfig(origin.url, places);
  const path = `/t/p/w500${filePath("poster", "movie/550")}`;
  const seen: string[] = [];
  const hashes = new Set<string>();
  const ask = async (url: string) => {
    const { bytes, cacheStatus, status } = await fetched(url + path);
    assert.equal(status, 200);
    seen.push(cacheStatus.replace(/; ttl=\d+/, ""));
    hashes.add(await sha256(bytes));
  };

  const first = await startGateway({ config });
  await ask(first.url);
  await ask(first.url);
  first.signal("SIGTERM");
  assert.equal(await first.ended(), 0);

  const second = await startGateway({ config, directory: first.directory });
  await ask(second.url);
  second.signal("SIGKILL");
  await second.ended();

  const third = await startGateway({ config, directory: first.directory });
  await ask(third.url);
  assert.deepEqual(seen, [
    "usher; fwd=uri-miss; stored",
    "usher; hit; detail=memory",
    "usher; hit; detail=kv",
    "usher; hit; detail=kv",
  ]);
  assert.equal(hashes.size, 1);
  assert.equal(hashes.has(await sha256((await fetched(origin.url + path)).bytes)), true);
  await third.close();
  await origin.close();
});
