import assert from "node:assert/strict";
import { deadAtMs, listenerOfKey } from "../../lib/cache/store.ts";
import { sampleResponse } from "./store_suite.ts";

const freshness = {
  initialAgeMs: 10,
  lifetimeMs: 1000,
  staleWhileRevalidateMs: 300,
  staleIfErrorMs: 500,
  mustRevalidate: false,
  alwaysValidate: false,
};

function stored(changes: Partial<typeof freshness>, fields: [string, string][] = []) {
  return sampleResponse("api\0\0/", { responseTimeMs: 10_000, freshness: { ...freshness, ...changes }, fields });
}

Deno.test("listenerOfKey() is the text up to the first separator", () => {
  assert.equal(listenerOfKey("api\0host\0/3/movie/550"), "api");
  assert.equal(listenerOfKey("\0\0/"), "");
  assert.equal(listenerOfKey("api"), "api");
});

Deno.test("deadAtMs() counts what is left of the lifetime and the longer stale window", () => {
  assert.equal(deadAtMs(stored({}), 7000), 10_000 + 990 + 500);
  assert.equal(deadAtMs(stored({ staleWhileRevalidateMs: 900 }), 7000), 10_000 + 990 + 900);
  assert.equal(deadAtMs(stored({ initialAgeMs: 5000 }), 7000), 10_000 + 500);
});

Deno.test("deadAtMs() knows no stale window where a response must be validated", () => {
  assert.equal(deadAtMs(stored({ mustRevalidate: true }), 7000), 10_000 + 990);
});

Deno.test("deadAtMs() keeps longer what can be validated, and the marker that leads to variants", () => {
  assert.equal(deadAtMs(stored({}, [["etag", '"a"']]), 7000), 10_000 + 990 + 500 + 7000);
  assert.equal(
    deadAtMs(stored({}, [["last-modified", "Sat, 01 Jan 2000 00:00:00 GMT"]]), 7000),
    10_000 + 990 + 500 + 7000,
  );
  assert.equal(deadAtMs(stored({}).with({ kind: "marker" }), 7000), 10_000 + 990 + 500 + 7000);
});
