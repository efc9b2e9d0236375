import assert from "node:assert/strict";
import { type ErrorCode, GatewayError } from "../lib/errors.ts";

/** Every code with its status: clients, dashboards and alarms go by them, so a change is a change of the contract. */
const STATUSES: Readonly<Record<ErrorCode, number>> = {
  bad_request: 400,
  uri_too_long: 414,
  fields_too_large: 431,
  request_timeout: 408,
  expectation_failed: 417,
  coding_not_supported: 501,
  version_not_supported: 505,
  no_listener: 404,
  unauthorized: 401,
  refused_by_rule: 403,
  refused_by_proxy: 403,
  method_not_supported: 501,
  request_too_large: 413,
  upgrade_not_supported: 501,
  loop_detected: 508,
  only_if_cached: 504,
  rate_limited: 429,
  overloaded: 503,
  no_healthy_upstream: 503,
  upstream_unreachable: 502,
  upstream_timeout: 504,
  upstream_invalid_response: 502,
  upstream_wrong_content: 502,
  stopping: 503,
  internal: 500,
};

Deno.test("GatewayError has the status of its code", () => {
  for (const [code, status] of Object.entries(STATUSES)) {
    assert.equal(new GatewayError(code as ErrorCode, "m").status, status, code);
  }
});

Deno.test("GatewayError carries its message, hint, Retry-After and cause", () => {
  const cause = new Error("below");
  const error = new GatewayError("rate_limited", "Too much", { hint: "Wait", retryAfterSeconds: 3, cause });
  assert.ok(error instanceof Error);
  assert.deepEqual(
    [error.name, error.message, error.code, error.hint, error.retryAfterSeconds, error.cause],
    ["GatewayError", "Too much", "rate_limited", "Wait", 3, cause],
  );
});

Deno.test("GatewayError says when to come back wherever that may help, and nowhere else", () => {
  for (const [code, status] of Object.entries(STATUSES) as [ErrorCode, number][]) {
    const mayHelp = [429, 502, 503].includes(status) || code === "upstream_timeout";
    const { retryAfterSeconds } = new GatewayError(code, "m");
    assert.equal(retryAfterSeconds !== undefined && retryAfterSeconds >= 1, mayHelp, code);
  }
  assert.equal(new GatewayError("overloaded", "m", { retryAfterSeconds: null }).retryAfterSeconds, undefined);
});

Deno.test("GatewayError without options has no hint and no cause at all", () => {
  const error = new GatewayError("internal", "m");
  assert.equal(error.hint, undefined);
  assert.equal(error.retryAfterSeconds, undefined);
  assert.equal("cause" in error, false);
});
