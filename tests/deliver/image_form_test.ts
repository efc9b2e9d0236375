import assert from "node:assert/strict";
import type { ConvertOptions, FormRecipe } from "../../lib/request/snapshot.ts";
import { type Fields, fieldValue } from "../../lib/http/fields.ts";
import { ImageForms, isConvertible, pictureFields } from "../../lib/deliver/image_form.ts";
import { sample } from "../cache/stored_sample.ts";

const webp: FormRecipe = { format: "webp", quality: 80, effort: 4, id: "webp-80-4", mediaType: "image/webp" };
const counts = { done: 0, unsuitable: 0, refused: 0, timeout: 0, failed: 0, unavailable: 0, derived: 0 };
const options: ConvertOptions = { recipes: [webp], minBytes: 10, maxBytes: 1_000, waitMs: 0, saysVary: false, counts };

/** A stored picture, by its signature. */
function picture(fields: Fields = [], bytes = 100) {
  const all: Fields = [["content-type", "image/jpeg"], ...fields];
  const stored = sample("l\0\0/t/p/w500/a.jpg", bytes, { fields: all, tags: ["img:a"] });
  stored.body.set([0xff, 0xd8, 0xff]);
  return stored;
}

Deno.test("isConvertible() takes pictures of a fitting size that may be changed", () => {
  assert.equal(isConvertible(picture(), options), true);
  for (const type of ["image/svg+xml", "image/gif", "image/avif", "text/html", ""]) {
    assert.equal(isConvertible(sample("k", 100, { fields: [["content-type", type]] }), options), false, type);
  }
  for (const bytes of [9, 1_001]) assert.equal(isConvertible(picture([], bytes), options), false);
  const fields: Fields = [["content-encoding", "gzip"], ["cache-control", "no-transform"], ["set-cookie", "a=b"]];
  for (const field of fields) assert.equal(isConvertible(picture([field]), options), false, field[0]);
  assert.equal(isConvertible(picture().with({ status: 404 }), options), false);
  // It would be converted anew each time.
  assert.equal(isConvertible(picture().with({ tiers: { memory: false, disk: false } }), options), false);
  // By its bytes it is none.
  const markup = picture().with({ body: new TextEncoder().encode("<svg>".padEnd(100)) });
  assert.equal(isConvertible(markup, options), false);
});

Deno.test("pictureFields() says Vary of what will be chosen by Accept, and of nothing else", () => {
  const vary = (fields: Fields, given: ConvertOptions | null = options) =>
    fieldValue(pictureFields(fields, given), "vary");
  const jpeg: Fields[number] = ["content-type", "image/jpeg"];
  assert.equal(vary([jpeg]), "Accept");
  assert.equal(vary([jpeg, ["content-length", "500"]]), "Accept");
  assert.equal(vary([jpeg, ["content-length", "5"]]), null);
  assert.equal(vary([jpeg, ["content-length", "5000"]]), null);
  assert.equal(vary([["content-type", "image/svg+xml"]]), null);
  assert.equal(vary([jpeg], null), null);
  assert.equal(vary([jpeg, ["vary", "Origin"]]), "Origin, Accept");
  for (const said of ["accept", "Origin, Accept", "*"]) assert.equal(vary([jpeg, ["vary", said]]), said);
});

Deno.test("ImageForms stores a form that goes with its original, and finds it again by the original's bytes", () => {
  const stored = picture([["etag", '"o"'], ["last-modified", "Thu, 01 Jan 2026 00:00:00 GMT"], ["x-other", "1"]]);
  const forms = new ImageForms(stored);
  const held = forms.holding(webp, Uint8Array.of(1, 2, 3));
  assert.equal(held.key, `${stored.key}\0~webp-80-4`);
  assert.deepEqual([held.tags, held.requestTimeMs, held.tiers], [stored.tags, stored.requestTimeMs, stored.tiers]);
  const served = new ImageForms(stored.with({ responseTimeMs: 5 })).with(webp, held)!;
  const shown = Object.fromEntries(served.fields);
  assert.match(shown["etag"]!, /^"[\w-]{22}"$/);
  assert.deepEqual({ ...shown, etag: "" }, {
    "content-type": "image/webp",
    "content-length": "3",
    "etag": "",
    "vary": "Accept",
    "x-other": "1",
  });
  assert.deepEqual([served.key, served.responseTimeMs, served.body], [stored.key, 5, Uint8Array.of(1, 2, 3)]);
  assert.equal(forms.with(webp, held), forms.with(webp, held));

  const other = new ImageForms(stored.with({ body: Uint8Array.of(9) }));
  assert.equal(other.with(webp, held), undefined);
  assert.equal(forms.with(webp, forms.holding(webp, null)), null);
});
