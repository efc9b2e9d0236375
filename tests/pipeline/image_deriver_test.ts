import assert from "node:assert/strict";
import type { Conversion } from "../../lib/image/conversion.ts";
import { LocalConverter } from "../image/local_converter.ts";
import { decoded, drawn } from "../image/pictures.ts";
import type { ScriptedOrigin } from "../origins/scripted_origin.ts";
import { type GatewayParts, type InProcessGateway, withOrigin } from "./in_process_gateway.ts";

const original = await drawn("jpeg", { width: 400, height: 600 });
const small = await drawn("jpeg", { width: 92, height: 138 });

type Run = (gateway: InProcessGateway, images: LocalConverter, origin: ScriptedOrigin) => Promise<void>;

/** Runs a test with an image listener that derives, over an origin that has an original and one small size. */
async function withSizes(images: Record<string, unknown>, run: Run): Promise<void> {
  const converter = await LocalConverter.open();
  const more: Partial<GatewayParts> & { pool: Record<string, unknown> } = {
    images: converter,
    pool: { type: "tmdb-image" },
    listeners: [{ name: "l", pool: "p", images, cache: { rules: [{ ttl: "100s", stale_while_revalidate: 0 }] } }],
  };
  await withOrigin(
    (exchange) =>
      exchange.reply({
        fields: [["content-type", "image/jpeg"], ["etag", '"o"'], ["cache-control", "max-age=9"]],
        body: exchange.head.target.includes("/original/") ? original : small,
      }),
    (gateway, origin) => run(gateway, converter, origin),
    more,
  );
}

async function asked(gateway: InProcessGateway, path: string, init: RequestInit = {}) {
  const response = await gateway.send(path, init);
  const bytes = new Uint8Array(await response.arrayBuffer());
  return { status: response.status, bytes, headers: response.headers, cache: response.headers.get("cache-status") };
}

const waiting = { derive: { wait: "60s" } };

Deno.test("ImageDeriver makes a size of the stored original: exact, stored, with its source's age", () =>
  withSizes(waiting, async (gateway, images, origin) => {
    await asked(gateway, "/t/p/original/a.jpg");
    gateway.clock.advance(40_000);
    const made = await asked(gateway, "/t/p/w200//a.jpg");
    assert.deepEqual(await decoded(made.bytes), { format: "jpeg", width: 200, height: 300 });
    assert.match(made.cache!, /hit.*detail=resized/);
    assert.equal(made.headers.get("age"), "40");
    assert.equal(made.headers.get("cache-control"), "public, max-age=100");
    assert.match(made.headers.get("etag")!, /^"[\w-]+"$/);
    assert.equal(made.headers.get("last-modified"), null);
    const again = await asked(gateway, "/t/p/w200/a.jpg");
    assert.deepEqual([again.bytes, again.headers.get("etag")], [made.bytes, made.headers.get("etag")]);
    assert.match(again.cache!, /hit; ttl=60; detail=memory/);
    assert.deepEqual([origin.heads.length, images.asked.length], [1, 1]);
    const stored = await gateway.gateway.services.store.get("l\0\0/t/p/w200/a.jpg");
    assert.deepEqual(stored!.response.tags, ["img:a", "size:original", "size:w200"]);
    assert.equal(gateway.gateway.counts.listeners["l"]!.conversions["derived"], 1);
  }));

Deno.test("ImageDeriver takes the nearest larger size, by height from the original alone", () =>
  withSizes(waiting, async (gateway, images) => {
    await asked(gateway, "/t/p/original/a.jpg");
    await asked(gateway, "/t/p/w300/a.jpg");
    const narrow = await asked(gateway, "/t/p/w92/a.jpg");
    const low = await asked(gateway, "/t/p/h300/a.jpg");
    assert.deepEqual(await decoded(narrow.bytes), { format: "jpeg", width: 92, height: 138 });
    assert.deepEqual(await decoded(low.bytes), { format: "jpeg", width: 200, height: 300 });
    assert.deepEqual(images.asked.map(({ fit }) => fit), [{ width: 300 }, { width: 92 }, { height: 300 }]);
  }));

Deno.test("ImageDeriver makes a size once for all who ask at a time", () =>
  withSizes(waiting, async (gateway, images, origin) => {
    await asked(gateway, "/t/p/original/a.jpg");
    const all = await Promise.all([1, 2, 3, 4].map(() => asked(gateway, "/t/p/w154/a.jpg")));
    for (const { bytes } of all) assert.deepEqual(bytes, all[0]!.bytes);
    assert.deepEqual([images.asked.length, origin.heads.length], [1, 1]);
  }));

