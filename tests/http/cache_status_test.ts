import assert from "node:assert/strict";
import { forwardedStatus, hitStatus, saysStale } from "../../lib/http/cache_status.ts";
import { assertLinear } from "../linear_time.ts";
import { parseDictionary } from "../../lib/http/structured_fields.ts";

Deno.test("hitStatus() says hit and ttl, and never fwd (RFC 9211 §2.1)", () => {
  assert.equal(hitStatus("usher", 30, null), "usher; hit; ttl=30");
  assert.equal(hitStatus("usher", -3.2, "disk"), "usher; hit; ttl=-3; detail=disk");
});

Deno.test("forwardedStatus() says why, and what came of it (RFC 9211 §2.2 to §2.8)", () => {
  assert.equal(forwardedStatus("usher", { fwd: "uri-miss" }), "usher; fwd=uri-miss");
  assert.equal(
    forwardedStatus("usher", { fwd: "stale", fwdStatus: 304, ttlSeconds: 60, stored: true, collapsed: false }),
    "usher; fwd=stale; fwd-status=304; stored; ttl=60",
  );
  assert.equal(
    forwardedStatus("usher", { fwd: "miss", collapsed: true, key: null, detail: "no-store", fwdStatus: null }),
    "usher; fwd=miss; collapsed; detail=no-store",
  );
});

Deno.test("forwardedStatus() keeps hostile keys and details inside their strings (RFC 9211 §2.7, §2.8)", () => {
  const hostile = 'x"; hit; ttl=9, other; hit\r\nset-cookie: a=é\0';
  const text = forwardedStatus("usher", { fwd: "miss", key: hostile, detail: hostile });
  assert.match(text, /^[\x20-\x7e]*$/);
  // As a dictionary the member's name stands for its key, which has the same grammar.
  const members = parseDictionary(text);
  assert.deepEqual([...members?.keys() ?? []], ["usher"]);
  assert.deepEqual([...members?.get("usher")?.parameters.keys() ?? []], ["fwd", "key", "detail"]);
});

Deno.test("saysStale() heeds the nearest cache alone, and nothing inside a string (RFC 9211 §2.4)", () => {
  for (const stale of ["a; hit; ttl=-1", '"a, b"; ttl=-20; key="x"', "a; ttl=5, b;ttl=-3", 'a; key="\\"", b; ttl=-3']) {
    assert.ok(saysStale(stale), stale);
  }
  for (
    const other of [
      null,
      "",
      ",",
      "a; hit",
      "a; ttl=-1, b; ttl=0",
      'a; key="; ttl=-1',
      'a; x="\\"; ttl=-1"',
      "a; ttl=-",
    ]
  ) {
    assert.ok(!saysStale(other), String(other));
  }
  for (const part of ['"', '\\"', '"\\', ",", "; ttl=-"]) {
    assertLinear((times) => saysStale(part.repeat(times * 5_000) + "\\"));
  }
});
