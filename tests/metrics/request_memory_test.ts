import assert from "node:assert/strict";
import { type RememberedRequest, RequestMemory } from "../../lib/metrics/request_memory.ts";
import { seededRandom } from "../seeded_random.ts";

const HOUR_MS = 60 * 60_000;

function request(id: string, over: Partial<RememberedRequest> = {}): RememberedRequest {
  return {
    id,
    atMs: 0,
    listener: "l",
    method: "GET",
    target: "/",
    status: 200,
    termination: "--",
    cache: "miss",
    fwd: null,
    upstream: null,
    tries: 1,
    bytes: 0,
    error: null,
    totalMs: 100,
    phases: { queueMs: 0, connectMs: 0, firstByteMs: 0, upstreamMs: 0, clientMs: 0 },
    ...over,
  };
}

Deno.test("RequestMemory holds the slowest of each listener, in whatever order they come", () => {
  const memory = new RequestMemory();
  for (let at = 0; at < 500; at++) {
    const ms = 10 + (at * 271) % 500;
    memory.add(request(`a${ms}`, { totalMs: ms }));
  }
  memory.add(request("b", { listener: "m", totalMs: 11 }));
  const slowest = memory.slowest(0, "l").map(({ totalMs }) => totalMs).sort((a, b) => b - a);
  assert.deepEqual(slowest, Array.from({ length: 50 }, (_, at) => 509 - at));
  assert.deepEqual(memory.slowest(0, "m").map(({ id }) => id), ["b"]);
  assert.equal(memory.slowest(0, null).length, 51);
});

Deno.test("RequestMemory finds a slow or failed request by its id, for an hour", () => {
  const memory = new RequestMemory();
  memory.add(request("slow"));
  memory.add(request("failed", { status: 502, totalMs: 1 }));
  memory.add(request("left", { status: 499, totalMs: 1, atMs: HOUR_MS }));
  memory.add(request("fast", { totalMs: 1 }));
  const found = (nowMs: number) =>
    ["slow", "failed", "left", "fast"].filter((id) => memory.find(nowMs, id).length === 1);
  assert.deepEqual(found(HOUR_MS), ["slow", "failed", "left"]);
  assert.deepEqual(found(HOUR_MS + 1), ["left"]);
  assert.deepEqual(memory.slowest(HOUR_MS + 1, null), []);
});

Deno.test("RequestMemory forgets slow requests of an hour ago before it leaves a new one out", () => {
  const memory = new RequestMemory();
  for (let at = 0; at < 50; at++) memory.add(request(`old${at}`, { totalMs: 1_000 }));
  memory.add(request("new", { totalMs: 20, atMs: HOUR_MS + 1 }));
  assert.deepEqual(memory.slowest(HOUR_MS + 1, null).map(({ id }) => id), ["new"]);
});

Deno.test("RequestMemory.wants() takes nothing that was fast and went well", () => {
  const memory = new RequestMemory();
  const cases = [[200, 9.9], [404, 9.9], [200, 10], [500, 0], [499, 0]] as const;
  const wanted = cases.map(([status, ms]) => memory.wants({ listener: "l", status, ms, nowMs: 0 }));
  assert.deepEqual(wanted, [false, false, true, true, true]);
});

Deno.test("RequestMemory.wants() says what add() does with a slow request, however full the list is and however old", () => {
  const random = seededRandom(1);
  const memory = new RequestMemory();
  let nowMs = 0;
  let refused = 0;
  for (let at = 0; at < 3_000; at++) {
    nowMs += random() * 2 * HOUR_MS / (at % 500 === 0 ? 1 : 1_000);
    const ms = 10 + Math.floor(random() * 500);
    const isWanted = memory.wants({ listener: "l", status: 200, ms, nowMs });
    memory.add(request(`${at}`, { totalMs: ms, atMs: nowMs }));
    if (!isWanted) refused++;
    assert.equal(memory.find(nowMs, `${at}`).length === 1, isWanted, `request ${at}`);
  }
  assert.ok(refused > 500, `${refused}`);
});

Deno.test("RequestMemory holds a bounded number of requests, however many listeners and failures there are", () => {
  const memory = new RequestMemory();
  for (let listener = 0; listener < 1_000; listener++) {
    for (let at = 0; at < 60; at++) {
      memory.add(request(`${listener} ${at}`, { listener: `l${listener}`, status: 500, totalMs: 10 + at }));
    }
  }
  assert.ok(memory.slowest(0, null).length < 10_000);
});
