import assert from "node:assert/strict";
import { backoffMs, retryable, retryPauseMs, type TryEnd } from "../../lib/upstream_client/retry.ts";
import { seededRandom } from "../seeded_random.ts";

const GET = { method: "GET", bodyTaken: false };
const POST = { method: "POST", bodyTaken: false };
const sent = (failure: "reset" | "first_byte_timeout" | "aborted" | "too_large" | "truncated" | "connect"): TryEnd => ({
  failure,
  requestSent: true,
});
const UNSENDABLE: TryEnd = { failure: "unsendable", requestSent: false };
const UNSENT: TryEnd = { failure: "connect", requestSent: false };

Deno.test("retryable() lets a safe request be tried again after failures and temporary answers", () => {
  const ends = [UNSENT, sent("reset"), sent("first_byte_timeout"), sent("truncated"), { wrongContent: true } as const];
  for (const end of ends) assert.equal(retryable(GET, end), true, JSON.stringify(end));
  for (const status of [429, 500, 502, 503, 504]) assert.equal(retryable(GET, { status }), true, `${status}`);
});

Deno.test("retryable() takes other answers for final: 404 and 401 are answers", () => {
  for (const status of [200, 301, 304, 400, 401, 403, 404, 410, 416, 501, 505]) {
    assert.equal(retryable(GET, { status }), false, `${status}`);
  }
});

Deno.test("retryable() never repeats an unsafe request that may have been processed", () => {
  for (const method of ["POST", "PUT", "DELETE", "PATCH", "CONNECT", "get", "FOO"]) {
    const request = { method, bodyTaken: false };
    assert.equal(retryable(request, sent("reset")), false);
    assert.equal(retryable(request, { status: 503 }), false);
    assert.equal(retryable(request, { wrongContent: true }), false);
  }
});

Deno.test("retryable() gives an unsafe request to another upstream when not one byte of it was written", () => {
  assert.equal(retryable(POST, UNSENT), true);
  assert.equal(retryable({ ...POST, bodyTaken: true }, UNSENT), false);
});

Deno.test("retryable() stops when the client has left, the request cannot be written, or the answer is too large", () => {
  assert.equal(retryable(GET, UNSENDABLE), false);
  assert.equal(retryable(GET, sent("aborted")), false);
  assert.equal(retryable(GET, { failure: "aborted", requestSent: false }), false);
  assert.equal(retryable(GET, sent("too_large")), false);
});

Deno.test("backoffMs() is anywhere between none and a bound that doubles up to its limit", () => {
  const random = seededRandom(1);
  const options = { baseMs: 50, maxMs: 1_000 };
  for (const [attempt, bound] of [[1, 50], [2, 100], [4, 400], [6, 1_000], [5_000, 1_000]] as const) {
    const pauses = Array.from({ length: 500 }, () => backoffMs(attempt, random, options));
    assert.ok(Math.min(...pauses) < bound * 0.05);
    assert.ok(Math.max(...pauses) > bound * 0.95 && Math.max(...pauses) <= bound);
  }
});

Deno.test("retryPauseMs() reads seconds and dates, a second at least and five minutes at most", () => {
  const nowMs = Date.UTC(2026, 0, 1);
  const cases: [string | null, number][] = [
    [null, 0],
    ["", 0],
    ["soon", 0],
    ["-5", 0],
    ["1.5", 0],
    ["0", 1_000],
    [" 10 ", 10_000],
    ["300", 300_000],
    ["86400", 300_000],
    ["99999999999", 300_000],
    [new Date(nowMs + 20_000).toUTCString(), 20_000],
    [new Date(nowMs - 20_000).toUTCString(), 1_000],
    [new Date(nowMs + 1e9).toUTCString(), 300_000],
  ];
  for (const [value, expected] of cases) assert.equal(retryPauseMs(value, nowMs), expected, `${value}`);
});
