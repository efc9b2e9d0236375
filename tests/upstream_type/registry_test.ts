import assert from "node:assert/strict";
import { createUpstreamType, upstreamTypeNames } from "../../lib/upstream_type/registry.ts";
import { typeOptions } from "./_requests.ts";

Deno.test("createUpstreamType() makes every type it names", () => {
  assert.deepEqual(upstreamTypeNames, ["tmdb-api", "tmdb-image", "custom"]);
  for (const name of upstreamTypeNames) assert.equal(createUpstreamType(name, typeOptions()).name, name);
});

Deno.test("createUpstreamType() says which names there are", () => {
  assert.throws(() => createUpstreamType("tmdb", typeOptions()), {
    name: "RangeError",
    message: 'Cannot create an upstream type: "tmdb" is none of tmdb-api, tmdb-image, custom',
  });
});
