import assert from "node:assert/strict";
import { tmdbRoutes } from "../../lib/upstream_type/_tmdb_routes.ts";
import { upstreamTypes } from "../../lib/upstream_type/registry.ts";
import { typeOptions } from "./_requests.ts";

Deno.test("UpstreamTypes.create() makes every type it names", () => {
  assert.deepEqual(upstreamTypes.names, ["tmdb-api", "tmdb-image", "custom"]);
  for (const name of upstreamTypes.names) assert.equal(upstreamTypes.create(name, typeOptions()).name, name);
});

Deno.test("UpstreamTypes.create() says which names there are", () => {
  assert.throws(() => upstreamTypes.create("tmdb", typeOptions()), {
    name: "RangeError",
    message: 'Cannot create an upstream type: "tmdb" is none of tmdb-api, tmdb-image, custom',
  });
});

const refusedCheck = (name: string, target: string) => upstreamTypes.traits(name)!.refusedCheck(target);

Deno.test("UpstreamType.refusedCheck() lets no check change anything or ask about a user, over the whole table", () => {
  for (const route of tmdbRoutes) {
    for (const pattern of route.paths) {
      const path = pattern.replaceAll(/\{([^,}]*)[^}]*\}/g, "$1").replace("/**", "/1").replaceAll("*", "1");
      assert.equal(refusedCheck("tmdb-api", path) === null, route.private === null, path);
      assert.notEqual(refusedCheck("tmdb-api", `${path}?guest_session_id=a`), null, path);
    }
  }
  assert.equal(refusedCheck("tmdb-api", "/healthz"), null);
  assert.equal(refusedCheck("tmdb-image", "/t/p/w92/a.jpg"), null);
  assert.equal(refusedCheck("custom", "/3/authentication/token/new"), null);
  assert.equal(upstreamTypes.traits("no-such-type"), null);
});
