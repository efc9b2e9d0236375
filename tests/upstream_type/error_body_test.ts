import assert from "node:assert/strict";
import { type ErrorCode, GatewayError } from "../../lib/errors.ts";
import { tmdbError, tmdbRefusal } from "../../lib/upstream_type/_tmdb_errors.ts";
import { problemDetails } from "../../lib/upstream_type/error_body.ts";

Deno.test("tmdbError() has TMDB's shape, with the code that clients know", () => {
  const rows: Array<readonly [code: ErrorCode, status: number, tmdbCode: number]> = [
    ["no_healthy_upstream", 503, 9],
    ["overloaded", 503, 9],
    ["upstream_unreachable", 502, 43],
    ["upstream_timeout", 504, 24],
    ["rate_limited", 429, 25],
    ["no_listener", 404, 34],
    ["internal", 500, 11],
  ];
  for (const [code, status, tmdbCode] of rows) {
    const error = new GatewayError(code, "It failed", { hint: "Mend it" });
    const shape = tmdbError(error, "r-1");
    assert.match(shape.contentType, /^application\/json/);
    assert.equal(shape.status, status);
    assert.deepEqual(JSON.parse(shape.body), {
      success: false,
      status_code: tmdbCode,
      status_message: "It failed. Mend it.",
      error: code,
      request_id: "r-1",
    });
  }
});

Deno.test("problemDetails() has the members of RFC 9457", () => {
  const error = new GatewayError("upstream_timeout", "It took too long", { cause: new Error("secret") });
  const shape = problemDetails(error, "r-2");
  assert.deepEqual([shape.status, shape.contentType], [504, "application/problem+json"]);
  assert.deepEqual(JSON.parse(shape.body), {
    type: "urn:usher:error:upstream_timeout",
    title: "It took too long",
    status: 504,
    code: "upstream_timeout",
    request_id: "r-2",
  });
});

Deno.test("tmdbError() and problemDetails() do not tell the cause", () => {
  const error = new GatewayError("internal", "It failed", { cause: new Error("api_key=0123") });
  assert.ok(!tmdbError(error, "r").body.includes("0123"));
  assert.ok(!problemDetails(error, "r").body.includes("0123"));
});

Deno.test("tmdbRefusal() reads TMDB's codes about keys out of a body, and makes nothing of others", () => {
  assert.match(tmdbRefusal('{"success":false,"status_code":7}')!, /invalid.*7/);
  assert.match(tmdbRefusal('{"status_code": 10}')!, /suspended.*10/);
  assert.match(tmdbRefusal('{"status_code":25}')!, /limit.*25/);
  assert.equal(tmdbRefusal('{"status_code":3}'), null);
  assert.equal(tmdbRefusal('{"status_code":70}'), null);
  assert.equal(tmdbRefusal("<html>"), null);
});
