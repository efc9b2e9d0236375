import assert from "node:assert/strict";
import { PurgeRules } from "../../lib/cache/purge/purge_rules.ts";
import type { Conversion } from "../../lib/image/conversion.ts";
import { sample } from "../cache/stored_sample.ts";
import { decoded, drawn } from "../image/pictures.ts";
import { LocalConverter } from "../image/local_converter.ts";
import type { ScriptedHandler, ScriptedOrigin } from "../origins/scripted_origin.ts";
import { eventually, type GatewayParts, type InProcessGateway, withOrigin } from "../pipeline/in_process_gateway.ts";

const BROWSER = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8";
const SIMPLE = /^"[A-Za-z0-9_-]+"$/;
const poster = await drawn("jpeg", { width: 200, height: 300 });

const FIELDS = {
  "content-type": "image/jpeg",
  "cache-control": "public, max-age=100",
  "etag": 'W/"v1"',
  "last-modified": "Thu, 01 Jan 2026 00:00:00 GMT",
};

const origin = (body: Uint8Array<ArrayBuffer>, fields: Record<string, string> = {}): ScriptedHandler => (exchange) =>
  exchange.reply({
    fields: Object.entries({ ...FIELDS, ...fields }),
    body: exchange.head.method === "HEAD" ? undefined : body,
  });

interface Setup {
  readonly convert?: unknown;
  readonly body?: Uint8Array<ArrayBuffer>;
  readonly fields?: Record<string, string>;
  readonly pool?: Record<string, unknown>;
  readonly images?: LocalConverter;
}

type Run = (gateway: InProcessGateway, images: LocalConverter, origin: ScriptedOrigin) => Promise<void>;

/** Runs a test with an image listener that converts, over an origin with one picture. */
async function withImages(setup: Setup, run: Run): Promise<void> {
  const images = setup.images ?? await LocalConverter.open();
  const { convert = { effort: { avif: 0 }, wait: "60s" }, pool = {} } = setup;
  const more: Partial<GatewayParts> & { pool: Record<string, unknown> } = {
    images,
    pool: { type: "tmdb-image", ...pool },
    listeners: [{ name: "l", pool: "p", images: { convert } }],
  };
  const handler = origin(setup.body ?? poster, setup.fields);
  await withOrigin(handler, (gateway, scripted) => run(gateway, images, scripted), more);
}

/** Asks as a client with this `Accept`. */
async function asked(gateway: InProcessGateway, accept: string | null, init: RequestInit = {}) {
  const headers = new Headers(init.headers);
  if (accept !== null) headers.set("accept", accept);
  const response = await gateway.send("/t/p/w200/a.jpg", { ...init, headers });
  const bytes = new Uint8Array(await response.arrayBuffer());
  const { status } = response;
  const field = (name: string) => response.headers.get(name);
  return { status, bytes, field, type: field("content-type"), etag: field("etag"), cache: field("cache-status") };
}

Deno.test("choosePicture() serves the best form that a client names: valid, smaller, of the same dimensions, with its own tag", () =>
  withImages({}, async (gateway, images, origin) => {
    const avif = await asked(gateway, BROWSER);
    const webp = await asked(gateway, "image/webp");
    const original = await asked(gateway, null);
    assert.deepEqual([avif.type, webp.type, original.type], ["image/avif", "image/webp", "image/jpeg"]);
    for (const [{ bytes, field }, format] of [[avif, "avif"], [webp, "webp"]] as const) {
      assert.deepEqual(await decoded(bytes), { format, width: 200, height: 300 });
      assert.ok(bytes.byteLength < poster.byteLength);
      assert.equal(field("content-length"), String(bytes.byteLength));
      assert.equal(field("last-modified"), null);
    }
    assert.deepEqual(original.bytes, poster);
    for (const { field, etag } of [avif, webp, original]) {
      assert.equal(field("vary"), "Accept");
      assert.match(etag!, SIMPLE);
      assert.equal(field("cache-control"), `public, max-age=${120 * 86_400}`);
      assert.equal(field("x-content-type-options"), "nosniff");
      assert.equal(field("x-usher-source"), null);
    }
    assert.equal(new Set([avif.etag, webp.etag, original.etag]).size, 3);
    assert.equal(origin.heads.length, 1);
    assert.deepEqual(images.asked.map(({ format }) => format), ["avif", "webp"]);
  }));

