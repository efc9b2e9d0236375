import assert from "node:assert/strict";
import { StoredHead } from "../../lib/cache/stored_response.ts";
import { forwardNote, hitNote } from "../../lib/request/cache_note.ts";
import type { Exchange } from "../../lib/request/exchange.ts";
import { exchangeFor, plainParts, withGateway, withOrigin } from "../pipeline/in_process_gateway.ts";

/** Runs a test with an exchange and a response that came ten seconds ago, good for a minute. */
function withNotes(run: (exchange: Exchange, stored: StoredHead) => void): Promise<void> {
  return withGateway(plainParts(["http://127.0.0.1:1"]), ({ clock, entrance }) => {
    const exchange = exchangeFor({ entrance }, "/a");
    const atMs = clock.now() - 10_000;
    run(
      exchange,
      StoredHead.of({
        key: exchange.key,
        status: 200,
        fields: [],
        requestTimeMs: atMs,
        responseTimeMs: atMs,
        freshness: {
          initialAgeMs: 5_000,
          lifetimeMs: 60_000,
          staleWhileRevalidateMs: 0,
          staleIfErrorMs: 0,
          mustRevalidate: false,
          alwaysValidate: false,
        },
        selectedBy: [],
        tags: [],
        tiers: { memory: true, disk: true },
      }),
    );
    return Promise.resolve();
  });
}

Deno.test("hitNote() tells tier, lifetime left and age", () =>
  withNotes((exchange, stored) => {
    assert.deepEqual(hitNote(exchange, stored, "hit_memory"), {
      result: "hit_memory",
      status: "usher; hit; ttl=45; detail=memory",
      ageSeconds: 15,
      isShared: true,
      ttlSeconds: 45,
    });
    assert.equal(hitNote(exchange, stored, "hit_disk").status, "usher; hit; ttl=45; detail=kv");
    assert.equal(hitNote(exchange, stored, "stale").status, "usher; hit; ttl=45");
  }));

Deno.test("forwardNote() tells an answer of an upstream from one that stands in for it, and from none", () =>
  withNotes((exchange, stored) => {
    assert.deepEqual(forwardNote(exchange, { fwd: "uri-miss" }), {
      result: "miss",
      status: "usher; fwd=uri-miss",
      ageSeconds: null,
      isShared: false,
      ttlSeconds: null,
      fwdStatus: undefined,
      isStored: false,
      detail: null,
    });
    const own = forwardNote(exchange, { fwd: "stale", fwdStatus: 304, stored, result: "revalidated" });
    assert.deepEqual([own.status, own.ageSeconds], ["usher; fwd=stale; fwd-status=304; stored; ttl=45", 15]);
    const other = forwardNote(exchange, {
      fwd: "stale",
      fwdStatus: 503,
      served: stored,
      result: "stale",
      detail: "stale-if-error",
    });
    assert.equal(other.status, "usher; fwd=stale; fwd-status=503; ttl=45; detail=stale-if-error");
    assert.equal(other.ageSeconds, 15);
  }));

Deno.test("hitNote() and forwardNote() tell the key where the listener wants that, and never one user's", () =>
  withOrigin(
    (exchange) => exchange.reply({ fields: [["cache-control", "max-age=60"]], body: "x" }),
    async ({ ask }) => {
      const statuses = [];
      for (let turn = 0; turn < 2; turn++) {
        statuses.push((await ask("/a?q=%22", { headers: { cookie: "lang=de" } })).cacheStatus);
      }
      assert.match(statuses[0]!, /; stored; ttl=60; key="l gateway\.test \/a\?q=%22 ~cookie:[0-9a-f]{32}"$/);
      assert.match(
        statuses[1]!,
        /; hit; ttl=60; detail=memory; key="l gateway\.test \/a\?q=%22 ~cookie:[0-9a-f]{32}"$/,
      );
    },
    { listeners: [{ name: "l", pool: "p", cache: { status_key: true, cookies: { key: ["lang"] } } }] },
  ));

Deno.test("hitNote() does not tell the key of what is one user's on a TMDB listener", () =>
  withOrigin(
    (exchange) => exchange.reply({ fields: [["content-type", "application/json"]], body: "{}" }),
    async ({ ask }) => {
      assert.match(
        (await ask("/3/movie/550?api_key=0123456789abcdef0123456789abcdef")).cacheStatus,
        /key="l \/3\/movie\/550"/,
      );
      const own = await ask("/3/account/1?session_id=s3cret");
      assert.doesNotMatch(own.cacheStatus, /key=|s3cret/);
    },
    { pool: { type: "tmdb-api" }, listeners: [{ name: "l", pool: "p", cache: { status_key: true } }] },
  ));
