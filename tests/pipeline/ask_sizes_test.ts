import assert from "node:assert/strict";
import type { ScriptedOrigin } from "../origins/scripted_origin.ts";
import { type InProcessGateway, withOrigin } from "./in_process_gateway.ts";

/** An image host that has these sizes of a picture. */
interface Host {
  /** By size token; a status in the place of a picture is answered as it is. */
  readonly has: Record<string, number>;
  readonly images: Record<string, unknown>;
  readonly listener?: Record<string, unknown>;
}

type Run = (gateway: InProcessGateway, origin: ScriptedOrigin) => Promise<void>;

const JPEG = [0xff, 0xd8, 0xff, 0xe0];
const END = [0xff, 0xd9];

/** A picture that tells the size that it is of. */
const pictureOf = (size: string) => Uint8Array.from([...JPEG, ...new TextEncoder().encode(size), ...END]);

/** Runs a test with an image listener over a host that answers 404 for every size that it does not have. */
function withHost({ has, images, listener = {} }: Host, run: Run): Promise<void> {
  return withOrigin(
    (exchange) => {
      const size = /\/t\/p\/+([^/]+)/.exec(exchange.head.target)?.[1] ?? "";
      const status = has[size] ?? 404;
      const isKnown = exchange.head.fields.some(([name, value]) =>
        name.toLowerCase() === "if-none-match" && value === `"${size}"`
      );
      if (status !== 200) return exchange.reply({ status, fields: [["retry-after", "1"]], body: new Uint8Array() });
      const fields: [string, string][] = [["etag", `"${size}"`], ["cache-control", "max-age=9"]];
      if (isKnown) return exchange.reply({ status: 304, fields, body: new Uint8Array() });
      exchange.reply({ fields: [...fields, ["content-type", "image/jpeg"]], body: pictureOf(size) });
    },
    run,
    {
      pool: { type: "tmdb-image", retry: { attempts: 1 } },
      listeners: [{
        name: "l",
        pool: "p",
        images,
        cache: { rules: [{ status: 200, ttl: "100s", stale_while_revalidate: 0 }] },
        ...listener,
      }],
    },
  );
}

async function asked(gateway: InProcessGateway, path: string, init: RequestInit = {}) {
  const response = await gateway.send(path, init);
  const text = new TextDecoder().decode(new Uint8Array(await response.arrayBuffer()).slice(4, -2));
  const { status, headers } = response;
  return { status, size: text, at: headers.get("content-location"), cache: headers.get("cache-status")!, headers };
}

const sizesAsked = (origin: ScriptedOrigin) => origin.heads.map(({ target }) => /\/t\/p\/([^/]+)/.exec(target)![1]!);

Deno.test("askSizes() falls back to the next larger size that upstreams have, and stores it under the asked key", () =>
  withHost({ has: { w780: 200 }, images: { size_fallback: true } }, async (gateway, origin) => {
    const first = await asked(gateway, "/t/p/w342//a.jpg");
    assert.deepEqual([first.status, first.size, first.at], [200, "w780", "/t/p/w780/a.jpg"]);
    assert.deepEqual(sizesAsked(origin), ["w342", "w500", "w780"]);
    const again = await asked(gateway, "/t/p/w342/a.jpg");
    assert.deepEqual([again.size, again.at], ["w780", "/t/p/w780/a.jpg"]);
    assert.match(again.cache, /hit/);
    assert.equal(origin.heads.length, 3);
    const stored = await gateway.gateway.services.store.get("l\0\0/t/p/w342/a.jpg");
    assert.deepEqual(stored!.response.tags, ["img:a", "size:w342", "size:w780"]);
  }));

Deno.test("askSizes() validates what it fell back to, and takes the asked size once it is there", async () => {
  const has: Record<string, number> = { w780: 200 };
  await withHost({ has, images: { size_fallback: true } }, async (gateway, origin) => {
    await asked(gateway, "/t/p/w500/a.jpg");
    gateway.clock.advance(101_000);
    const validated = await asked(gateway, "/t/p/w500/a.jpg");
    assert.match(validated.cache, /fwd-status=304/);
    assert.deepEqual([validated.size, validated.at], ["w780", "/t/p/w780/a.jpg"]);
    assert.deepEqual(sizesAsked(origin), ["w500", "w780", "w500", "w780"]);
    has["w500"] = 200;
    gateway.clock.advance(101_000);
    const own = await asked(gateway, "/t/p/w500/a.jpg");
    assert.deepEqual([own.size, own.at], ["w500", null]);
    const stored = await gateway.gateway.services.store.get("l\0\0/t/p/w500/a.jpg");
    assert.deepEqual(stored!.response.tags, ["img:a", "size:w500"]);
  });
});

Deno.test("askSizes() ends with one 404, stored, for a picture that is gone in every size", () =>
  withHost({ has: {}, images: { size_fallback: true } }, async (gateway, origin) => {
    const all = await Promise.all([1, 2, 3].map(() => asked(gateway, "/t/p/w185/a.jpg")));
    for (const gone of all) assert.deepEqual([gone.status, gone.at], [404, null]);
    assert.deepEqual(sizesAsked(origin), ["w185", "w300", "w342", "h632", "original"]);
    assert.match((await asked(gateway, "/t/p/w185/a.jpg")).cache, /hit/);
    assert.equal(origin.heads.length, 5);
  }));

