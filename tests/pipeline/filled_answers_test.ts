import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import { createMemoryTier } from "../../lib/cache/memory/memory_tier.ts";
import { newPurge, PurgeTable } from "../../lib/cache/purge/purge_table.ts";
import { createTieredStore } from "../../lib/cache/tiered_store.ts";
import { asked, direct, withFilling } from "./_filling.ts";
import { HandClock } from "./in_process_gateway.ts";

const MOVIE = "/3/movie/900001";
const CHINESE = `${MOVIE}?language=zh-CN`;
const TRANSLATIONS = `${MOVIE}?append_to_response=translations`;
const SEASON = "/3/tv/900010/season/1";

function noTranslations({ target }: { readonly target: string }): Response | undefined {
  return target.includes("translations") ? new Response("{}", { status: 404 }) : undefined;
}

Deno.test("LanguageFiller gives a filled document its own strong tag, for conditions, ranges and HEAD", () =>
  withFilling(async ({ ask }, origin) => {
    const head = await ask(CHINESE, { method: "HEAD" });
    const whole = await ask(CHINESE);
    const etag = whole.headers.get("etag")!;
    assert.match(etag, /^"[A-Za-z0-9_-]{22}"$/);
    assert.equal(whole.headers.get("last-modified"), null);
    for (const name of ["etag", "content-length", "content-type", "cache-control"]) {
      assert.equal(head.headers.get(name), whole.headers.get(name), name);
    }
    assert.equal(head.text, "");
    const status = async (headers: Record<string, string>) => (await ask(CHINESE, { headers })).status;
    assert.equal(await status({ "if-none-match": etag }), 304);
    assert.equal(await status({ "if-none-match": '"other"' }), 200);
    assert.equal(await status({ "if-match": etag }), 200);
    assert.equal(await status({ "if-match": '"other"' }), 412);
    const bytes = new TextEncoder().encode(whole.text);
    const part = await ask(CHINESE, { headers: { range: "bytes=40-99", "if-range": etag } });
    assert.deepEqual([part.status, part.headers.get("content-range")], [206, `bytes 40-99/${bytes.byteLength}`]);
    assert.deepEqual(new TextEncoder().encode(part.text), bytes.slice(40, 100));
    assert.equal(origin.requests.length, 2);
    // What misses with a condition or a range is filled, too.
    const other = `${MOVIE}?language=de-DE`;
    assert.equal((await ask(other, { headers: { range: "bytes=0-3" } })).text, (await ask(other)).text.slice(0, 4));
    assert.equal((await ask(`${MOVIE}?language=fr-FR`, { headers: { "if-match": '"other"' } })).status, 412);
  }));

