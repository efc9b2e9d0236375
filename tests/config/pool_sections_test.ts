import assert from "node:assert/strict";
import { poolKeys, upstreamKeys } from "../../lib/config/pool_sections.ts";

Deno.test("poolKeys and upstreamKeys have no key twice", () => {
  const keys = [...Object.keys(poolKeys), ...Object.keys(upstreamKeys)];
  assert.equal(new Set(keys).size, keys.length);
  for (const key of ["retry", "max_in_flight", "proxy"]) assert.ok(keys.includes(key), key);
});
