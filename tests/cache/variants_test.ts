import assert from "node:assert/strict";
import { variantKey } from "../../lib/cache/key.ts";
import { isVaryMarker, selectedKey, varyMarker } from "../../lib/cache/variants.ts";
import { sample } from "./stored_sample.ts";

const PRIMARY = "api\0\0/x";
const GERMAN: Array<[string, string | null]> = [["accept-language", "de"], ["x-beta", null]];
const variant = sample(variantKey(PRIMARY, GERMAN), 100, { selectedBy: GERMAN, tags: ["film"] });

Deno.test("varyMarker() holds the names that select, at the primary key, and nothing of the response's content", () => {
  const marker = varyMarker(PRIMARY, variant);
  assert.equal(marker.key, PRIMARY);
  assert.deepEqual(marker.selectedBy, [["accept-language", null], ["x-beta", null]]);
  assert.equal(marker.body.byteLength, 0);
  assert.deepEqual(marker.fields, []);
});

Deno.test("varyMarker() keeps what purges and stores go by", () => {
  const { tags, tiers, freshness, requestTimeMs, responseTimeMs } = varyMarker(PRIMARY, variant);
  assert.deepEqual(
    { tags, tiers, freshness, requestTimeMs, responseTimeMs },
    {
      tags: variant.tags,
      tiers: variant.tiers,
      freshness: variant.freshness,
      requestTimeMs: variant.requestTimeMs,
      responseTimeMs: variant.responseTimeMs,
    },
  );
});

Deno.test("isVaryMarker() tells markers from responses", () => {
  assert.equal(isVaryMarker(varyMarker(PRIMARY, variant)), true);
  assert.equal(isVaryMarker(variant), false);
});

Deno.test("selectedKey() leads a request with the same values to the variant, and others elsewhere (RFC 9111 §4.1)", () => {
  const marker = varyMarker(PRIMARY, variant);
  const asking = (values: Record<string, string>) =>
    selectedKey(marker, (names) => names.map((name) => [name, values[name] ?? null]));
  assert.equal(asking({ "accept-language": "de", "cookie": "not asked for" }), variant.key);
  assert.notEqual(asking({ "accept-language": "en" }), variant.key);
  assert.notEqual(asking({ "accept-language": "de", "x-beta": "" }), variant.key);
  assert.notEqual(asking({}), variant.key);
});
