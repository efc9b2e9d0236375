import assert from "node:assert/strict";
import { problemsOf, warningsOf } from "./load_text.ts";

const KEY = "0123456789abcdef0123456789abcdef";

function file(pool: string): string {
  return `pools:
  p: { upstreams: [http://a.example], ${pool} }
listeners: [{ name: l, pool: p }]
`;
}

Deno.test("validateChangeFeeds() takes a change feed on TMDB's API only, with a key of the gateway's own", async () => {
  assert.deepEqual(await problemsOf(file(`type: tmdb-api, api_keys: [${KEY}], change_feed: true`)), []);
  assert.deepEqual(await warningsOf(file(`type: tmdb-api, api_keys: [${KEY}], change_feed: true`)), []);
  assert.deepEqual(await problemsOf(file("type: custom, change_feed: true")), [
    "2:53 pools.p.change_feed: found change_feed expected none on a pool of type custom: only tmdb-api lists its changes",
  ]);
  assert.deepEqual(await problemsOf(file("type: custom, change_feed: false")), []);
  const [line] = await problemsOf(file(`type: tmdb-api, key_mode: pass, change_feed: true`));
  assert.match(line ?? "", /^2:\d+ pools\.p\.change_feed: .*`key_mode: pass`/);
});