Deno.test("ImageDeriver asks upstream where nothing larger is stored and fresh, or the size is none that can be made", () =>
  withSizes(waiting, async (gateway, images, origin) => {
    await asked(gateway, "/t/p/w92/a.jpg");
    await asked(gateway, "/t/p/original/a.jpg");
    const paths = [
      "/t/p/w92_and_h138_bestv2/a.jpg",
      "/t/p/w154/b.jpg",
      "/t/p/w154/a.png",
      "/t/p/w154/a.jpg?v=2",
      "/t/p/w154/a.jpg?",
    ];
    for (const path of paths) await asked(gateway, path);
    await asked(gateway, "/t/p/w154/a.jpg", { method: "HEAD" });
    assert.deepEqual([origin.heads.length, images.asked.length], [8, 0]);
    gateway.clock.advance(101_000);
    assert.deepEqual((await asked(gateway, "/t/p/w154/a.jpg")).bytes, small);
    assert.equal(images.asked.length, 0);
  }));

Deno.test("ImageDeriver never enlarges, and does not try again at once what cannot be made", () =>
  withSizes(waiting, async (gateway, images, origin) => {
    await asked(gateway, "/t/p/original/a.jpg");
    assert.deepEqual((await asked(gateway, "/t/p/w500/a.jpg")).bytes, small);
    assert.deepEqual([origin.heads.length, images.asked.length], [2, 1]);
  }));

Deno.test("ImageDeriver asks upstream when the wait is over, whose answer stays", () =>
  withSizes({ derive: { wait: 0 } }, async (gateway, images) => {
    const late = Promise.withResolvers<Conversion>();
    images.instead = () => late.promise;
    await asked(gateway, "/t/p/original/a.jpg");
    assert.deepEqual((await asked(gateway, "/t/p/w92/a.jpg")).bytes, small);
    late.resolve({ kind: "done", body: Uint8Array.of(1, 2, 3) });
    await gateway.idle();
    assert.deepEqual((await asked(gateway, "/t/p/w92/a.jpg")).bytes, small);
  }));

for (const kind of ["refused", "failed", "timeout", "unavailable"] as const) {
  Deno.test(`ImageDeriver asks upstream when a conversion is ${kind}`, () =>
    withSizes(waiting, async (gateway, images, origin) => {
      images.instead = () => Promise.resolve({ kind, detail: "a test says so" });
      await asked(gateway, `/t/p/original/${kind}.jpg`);
      assert.deepEqual((await asked(gateway, `/t/p/w92/${kind}.jpg`)).bytes, small);
      assert.equal(origin.heads.length, 2);
    }));
}

Deno.test("ImageDeriver and conversion work together: a derived size is served as AVIF", () =>
  withSizes(
    { ...waiting, convert: { min_size: 0, effort: { avif: 0 }, wait: "60s" } },
    async (gateway, images, origin) => {
      await asked(gateway, "/t/p/original/a.jpg");
      const made = await asked(gateway, "/t/p/w300/a.jpg", { headers: { accept: "image/avif" } });
      assert.deepEqual(await decoded(made.bytes), { format: "avif", width: 300, height: 450 });
      assert.equal(made.headers.get("vary"), "Accept");
      assert.deepEqual([origin.heads.length, images.asked.length], [1, 2]);
    },
  ));

Deno.test("ImageDeriver converts nothing for a URL that was changed since its source came", async () => {
  const images = await LocalConverter.open();
  await withOrigin((exchange) => {
    const { method, target } = exchange.head;
    if (method === "PUT") return exchange.reply({ status: 204 });
    if (!target.includes("/original/")) return exchange.reply({ status: 503, body: "busy" });
    return exchange.reply({ fields: [["content-type", "image/jpeg"]], body: original });
  }, async (gateway) => {
    await asked(gateway, "/t/p/original/a.jpg");
    gateway.clock.advance(1_000);
    assert.equal((await asked(gateway, "/t/p/w200/a.jpg", { method: "PUT", body: "x" })).status, 204);
    for (let time = 0; time < 2; time++) assert.equal((await asked(gateway, "/t/p/w200/a.jpg")).status, 503);
    assert.equal(images.asked.length, 0);
  }, { images, pool: { type: "tmdb-image" }, listeners: [{ name: "l", pool: "p", images: waiting }] });
});
