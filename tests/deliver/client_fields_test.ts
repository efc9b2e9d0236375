import assert from "node:assert/strict";
import type { Fields } from "../../lib/http/fields.ts";
import { plainCacheControl, tagOf, withBodyTag, withSimpleTag } from "../../lib/deliver/client_fields.ts";
import type { ScriptedHandler } from "../origins/scripted_origin.ts";
import { type GatewayParts, inParts, sentField, withOrigin } from "../pipeline/in_process_gateway.ts";
import { createMemoryTier } from "../../lib/cache/memory/memory_tier.ts";
import { newPurge, PurgeTable } from "../../lib/cache/purge/purge_table.ts";
import { createTieredStore } from "../../lib/cache/tiered_store.ts";

const SIMPLE = /^"[A-Za-z0-9_-]+"$/;
const MODIFIED = "Thu, 01 Jan 2026 00:00:00 GMT";

/** A picture by its signature and its end; the rest is of no matter here. */
function picture(length: number): Uint8Array {
  const bytes = new Uint8Array(length).fill(7);
  bytes.set([0xff, 0xd8, 0xff, 0xda]);
  bytes.set([0xff, 0xd9], length - 2);
  return bytes;
}

const image = (fields: Fields, length = 100): ScriptedHandler => (exchange) =>
  exchange.reply({
    fields: [["content-type", "image/jpeg"], ["cache-control", "public, max-age=100"], ...fields],
    body: exchange.head.method === "HEAD" ? undefined : picture(length),
  });

const notModified = (fields: Fields): ScriptedHandler => (exchange) =>
  exchange.write(`HTTP/1.1 304 Not Modified\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`);

const images: Partial<GatewayParts> & { pool: { type: string } } = {
  pool: { type: "tmdb-image" },
  listeners: [{ name: "l", pool: "p", cache: { rules: [{ ttl: "100s", stale_while_revalidate: 0 }] } }],
};

Deno.test("withSimpleTag() leaves simple strong tags, replaces all others, and keeps the origin's beside", () => {
  const tagFor = (given: Fields) => withSimpleTag([...given], given).fields.find(([name]) => name === "etag")?.[1];
  const simple: Fields = [["etag", '"abc_-9"']];
  assert.deepEqual(withSimpleTag(simple, simple), { fields: simple, originTag: null });
  const odd = ['W/"abc"', '"a.b"', '"a/b"', '"é"', '""', "abc", '"a b"', `"${"a".repeat(65)}"`, "W/", '"'];
  const tags = odd.map((etag) => tagFor([["etag", etag]])!);
  for (const tag of tags) assert.match(tag, SIMPLE);
  assert.equal(new Set(tags).size, odd.length);
  assert.equal(withSimpleTag([], [["etag", 'W/"1"']]).originTag, 'W/"1"');
  assert.equal(withSimpleTag([], [["last-modified", MODIFIED]]).originTag, "");
  assert.deepEqual(withSimpleTag([["x", "y"]], [["x", "y"]]), { fields: [["x", "y"]], originTag: null });
});

Deno.test("withSimpleTag() tells by length and date what a weak tag or none does not", () => {
  const tagFor = (given: Fields) => withSimpleTag([], given).fields[0]?.[1];
  const rows: Fields[] = [
    [["etag", 'W/"1"']],
    [["etag", 'W/"1"'], ["content-length", "5"]],
    [["etag", 'W/"1"'], ["last-modified", MODIFIED], ["content-length", "5"]],
    [["last-modified", MODIFIED]],
    [["last-modified", MODIFIED], ["content-length", "5"]],
  ];
  assert.equal(new Set(rows.map(tagFor)).size, rows.length);
  for (const row of rows) assert.equal(tagFor(row), tagFor([...row].reverse()));
  // A strong one is enough: a 304 has no length.
  assert.equal(tagFor([["etag", '"1.1"'], ["content-length", "5"]]), tagFor([["etag", '"1.1"']]));
});

Deno.test("tagOf() and withBodyTag() go by the bytes, and leave a tag that is there", () => {
  assert.match(tagOf("a"), SIMPLE);
  assert.notEqual(tagOf("ab", "c"), tagOf("a", "bc"));
  assert.deepEqual(withBodyTag([], picture(4)), { fields: [["etag", tagOf(picture(4))]], originTag: "" });
  assert.equal(withBodyTag([["etag", '"1"']], picture(4)), null);
});