Deno.test("choosePicture() converts once: later requests get the same bytes without a conversion", () =>
  withImages({}, async (gateway, images) => {
    const first = await Promise.all(Array.from({ length: 5 }, () => asked(gateway, BROWSER)));
    const second = await asked(gateway, BROWSER);
    const head = await asked(gateway, BROWSER, { method: "HEAD" });
    for (const { bytes, etag, type } of first) {
      assert.deepEqual([bytes, etag, type], [second.bytes, second.etag, "image/avif"]);
    }
    assert.equal(images.asked.length, 1);
    assert.match(second.cache!, /hit/);
    assert.deepEqual([head.type, head.etag, head.field("content-length")], [
      second.type,
      second.etag,
      second.field("content-length"),
    ]);
    assert.equal(gateway.gateway.counts.listeners["l"]!.conversions["done"], 1);
  }));

Deno.test("choosePicture() serves the original to clients that do not name a format, or like the original better", () =>
  withImages({}, async (gateway, images) => {
    const accepts = [
      null,
      "*/*",
      "image/*",
      "image/jpeg",
      "text/html,image/avif;q=0",
      "image/webp;q=0.5,image/jpeg",
      "",
    ];
    for (const accept of accepts) {
      const { type, bytes } = await asked(gateway, accept);
      assert.deepEqual([type, bytes.byteLength], ["image/jpeg", poster.byteLength], String(accept));
    }
    assert.equal(images.asked.length, 0);
    assert.equal((await asked(gateway, "image/avif;q=0.5,image/webp,*/*;q=0.1")).type, "image/webp");
  }));

Deno.test("choosePicture() judges conditions and ranges by the form that they speak of", () =>
  withImages({}, async (gateway, images) => {
    const form = await asked(gateway, BROWSER);
    const original = await asked(gateway, null);
    const withTag = (tag: string | null, more = {}) => ({ headers: { "if-none-match": tag!, ...more } });
    assert.equal((await asked(gateway, BROWSER, withTag(form.etag))).status, 304);
    assert.equal((await asked(gateway, null, withTag(original.etag))).status, 304);
    const stale = await asked(gateway, BROWSER, withTag(original.etag));
    assert.deepEqual([stale.status, stale.type], [200, "image/avif"]);
    // A date alone does not tell the forms apart.
    const dated = await asked(gateway, BROWSER, { headers: { "if-modified-since": "Fri, 02 Jan 2026 00:00:00 GMT" } });
    assert.equal(dated.status, 200);

    const range = { range: "bytes=10-19" };
    const ofForm = await asked(gateway, BROWSER, { headers: { ...range, "if-range": form.etag! } });
    assert.deepEqual([ofForm.status, ofForm.bytes], [206, form.bytes.slice(10, 20)]);
    const ofOriginal = await asked(gateway, BROWSER, { headers: range });
    assert.deepEqual([ofOriginal.status, ofOriginal.bytes], [206, poster.slice(10, 20)]);
    const neither = await asked(gateway, BROWSER, { headers: { ...range, "if-range": original.etag! } });
    assert.deepEqual([neither.status, neither.type], [200, "image/avif"]);
    for (const more of [{}, range]) {
      const matched = await asked(gateway, BROWSER, { headers: { ...more, "if-match": original.etag! } });
      assert.deepEqual([matched.etag, matched.type], [original.etag, "image/jpeg"]);
    }
    assert.equal(images.asked.length, 1);
  }));

