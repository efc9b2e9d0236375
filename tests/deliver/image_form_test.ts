import assert from "node:assert/strict";
import type { ConvertOptions, FormRecipe } from "../../lib/request/snapshot.ts";
import { type Fields, fieldValue } from "../../lib/http/fields.ts";
import {
  ImageForms,
  isConvertible,
  isResting,
  madeOnce,
  pictureFields,
  reportConversion,
} from "../../lib/deliver/image_form.ts";
import { sample } from "../cache/stored_sample.ts";
import { plainParts, withGateway } from "../pipeline/in_process_gateway.ts";

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
  const held = forms.entryFor(webp, Uint8Array.of(1, 2, 3));
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
  assert.equal(forms.with(webp, forms.entryFor(webp, null)), null);
});

Deno.test("reportConversion() counts by what became of it, and lets only rest what would fail again", () =>
  withGateway(plainParts(["http://127.0.0.1:9"]), ({ gateway: { services } }) => {
    const counts = { done: 0, unsuitable: 0, refused: 0, timeout: 0, failed: 0, unavailable: 0, derived: 0 };
    const report = (key: string, kind: "failed" | "timeout" | "refused" | "unavailable" | "unsuitable") =>
      reportConversion(services, { key, counts, made: "done" }, { kind, detail: "a test says so" });
    for (const kind of ["failed", "timeout", "refused", "unavailable", "unsuitable"] as const) {
      report(`report\0${kind}`, kind);
      assert.equal(isResting(`report\0${kind}`), kind === "failed" || kind === "timeout", kind);
    }
    const body = Uint8Array.of(1);
    reportConversion(services, { key: "report", counts, made: "derived" }, { kind: "done", body });
    reportConversion(services, { key: "report", counts, made: "done" }, { kind: "done", body });
    assert.deepEqual(counts, { done: 1, unsuitable: 1, refused: 1, timeout: 1, failed: 1, unavailable: 1, derived: 1 });
    return Promise.resolve();
  }));

Deno.test("reportConversion() writes a flood of failures in few lines", () =>
  withGateway(plainParts(["http://127.0.0.1:9"]), ({ gateway: { services }, lines }) => {
    const counts = { done: 0, unsuitable: 0, refused: 0, timeout: 0, failed: 0, unavailable: 0, derived: 0 };
    for (let at = 0; at < 500; at++) {
      reportConversion(services, { key: `flood\0${at}`, counts, made: "done" }, { kind: "failed", detail: "broken" });
    }
    assert.equal(counts.failed, 500);
    assert.ok(lines.length <= 1, `${lines.length} lines`);
    return Promise.resolve();
  }));

const KEY = "l\0\0/a\0~made";
const fresh = (key = KEY) => sample(key, 10, { responseTimeMs: Date.UTC(2026, 0, 2, 3, 4, 5) });

const withServices = (run: Parameters<typeof withGateway>[1]) => withGateway(plainParts(["http://127.0.0.1:9"]), run);

Deno.test("madeOnce() makes once for all who ask meanwhile, and stores it", () =>
  withServices(async ({ gateway: { services } }) => {
    const gate = Promise.withResolvers<void>();
    let made = 0;
    const make = async () => {
      made++;
      await gate.promise;
      return fresh();
    };
    const all = [1, 2, 3].map(() => madeOnce(services, { key: KEY, make }));
    gate.resolve();
    const responses = await Promise.all(all);
    assert.equal(made, 1);
    for (const response of responses) assert.deepEqual(response!.body, fresh().body);
    const found = await services.store.get(KEY);
    assert.deepEqual(found!.response.body, fresh().body);
  }));

Deno.test("madeOnce() gives nothing where nothing is made, and lets the next one try", () =>
  withServices(async ({ gateway: { services } }) => {
    const failing = () => Promise.reject(new Error("a test says so"));
    assert.equal(await madeOnce(services, { key: KEY, make: failing }), null);
    assert.equal(await madeOnce(services, { key: KEY, make: () => Promise.resolve(null) }), null);
    const both = [0, 1].map(() => madeOnce(services, { key: KEY, make: failing }));
    assert.deepEqual(await Promise.all(both), [null, null]);
    assert.equal((await madeOnce(services, { key: KEY, make: () => Promise.resolve(fresh()) }))!.key, KEY);
  }));