Deno.test("askSizes() passes on any other answer, and leaves alone what has no larger size", () =>
  withHost({ has: { w500: 429, original: 200 }, images: { size_fallback: true } }, async (gateway, origin) => {
    const limited = await asked(gateway, "/t/p/w342/a.jpg");
    assert.equal(limited.status, 429);
    assert.deepEqual(sizesAsked(origin), ["w342", "w500"]);
    for (const path of ["/t/p/w600_and_h900_bestv2/a.jpg", "/t/p/w92/a.svg", "/t/p/w342/", "/t/p/other/a.jpg"]) {
      assert.equal((await asked(gateway, path)).status, 404, path);
    }
    assert.equal(origin.heads.length, 6);
  }));

Deno.test("askSizes() answers HEAD and ranges as GET, and stores nothing of a POST", () =>
  withHost({ has: { original: 200 }, images: { size_fallback: true } }, async (gateway, origin) => {
    const head = await asked(gateway, "/t/p/w1280/a.jpg", { method: "HEAD" });
    assert.deepEqual([head.status, head.at], [200, "/t/p/original/a.jpg"]);
    const range = await gateway.send("/t/p/w1280/a.jpg", { headers: { range: "bytes=0-3" } });
    await range.body?.cancel();
    assert.ok(range.status === 206 || range.status === 200);
    assert.equal(range.headers.get("content-location"), "/t/p/original/a.jpg");
    const before = origin.heads.length;
    assert.equal((await asked(gateway, "/t/p/w1280/b.jpg", { method: "POST" })).status, 404);
    assert.equal(origin.heads.length, before + 1);
  }));

Deno.test("askSizes() asks for the asked size alone where the listener does not fall back", () =>
  withHost({ has: { original: 200 }, images: {} }, async (gateway, origin) => {
    assert.equal((await asked(gateway, "/t/p/w342/a.jpg")).status, 404);
    assert.deepEqual(sizesAsked(origin), ["w342"]);
  }));

Deno.test("images.max_size asks for the largest listed size within it, which is one entry", () =>
  withHost(
    { has: { w780: 200, w342: 200, original: 200 }, images: { max_size: { width: 1000 } } },
    async (gateway, origin) => {
      for (const path of ["/t/p/original/a.jpg", "/t/p/w1280//a.jpg", "/t/p/w1920/a.jpg", "/t/p/w780/a.jpg"]) {
        assert.equal((await asked(gateway, path)).size, "w780", path);
      }
      assert.deepEqual(sizesAsked(origin), ["w780"]);
      assert.equal((await asked(gateway, "/t/p/w342/a.jpg")).size, "w342");
      await asked(gateway, "/t/p/original/a.svg");
      await asked(gateway, "/t/p/w1920_and_h800_multi_faces/a.jpg");
      assert.deepEqual(sizesAsked(origin), ["w780", "w342", "original", "w1920_and_h800_multi_faces"]);
    },
  ));

Deno.test("images.max_size gives way to a picture that is only there in a larger size", () =>
  withHost(
    { has: { original: 200 }, images: { max_size: { width: 780 }, size_fallback: true } },
    async (gateway, origin) => {
      const only = await asked(gateway, "/t/p/original/a.jpg");
      assert.deepEqual([only.size, only.at], ["original", "/t/p/original/a.jpg"]);
      assert.deepEqual(sizesAsked(origin), ["w780", "w1280", "original"]);
    },
  ));

Deno.test("TMDB's other names of the image host lead to the same entries", () =>
  withHost({
    has: { w600_and_h900_bestv2: 200 },
    images: {},
    listener: { host: ["image.tmdb.org", "media.themoviedb.org", "www.themoviedb.org"], prefix: "/t/p" },
  }, async (gateway, origin) => {
    for (const host of ["image.tmdb.org", "media.themoviedb.org", "www.themoviedb.org"]) {
      const { status, size } = await asked(gateway, "/t/p/w600_and_h900_bestv2/a.jpg", { headers: { host } });
      assert.deepEqual([status, size], [200, "w600_and_h900_bestv2"]);
    }
    assert.equal(origin.heads.length, 1);
    assert.equal((await asked(gateway, "/movie/550", { headers: { host: "www.themoviedb.org" } })).status, 404);
  }));

Deno.test("askSizes() names what came as the client has to ask for it, where the listener strips its prefix", () =>
  withHost({
    has: { w780: 200 },
    images: { size_fallback: true },
    listener: { prefix: "/pictures", strip_prefix: true },
  }, async (gateway) => {
    const { size, at } = await asked(gateway, "/pictures/t/p/w500/a.jpg");
    assert.deepEqual([size, at], ["w780", "/pictures/t/p/w780/a.jpg"]);
  }));