Deno.test("choosePicture() serves the original when the wait is over, and stores what comes later", () =>
  withImages({ convert: { wait: 0, effort: { avif: 0 } } }, async (gateway, images) => {
    const done = Promise.withResolvers<Conversion>();
    images.instead = () => done.promise;
    const early = await asked(gateway, BROWSER);
    assert.deepEqual([early.type, early.bytes, early.field("vary")], ["image/jpeg", poster, "Accept"]);
    assert.equal((await asked(gateway, BROWSER)).type, "image/jpeg");
    const body = Uint8Array.of(1, 2, 3);
    done.resolve({ kind: "done", body });
    await gateway.idle();
    const late = await asked(gateway, BROWSER);
    assert.deepEqual([late.type, late.bytes], ["image/avif", body]);
    assert.equal(images.asked.length, 1);
  }));

Deno.test("choosePicture() remembers what cannot be of use, goes on to the next format, and serves the original", async () => {
  await withImages({}, async (gateway, images) => {
    images.instead = ({ format }) =>
      Promise.resolve(
        format === "avif" ? { kind: "unsuitable", detail: "no smaller" } : { kind: "done", body: Uint8Array.of(1) },
      );
    for (let turn = 0; turn < 3; turn++) assert.equal((await asked(gateway, BROWSER)).type, "image/webp");
    assert.deepEqual(images.asked.map(({ format }) => format), ["avif", "webp"]);
  });
  await withImages({ convert: { formats: ["webp"], quality: { webp: 100 } } }, async (gateway, images) => {
    images.instead = () => Promise.resolve({ kind: "unsuitable", detail: "animated" });
    for (let turn = 0; turn < 3; turn++) assert.deepEqual((await asked(gateway, BROWSER)).bytes, poster);
    assert.equal(images.asked.length, 1);
  });
});

for (const kind of ["refused", "unavailable", "failed", "timeout"] as const) {
  Deno.test(`choosePicture() serves the original when a conversion is ${kind}`, () =>
    withImages({ convert: { formats: ["webp"] } }, async (gateway, images) => {
      images.instead = () => Promise.resolve({ kind, detail: "a test says so" });
      const path = `/t/p/${kind}/a.jpg`;
      for (let turn = 0; turn < 2; turn++) {
        const response = await gateway.send(path, { headers: { accept: BROWSER } });
        assert.deepEqual(new Uint8Array(await response.arrayBuffer()), poster);
        assert.deepEqual([response.status, response.headers.get("vary")], [200, "Accept"]);
      }
      // What is over in a moment is tried again; what would fail again rests.
      const tries = kind === "refused" || kind === "unavailable" ? 2 : 1;
      assert.equal(images.asked.length, tries);
      assert.equal(gateway.gateway.counts.listeners["l"]!.conversions[kind], tries);
    }));
}

Deno.test("choosePicture() does not fail with a converter that breaks its word", () =>
  withImages({ convert: { formats: ["webp"] } }, async (gateway, images) => {
    images.instead = () => Promise.reject(new Error("a test says so"));
    assert.deepEqual((await asked(gateway, BROWSER)).bytes, poster);
  }));

Deno.test("choosePicture() leaves alone what is small, no picture, not to be transformed, or not a success", async () => {
  const rows: Setup[] = [
    { convert: { min_size: "1MiB" } },
    { fields: { "cache-control": "public, max-age=100, no-transform" } },
  ];
  for (const setup of rows) {
    await withImages(setup, async (gateway, images) => {
      const { bytes, field } = await asked(gateway, BROWSER);
      assert.deepEqual([bytes, field("vary")], [poster, null], JSON.stringify(setup));
      assert.equal(images.asked.length, 0);
    });
  }
});

Deno.test("choosePicture() takes a picture for another one when its bytes change", () =>
  withImages({ convert: { effort: { avif: 0 }, wait: "60s", min_size: 0 } }, async (gateway, images, scripted) => {
    const before = await asked(gateway, BROWSER);
    const changed = await drawn("jpeg", { width: 120, height: 180 });
    scripted.handle(origin(changed, { "etag": '"v2"' }));
    gateway.clock.advance(1_000 * 86_400_000);
    const after = await asked(gateway, BROWSER);
    assert.deepEqual(await decoded(after.bytes), { format: "avif", width: 120, height: 180 });
    assert.notEqual(after.etag, before.etag);
    assert.equal(images.asked.length, 2);
  }));