Deno.test("LanguageFiller has a filled document compressed, of its own bytes", () =>
  withFilling(async ({ ask, send, idle }) => {
    const plain = await ask(`${SEASON}?language=zh-CN`);
    const coded = async () => {
      const response = await send(`${SEASON}?language=zh-CN`, { headers: { "accept-encoding": "gzip" } });
      return { response, bytes: new Uint8Array(await response.arrayBuffer()) };
    };
    await coded();
    await idle();
    const { response, bytes } = await coded();
    assert.equal(response.headers.get("content-encoding"), "gzip");
    assert.equal(new TextDecoder().decode(gunzipSync(bytes)), plain.text);
    assert.equal(response.headers.get("etag"), plain.headers.get("etag")!.replace(/"$/, '-gzip"'));
  }, { listener: { cache: { compress: { codings: ["gzip"], min_size: "100B" } } } }));

Deno.test("LanguageFiller states the shortest lifetime of what a document is made of, against a true age", () =>
  withFilling(async ({ ask, clock, results }) => {
    await ask(CHINESE);
    clock.advance(3_600_000);
    // The document is new; its translations have an hour behind them.
    const mixed = await ask(`${MOVIE}?language=de-DE`);
    assert.equal(mixed.headers.get("cache-control"), "public, max-age=18000");
    assert.equal(mixed.headers.get("age"), "0");
    assert.match(mixed.cacheStatus, /ttl=18000; detail="filled: /);
    clock.advance(600_000);
    const later = await ask(`${MOVIE}?language=de-DE`);
    assert.deepEqual(
      ["cache-control", "age"].map((name) => later.headers.get(name)),
      ["public, max-age=18000", "600"],
    );
    assert.match(later.cacheStatus, /^usher; hit; ttl=17400; detail="memory, filled: /);
    // The older document is its own shortest.
    const older = await ask(CHINESE);
    assert.equal(older.headers.get("cache-control"), "public, max-age=21600");
    assert.equal(older.headers.get("age"), "4200");
    assert.deepEqual(results(), { hit_memory: 2, miss: 2 });
  }));

Deno.test("LanguageFiller makes the answer anew when a tag of any part is purged, or a part has changed", async () => {
  const purges = new PurgeTable();
  const clock = new HandClock(Date.UTC(2026, 0, 2, 3, 4, 5));
  const store = createTieredStore({ memory: createMemoryTier({ limitBytes: 8 << 20 }), disk: null, clock, purges });
  await withFilling(async ({ ask, idle, gateway, clock: own }, origin) => {
    const target = `${SEASON}?language=zh-CN`;
    const both = [`${SEASON}?language=zh-TW`, `${SEASON}?language=en-US`];
    const first = await ask(target);
    assert.match(first.text, /Book One: Water/);
    for (const soft of [false, true]) {
      own.advance(1_000);
      origin.requests.length = 0;
      // The client's document is Chinese; only a part has this tag.
      purges.add(newPurge({ kind: "tag", listener: null, tag: "lang:en-us" }, { soft, nowMs: own.now() }));
      own.advance(1_000);
      const again = await ask(target);
      assert.equal(again.text, first.text);
      if (soft) assert.match(again.cacheStatus, /ttl=(?:-|0)/);
      await idle();
      assert.deepEqual(asked(origin), [both[1]], `soft: ${soft}`);
      assert.match((await ask(target)).cacheStatus, /ttl=2\d\d\d\d; detail="memory, filled/);
    }
    own.advance(1_000);
    origin.requests.length = 0;
    gateway.services.invalidations.add(`l\0\0${both[0]}`, own.now());
    await ask(target);
    assert.deepEqual(asked(origin), [both[0]]);
    own.advance(1_000);
    origin.requests.length = 0;
    purges.add(newPurge({ kind: "tag", listener: null, tag: "tv:900010" }, { soft: false, nowMs: own.now() }));
    own.advance(1_000);
    await ask(target);
    assert.deepEqual(asked(origin), [target, ...both]);
  }, { parts: { store } });
});

Deno.test("LanguageFiller asks for a part once, however many wait for it", () =>
  withFilling(async ({ ask }, origin) => {
    const languages = ["zh-CN", "de-DE", "fr-FR", "ja-JP"];
    origin.latencyMs = 50;
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, index) => ask(`${MOVIE}?language=${languages[index % 4]}`)),
    );
    for (const { text } of answers) assert.match(text, /"tagline":"No light\."/);
    assert.deepEqual(
      asked(origin).sort(),
      [...languages.map((one) => `${MOVIE}?language=${one}`), TRANSLATIONS].sort(),
    );
  }));

Deno.test("LanguageFiller serves a document unfilled, for a minute at most, when a part does not come in time", () =>
  withFilling(async ({ ask, clock, idle }, origin) => {
    const { promise: latch, resolve } = Promise.withResolvers<void>();
    origin.fault = ({ target }) => target.includes("translations") ? latch.then(() => undefined) : undefined;
    const late = await ask(CHINESE);
    assert.equal(late.text, await direct(origin, CHINESE));
    assert.match(late.cacheStatus, /detail="unfilled: late"$/);
    assert.equal(late.headers.get("cache-control"), "public, max-age=60");
    // It is not waited for again, nor asked for twice.
    clock.advance(5_000);
    const resting = await ask(CHINESE);
    assert.match(resting.cacheStatus, /ttl=60; detail="memory, unfilled: late"$/);
    assert.deepEqual(["age", "cache-control"].map((name) => resting.headers.get(name)), ["5", "public, max-age=65"]);
    assert.equal(origin.count(/translations/), 1);
    resolve();
    await idle();
    clock.advance(1_000);
    assert.match((await ask(CHINESE)).text, /No light/);
    assert.equal(origin.count(/translations/), 1);
  }, { listener: { fill_wait: "100ms" }, pool: { timeouts: { total: "5m", first_byte: "2m" } } }));

Deno.test("LanguageFiller counts the time that a client has waited for parts into the answer's age", async () => {
  for (const name of ["translations that come late", "none at all"]) {
    await withFilling(async ({ ask, clock }, origin) => {
      origin.fault = ({ target }) => {
        if (!target.includes("translations")) return;
        clock.advance(7_000);
        return name === "none at all" ? new Response("{}", { status: 404 }) : undefined;
      };
      const { headers } = await ask(CHINESE);
      const lifetime = Number(headers.get("cache-control")!.split("max-age=")[1]);
      const left = lifetime - Number(headers.get("age"));
      assert.equal(headers.get("age"), "7", name);
      assert.equal(left, name === "none at all" ? 60 : 21_593, name);
    });
  }
});

Deno.test("LanguageFiller says of a part that is too large that its content is wrong", () =>
  withFilling(async ({ ask }, origin) => {
    origin.fault = ({ target }) =>
      target.includes("translations")
        ? new Response(`{"translations":{}${" ".repeat(5 << 20)}}`, { headers: { "content-type": "application/json" } })
        : undefined;
    assert.match((await ask(CHINESE)).cacheStatus, /detail="unfilled: wrong content"$/);
  }));

Deno.test("LanguageFiller serves documents unfilled while parts fail, and asks again after a rest", () =>
  withFilling(async ({ ask, clock }, origin) => {
    origin.fault = ({ target }) => target.includes("translations") ? Response.json({}, { status: 503 }) : undefined;
    const failed = await ask(CHINESE);
    assert.equal(failed.text, await direct(origin, CHINESE));
    assert.match(failed.cacheStatus, /ttl=60; detail="unfilled: status 503"$/);
    const tries = origin.count(/translations/);
    assert.match((await ask(CHINESE)).cacheStatus, /unfilled: status 503/);
    assert.equal(origin.count(/translations/), tries);
    origin.fault = null;
    clock.advance(31_000);
    assert.match((await ask(CHINESE)).cacheStatus, /ttl=2\d+; detail="memory, filled: title/);
    // What is no document of TMDB's fills nothing, and breaks nothing.
    origin.fault = ({ target }) => target.includes("translations") ? Response.json([]) : undefined;
    const person = "/3/person/900030?language=zh-CN";
    assert.equal((await ask(person)).text, await direct(origin, person));
  }));

Deno.test("LanguageFiller stays within the rate of the keys: a part that has to wait too long is left out", () =>
  withFilling(async ({ ask, clock, idle }, origin) => {
    // While the clock stands still a rate gives no more than its burst, which is the document's.
    const first = await ask(CHINESE);
    assert.match(first.cacheStatus, /unfilled: late/);
    assert.deepEqual(asked(origin), [CHINESE]);
    clock.advance(5_000);
    await idle();
    assert.deepEqual(asked(origin), [CHINESE, TRANSLATIONS]);
    clock.advance(30_000);
    assert.match((await ask(CHINESE)).text, /No light/);
    assert.equal(origin.requests.length, 2);
  }, {
    listener: { fill_wait: "100ms" },
    pool: { key_limits: { max_rps: 1, burst: 1 }, timeouts: { total: "5m", first_byte: "2m" } },
  }));

Deno.test("LanguageFiller fills nothing where it is off, for a user's request, and on other paths", async () => {
  const targets = [
    `${CHINESE}&session_id=session-of-alice`,
    "/3/search/movie?query=matrix&language=zh-CN",
    "/3/movie/popular?language=zh-CN",
    "/3/movie/900001/translations?language=zh-CN",
    "/3/configuration?language=zh-CN",
  ];
  await withFilling(async ({ ask }, origin) => {
    for (const target of targets) assert.doesNotMatch((await ask(target)).cacheStatus, /filled/, target);
    assert.equal(origin.count(/append_to_response=translations/), 0);
  });
  await withFilling(async ({ ask }, origin) => {
    assert.equal((await ask(CHINESE)).text, await direct(origin, CHINESE));
  }, { listener: { fill_language: [] } });
});

Deno.test("LanguageFiller asks upstreams with the client's key, and only what is stored where the client wants no more", () =>
  withFilling(async ({ ask }, origin) => {
    const key = "0123456789abcdef0123456789abcdef";
    const stored = { headers: { "cache-control": "only-if-cached" } };
    await ask(`${MOVIE}?language=en-US&api_key=${key}`);
    await ask(`${MOVIE}?api_key=${key}&language=zh-CN`, stored).then(({ status }) => assert.equal(status, 504));
    assert.equal(origin.requests.length, 1);
    assert.match((await ask(`${MOVIE}?api_key=${key}&language=zh-CN`)).text, /No light/);
    assert.match((await ask(`${MOVIE}?api_key=${key}&language=zh-CN`, stored)).text, /No light/);
    assert.ok(origin.requests.every(({ target }) => target.includes(`api_key=${key}`)));
    assert.equal(origin.requests.length, 3);
  }, { pool: { key_mode: "pass", api_keys: [] } }));

Deno.test("LanguageFiller leaves others' documents unfilled for no client whose key is refused", () =>
  withFilling(async ({ ask, clock }, origin) => {
    const by = (key: string) => `${MOVIE}?language=zh-CN&api_key=${key}`;
    const good = by("0123456789abcdef0123456789abcdef");
    origin.fault = noTranslations;
    await ask(good);
    clock.advance(3_600_000);
    origin.fault = null;
    assert.match((await ask(by("f".repeat(32)))).cacheStatus, /detail="memory, unfilled: status 401"$/);
    assert.match((await ask(good)).cacheStatus, /detail="memory, filled: /);
  }, { pool: { key_mode: "pass", api_keys: [] } }));

Deno.test("LanguageFiller looks a second later again for what it could not find", () =>
  withFilling(async ({ ask, clock }, origin) => {
    origin.fault = noTranslations;
    await ask(CHINESE);
    origin.fault = null;
    await ask(`${MOVIE}?append_to_response=translations&language=zh-TW`);
    assert.match((await ask(CHINESE)).cacheStatus, /detail="memory, unfilled: status 404"$/);
    clock.advance(1_000);
    assert.match((await ask(CHINESE)).text, /No light/);
  }));

Deno.test("LanguageFiller keeps its hands off what is no such document", async () => {
  const bodies = [
    "[]",
    '{"title":"a","original_title":"a","original_language":7,"overview":""}',
    '{"title":"","original_title":"a","original_language":"ja","overview":"","translations":[]}',
    '{"title":"","original_title":"a","original_language":"ja","overview":"","translations":{"translations":[1,{"iso_639_1":"en"}]}}',
    `{"overview":"","translations":{"translations":[{"iso_639_1":"en","iso_3166_1":"US","data":{"overview":5}}]}}`,
    `{"overview":"","images":{"posters":[1,{"iso_639_1":"en"}],"logos":{}},"poster_path":null}`,
    `{"overview":"x"${",".padEnd(5 << 20, " ")}"tagline":""}`,
  ];
  for (const body of bodies) {
    await withFilling(async ({ ask }, origin) => {
      origin.fault = () =>
        new Response(body, { headers: { "content-type": "application/json", "cache-control": "max-age=60" } });
      for (let round = 0; round < 2; round++) assert.equal((await ask(CHINESE)).text, body);
    });
  }
});

Deno.test("LanguageFiller fills before overrides are applied, and names both in the entity tag", () =>
  withFilling(async ({ ask }) => {
    const { text, headers } = await ask(CHINESE);
    assert.match(text, /"title":"Mine","overview":"夜裡的海。"/);
    const again = await ask(CHINESE, { headers: { "if-none-match": headers.get("etag")! } });
    assert.equal(again.status, 304);
  }, { listener: { overrides: [{ path: MOVIE, merge: { title: "Mine" } }] } }));

Deno.test("LanguageFiller serves what is stored while no upstream answers, filled as before", () =>
  withFilling(async ({ ask, clock, idle }, origin) => {
    const first = await ask(CHINESE);
    origin.fault = () => new Response("{}", { status: 503 });
    clock.advance(48 * 3_600_000);
    const offline = await ask(CHINESE);
    assert.equal(offline.text, first.text);
    assert.match(offline.cacheStatus, /stale-if-error, filled: title/);
    await idle();
  }, { listener: { offline: "auto" } }));
