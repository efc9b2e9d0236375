import assert from "node:assert/strict";
import { WaitingRequests } from "../../lib/pool/waiting_requests.ts";

const EXPECTED_MS = 10;

/** After a second in which one request of 10 ms was answered every 20 ms. */
function busy(): WaitingRequests {
  const waiting = new WaitingRequests();
  for (let nowMs = 0; nowMs < 1_000; nowMs += 20) waiting.add(nowMs).settle(nowMs + 10);
  return waiting;
}

Deno.test("WaitingRequests changes nothing while requests are answered in time", () => {
  const waiting = busy();
  waiting.add(1_000);
  assert.equal(waiting.expectedMs(1_060, EXPECTED_MS), EXPECTED_MS);
});

Deno.test("WaitingRequests says within half a second that an upstream stalls, and more so as it lasts", () => {
  const waiting = busy();
  let last = EXPECTED_MS;
  for (let nowMs = 1_000; nowMs <= 3_000; nowMs += 20) {
    waiting.add(nowMs);
    const now = waiting.expectedMs(nowMs, EXPECTED_MS);
    assert.ok(now >= last * 0.99, `${nowMs}: ${last} to ${now}`);
    if (nowMs === 1_500) assert.ok(now > 150, `${now}`);
    last = now;
  }
  assert.ok(last > 900, `${last}`);
});

Deno.test("WaitingRequests takes one late request among many answers for what it is", () => {
  const waiting = busy();
  waiting.add(0);
  assert.ok(waiting.expectedMs(1_000, EXPECTED_MS) < EXPECTED_MS * 1.6);
  assert.ok(new WaitingRequests().expectedMs(1_000, EXPECTED_MS) === EXPECTED_MS);
});

Deno.test("WaitingRequests bounds what one late request says where there are no answers at all", () => {
  const waiting = new WaitingRequests();
  waiting.add(1_000);
  assert.equal(waiting.expectedMs(60_000, EXPECTED_MS), 8 * (EXPECTED_MS + 1));
});

Deno.test("WaitingRequests is as before when the late ones are settled, and settling twice changes nothing", () => {
  const waiting = new WaitingRequests();
  const begun = Array.from({ length: 5_000 }, (_, i) => waiting.add(i));
  assert.ok(waiting.expectedMs(10_000, EXPECTED_MS) > 1_000);
  for (const one of begun) one.settle(10_000);
  begun[0]!.settle(10_000);
  assert.equal(waiting.size, 0);
  assert.equal(waiting.expectedMs(10_000, EXPECTED_MS), EXPECTED_MS);
});