Deno.test("choosePicture() goes on with the same forms after the original was found unchanged", () =>
  withImages({}, async (gateway, images, scripted) => {
    const before = await asked(gateway, BROWSER);
    scripted.handle((exchange) => exchange.write('HTTP/1.1 304 Not Modified\r\netag: W/"v1"\r\n\r\n'));
    gateway.clock.advance(200 * 86_400_000);
    assert.equal((await asked(gateway, BROWSER)).etag, before.etag);
    await gateway.idle();
    assert.equal((await asked(gateway, BROWSER)).etag, before.etag);
    assert.equal(images.asked.length, 1);
  }));

Deno.test("a large picture is waited for by clients that want a form, and says Vary while it comes in to others", async () => {
  const large = await drawn("png", { width: 700, height: 700, look: "noise" });
  assert.ok(large.byteLength > 262_144);
  const fields = { "content-type": "image/png" };
  await withImages({ body: large, fields }, async (gateway) => {
    const first = await asked(gateway, "image/webp");
    assert.deepEqual(await decoded(first.bytes), { format: "webp", width: 700, height: 700 });
    assert.equal(first.field("vary"), "Accept");
  });
  await withImages({ body: large, fields }, async (gateway) => {
    const first = await asked(gateway, null);
    assert.deepEqual([first.bytes, first.field("vary")], [large, "Accept"]);
    await gateway.idle();
    assert.equal((await asked(gateway, "image/webp")).type, "image/webp");
  });
  await withImages({ body: large, fields, convert: { wait: 0 } }, async (gateway) => {
    const first = await asked(gateway, "image/webp");
    assert.deepEqual([first.bytes, first.field("vary")], [large, "Accept"]);
  });
});

Deno.test("a purge of a picture takes its forms and both classes of clients with it", () => {
  const url = { kind: "url", listener: "l", target: "/t/p/w500/a.jpg" } as const;
  const tag = { kind: "tag", listener: "l", tag: "img:a" } as const;
  for (const scope of [url, tag]) {
    const rules = new PurgeRules([{ id: "1", scope, soft: false, timeMs: 5_000 }]);
    for (const rest of ["", "\0~webp-80-4", "\0accept:webp", "\0accept:webp\0~avif-55-2"]) {
      const stored = sample(`l\0\0/t/p/w500/a.jpg${rest}`, 1, { tags: ["img:a"] });
      assert.equal(rules.verdict(stored).kind, "gone", `${scope.kind} ${rest}`);
    }
    assert.equal(rules.verdict(sample("l\0\0/t/p/w500/b.jpg", 1)).kind, "keep");
  }
});

Deno.test("with image_accept negotiate both classes have pictures of their own, by a fixed Accept, and Vary once", () =>
  withImages({ convert: false, pool: { image_accept: "negotiate" } }, async (gateway, _, scripted) => {
    for (const accept of [BROWSER, "image/webp,*/*", null, "*/*", "image/png"]) {
      const { field, status } = await asked(gateway, accept);
      assert.deepEqual([status, field("vary")], [200, "Accept"], String(accept));
    }
    const asks = scripted.heads.map(({ fields }) =>
      fields.filter(([name]) => name === "accept").map(([, value]) => value)
    );
    assert.deepEqual(asks, [["image/webp,*/*;q=0.8"], ["*/*"]]);
  }));

Deno.test("conversion and image_accept negotiate together say Vary once", () =>
  withImages({ pool: { image_accept: "negotiate" } }, async (gateway) => {
    const { type, field } = await asked(gateway, BROWSER);
    assert.deepEqual([type, field("vary")], ["image/avif", "Accept"]);
  }));

Deno.test("a listener without conversion pays no heed to Accept", () =>
  withImages({ convert: false }, async (gateway, images) => {
    const { type, field } = await asked(gateway, BROWSER);
    assert.deepEqual([type, field("vary")], ["image/jpeg", null]);
    assert.equal(images.asked.length, 0);
    await eventually("nothing is under way", () => gateway.gateway.services.background.size === 0);
  }));
