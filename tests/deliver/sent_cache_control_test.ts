import assert from "node:assert/strict";
import { plainCacheControl } from "../../lib/deliver/sent_cache_control.ts";
import type { ScriptedHandler } from "../origins/scripted_origin.ts";
import { withOrigin } from "../pipeline/in_process_gateway.ts";

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
