import assert from "node:assert/strict";
import { listenerKeys } from "../../lib/config/listener_sections.ts";

Deno.test("listenerKeys joins what says who may use a listener, how much, and what is fetched ahead", () => {
  const keys = Object.keys(listenerKeys);
  assert.equal(new Set(keys).size, keys.length);
  for (const key of ["auth", "cors", "max_in_flight", "rate_limit", "prewarm"]) assert.ok(keys.includes(key), key);
});
