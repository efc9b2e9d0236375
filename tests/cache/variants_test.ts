import assert from "node:assert/strict";
import { variantKey } from "../../lib/cache/key.ts";
import { areSameMarkers, isVaryMarker, knownVariants, primaryKeyOf, varyMarker } from "../../lib/cache/variants.ts";
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

Deno.test("primaryKeyOf() finds the key that a variant's marker stands at, and leaves other keys alone", () => {
  assert.equal(primaryKeyOf(variant), PRIMARY);
  assert.equal(primaryKeyOf(sample(PRIMARY, 1)), PRIMARY);
  assert.equal(primaryKeyOf(sample(PRIMARY, 1, { selectedBy: GERMAN })), PRIMARY);
});

Deno.test("areSameMarkers() says whether two markers name the same fields", () => {
  const other = varyMarker(PRIMARY, sample("x", 1, { selectedBy: [["accept-language", "en"], ["x-beta", "1"]] }));
  assert.equal(areSameMarkers(varyMarker(PRIMARY, variant), other), true);
  assert.equal(areSameMarkers(varyMarker(PRIMARY, variant), varyMarker(PRIMARY, sample("x", 1))), false);
  assert.equal(areSameMarkers(variant, varyMarker(PRIMARY, variant)), false);
});

Deno.test("knownVariants() leads a request with the same values to the variant, and others elsewhere (RFC 9111 §4.1)", () => {
  const { selectedBy } = varyMarker(PRIMARY, variant);
  const asking = (values: Record<string, string>) =>
    knownVariants(PRIMARY, { selectedBy, sinceMs: 7, header: (name) => values[name] ?? null });
  const known = asking({ "accept-language": "DE ;q=1.0", "cookie": "not asked for" });
  assert.deepEqual(known, { key: variant.key, sinceMs: 7, isNegotiated: false });
  assert.notEqual(asking({ "accept-language": "en" }).key, variant.key);
  assert.notEqual(asking({ "accept-language": "de", "x-beta": "" }).key, variant.key);
  assert.notEqual(asking({}).key, variant.key);
});