for (const length of [100, 300_000]) {
  Deno.test(`every answer about an image of ${length} bytes has the same simple tag, and the origin hears its own`, () =>
    withOrigin(
      inParts(
        image([["etag", 'W/"66.ab/c"'], ["last-modified", MODIFIED]], length),
        notModified([["etag", 'W/"66.ab/c"'], ["cache-control", "public, max-age=100"]]),
      ),
      async (gateway, origin) => {
        const first = await gateway.ask("/t/p/w500//a.jpg");
        const tag = first.headers.get("etag")!;
        assert.match(tag, SIMPLE);
        await gateway.idle();
        const answers = [
          await gateway.ask("/t/p/w500/a.jpg"),
          await gateway.ask("/t/p/w500/a.jpg", { method: "HEAD" }),
          await gateway.ask("/t/p/w500/a.jpg", { headers: { "if-none-match": tag } }),
          await gateway.ask("/t/p/w500/a.jpg", { headers: { range: "bytes=0-9", "if-range": tag } }),
        ];
        assert.deepEqual(answers.map(({ status }) => status), [200, 200, 304, 206]);
        gateway.clock.advance(101_000);
        answers.push(first, await gateway.ask("/t/p/w500/a.jpg"), await gateway.ask("/t/p/w500/a.jpg"));
        assert.equal(sentField(origin, "if-none-match"), 'W/"66.ab/c"');
        for (const { headers } of answers) {
          assert.equal(headers.get("etag"), tag);
          assert.equal(headers.get("cache-control"), "public, max-age=100");
        }
        assert.equal(origin.heads.length, 2);
      },
      images,
    ));
}

Deno.test("an image without any validator gets the tag of its bytes, and is asked for anew", () =>
  withOrigin(image([]), async (gateway, origin) => {
    const { headers } = await gateway.ask("/t/p/w500/a.jpg");
    assert.equal(headers.get("etag"), tagOf(picture(100)));
    gateway.clock.advance(101_000);
    assert.equal((await gateway.ask("/t/p/w500/a.jpg")).headers.get("etag"), tagOf(picture(100)));
    assert.equal(origin.heads.length, 2);
    assert.equal(sentField(origin, "if-none-match"), null);
  }, images));

Deno.test("a HEAD of what is not stored says the same as the GET after it", () =>
  withOrigin(image([["etag", '"a.b"']]), async (gateway) => {
    const tags = [];
    for (const method of ["HEAD", "GET", "HEAD"]) {
      const { headers } = await gateway.ask("/t/p/w500/a.jpg", { method });
      tags.push(headers.get("etag"));
    }
    assert.match(tags[0]!, SIMPLE);
    assert.equal(new Set(tags).size, 1);
  }, images));

/** As much of a picture as its type and its end are told by. */
const JPEG = Uint8Array.from([0xff, 0xd8, 0xff, 0xda, 0, 2, 1, 0xff, 0xd9]);

const origin = (value: string): ScriptedHandler => (exchange) =>
  exchange.reply({
    fields: [
      ["cache-control", value],
      ["expires", "Thu, 01 Jan 2026 00:00:00 GMT"],
      ["age", "5"],
      ["content-type", "image/jpeg"],
    ],
    body: JPEG,
  });
const rules = [{ ttl: "1h" }];

Deno.test("sentCacheControl() tells clients the lifetime that the gateway gives, against which Age counts", () =>
  withOrigin(origin("public, max-age=86400, stale-while-revalidate=60"), async ({ ask, clock }) => {
    for (const [waitMs, age] of [[0, "5"], [600_000, "605"]] as const) {
      clock.advance(waitMs);
      const { headers } = await ask("/a");
      // An hour from when it came, at the age of five seconds.
      assert.equal(headers.get("cache-control"), "public, max-age=3605");
      assert.deepEqual([headers.get("expires"), headers.get("age")], [null, age]);
    }
  }, { listeners: [{ name: "l", pool: "p", cache: { mode: "ttl", rules } }] }));

Deno.test("sentCacheControl() tells clients no part of a second more than a response has", () =>
  withOrigin(origin("public"), async ({ ask }) => {
    assert.equal((await ask("/a")).headers.get("cache-control"), "public, max-age=6");
  }, { listeners: [{ name: "l", pool: "p", cache: { mode: "ttl", rules: [{ ttl: "1500ms" }] } }] }));

Deno.test("sentCacheControl() does not make public what the origin did not, and keeps no-transform", () =>
  withOrigin(origin("max-age=1, no-transform"), async ({ ask }) => {
    assert.equal((await ask("/a")).headers.get("cache-control"), "max-age=3605, no-transform");
  }, { listeners: [{ name: "l", pool: "p", cache: { mode: "ttl", rules } }] }));

Deno.test("sentCacheControl() leaves the origin's word where that decides", async () => {
  const value = "max-age=60, must-revalidate";
  await withOrigin(origin(value), async ({ ask }) => {
    assert.equal((await ask("/a")).headers.get("cache-control"), value);
    assert.equal((await ask("/a")).headers.get("cache-control"), value);
  });
});

Deno.test("sentCacheControl() gives TMDB images exactly one form that every client reads", () =>
  withOrigin(origin("public, max-age=31919000"), async ({ ask }) => {
    const answers = [await ask("/t/p/w92/a.jpg"), await ask("/t/p/w92/a.jpg")];
    for (const { headers } of answers) assert.match(headers.get("cache-control")!, /^public, max-age=\d+$/);
    assert.equal(answers[0]!.headers.get("cache-control"), answers[1]!.headers.get("cache-control"));
  }, { pool: { type: "tmdb-image" } }));

Deno.test("plainCacheControl() leaves of a lifetime what every client reads, and a refusal as it is", () => {
  const sent = (value: string) =>
    plainCacheControl([["cache-control", value], ["expires", "0"]]).find(([name]) => name === "cache-control")![1];
  assert.equal(sent("max-age=5, immutable, public"), "public, max-age=5");
  assert.equal(sent("public, max-age=5, stale-while-revalidate=9, s-maxage=7"), "public, max-age=5");
  for (const word of ["private", "no-store", "no-cache", "must-revalidate", "no-transform"]) {
    assert.equal(sent(`max-age=5, ${word}`), `max-age=5, ${word}`);
  }
  assert.equal(sent("public"), "public");
  assert.deepEqual(plainCacheControl([["x", "y"]]), [["x", "y"]]);
});

Deno.test("plainCacheControl() is for types whose clients need it: a HEAD of an image that is not stored", async () => {
  const head: ScriptedHandler = (exchange) =>
    exchange.reply({ fields: [["content-type", "image/jpeg"], ["cache-control", "public, max-age=7, immutable"]] });
  for (const [type, value] of [["tmdb-image", "public, max-age=7"], ["custom", "public, max-age=7, immutable"]]) {
    await withOrigin(head, async ({ ask }) => {
      assert.equal((await ask("/t/p/w92/a.jpg", { method: "HEAD" })).headers.get("cache-control"), value);
    }, { pool: { type: type! } });
  }
});

/** What an origin says, and what is left of it when it is served stale after a purge. */
const PURGED: ReadonlyArray<readonly [said: [string, string][], sent: string]> = [
  [[["cache-control", "max-age=600, stale-while-revalidate=60"]], "max-age=0"],
  [
    [["cache-control", "public, max-age=600"], ["cache-control", "stale-while-revalidate=60, immutable"]],
    "public, max-age=0",
  ],
  [
    [["cache-control", "no-transform, Max-Age = 600, stale-if-error=9,stale-while-revalidate=60"]],
    "no-transform, max-age=0",
  ],
  [[["cdn-cache-control", "max-age=600, stale-while-revalidate=60"]], "max-age=0"],
  [
    [
      ["cache-control", "max-age=600, stale-while-revalidate=60"],
      ["akamai-cache-control", "max-age=600"],
      ["edge-control", "max-age=600"],
    ],
    "max-age=0",
  ],
  [[["surrogate-control", "max-age=600+60"], ["cache-control", "s-maxage=7"]], "max-age=0"],
];

Deno.test("endLifetime() sends max-age=0 in place of all that states a lifetime with what is stale after a purge", async () => {
  for (const [said, sent] of PURGED) {
    const purges = new PurgeTable();
    const store = createTieredStore({ memory: createMemoryTier({ limitBytes: 1 << 20 }), disk: null, purges });
    const lines: [string, string][] = [...said, ["expires", "Fri, 01 Jan 2100 00:00:00 GMT"], ["pragma", "x"], [
      "age",
      "5",
    ]];
    await withOrigin(
      (exchange) => exchange.reply({ fields: [["etag", '"1"'], ...lines], body: "one" }),
      async (gateway) => {
        const { ask, clock, idle } = gateway;
        await ask("/a");
        clock.advance(1_000);
        purges.add(newPurge({ kind: "all", listener: null }, { soft: true, nowMs: clock.now() }));
        clock.advance(1_000);
        for (const options of [{}, { method: "HEAD" }, { headers: { range: "bytes=0-1" } }]) {
          const { headers, cacheStatus, status } = await ask("/a", options);
          assert.match(cacheStatus, /hit; ttl=-/);
          assert.deepEqual([headers.get("cache-control"), headers.get("age")], [sent, "7"], `${status}`);
          for (const name of ["expires", "pragma", "cdn-cache-control", "akamai-cache-control", "edge-control"]) {
            assert.equal(headers.get(name), null);
          }
          // The validation behind it is of no use here: it would make it fresh again.
          purges.add(newPurge({ kind: "all", listener: null }, { soft: true, nowMs: clock.now() }));
        }
        await idle();
      },
      { store },
    );
  }
});
