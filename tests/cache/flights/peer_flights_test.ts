import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { Fill, FillBudget } from "../../../lib/cache/flights/fill.ts";
import { Flight, type FlightResult } from "../../../lib/cache/flights/flight.ts";
import { PeerFlights } from "../../../lib/cache/flights/peer_flights.ts";
import { encodeRecord } from "../../../lib/cache/record.ts";
import type { StoredResponse } from "../../../lib/cache/stored_response.ts";
import { GatewayError } from "../../../lib/errors.ts";
import { seededRandom } from "../../seeded_random.ts";
import { assertSameResponse } from "../store_suite.ts";
import { patterned, sample } from "../stored_sample.ts";

const LONG_MS = 600_000;
const KEY = "api\0\0/x";

/** One worker's side: what it leads, what it holds, and its way to the others. */
class Side implements Disposable {
  readonly flights = new Map<string, Flight>();
  readonly held = new Map<string, StoredResponse>();
  readonly peers: PeerFlights;
  readonly budget: FillBudget;

  constructor(timeoutMs = LONG_MS, budgetBytes = 64e6) {
    this.budget = new FillBudget(budgetBytes);
    this.peers = new PeerFlights({
      flightOf: (key) => this.flights.get(key),
      heldOf: (key) => this.held.get(key),
      timeoutMs,
      budget: this.budget,
    });
  }

  lead(key = KEY): Flight {
    const flight = new Flight(key);
    this.flights.set(key, flight);
    return flight;
  }

  [Symbol.dispose](): void {
    this.peers.close();
  }
}

/** Joins workers `0` and `1` by real message ports. */
function connect(owner: Side, asking: Side): void {
  const { port1, port2 } = new MessageChannel();
  owner.peers.connect(1, port1);
  asking.peers.connect(0, port2);
}

function sharedOf(stored: StoredResponse, fill = Fill.ofBody(stored.body)): FlightResult {
  return { kind: "shared", head: stored, fill };
}

async function shared(flight: Flight): Promise<Extract<FlightResult, { kind: "shared" }>> {
  const result = await flight.result;
  if (result.kind !== "shared") throw new Error(`The flight was ${result.kind}`);
  return result;
}

/** Lets every message that was sent arrive. */
async function turns(count = 5): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setTimeout(resolve));
}

Deno.test("join() before the flight lands gets its response: the head at once, the body as it comes", async () => {
  using owner = new Side();
  using asking = new Side();
  connect(owner, asking);
  const flight = owner.lead();
  const joined = asking.peers.join(0, KEY);
  await turns();
  assert.equal(joined.landed, false);
  const stored = sample(KEY, 1_000, { tags: ["a"], selectedBy: [["accept", null]] });
  const fill = Fill.ofLength(1_000);
  flight.land(sharedOf(stored, fill));
  const result = await shared(joined);
  assertSameResponse(result.head.withBody(stored.body), stored);
  assert.equal(result.fill.body, null);
  const read = result.fill.reader();
  fill.push(stored.body.subarray(0, 400));
  assert.deepEqual(await read(), stored.body.subarray(0, 400));
  fill.push(stored.body.subarray(400));
  assert.deepEqual(await result.fill.whole(), stored.body);
});

Deno.test("join() after the flight has landed gets all of what came before", async () => {
  using owner = new Side();
  using asking = new Side();
  connect(owner, asking);
  const stored = sample(KEY, 5_000);
  const fill = Fill.ofLength(5_000);
  owner.lead().land(sharedOf(stored, fill));
  fill.push(stored.body.subarray(0, 4_999));
  const { fill: copy } = await shared(asking.peers.join(0, KEY));
  assert.deepEqual(await copy.reader()(), stored.body.subarray(0, 4_999));
  fill.push(stored.body.subarray(4_999));
  assert.deepEqual(await copy.whole(), stored.body);
});

Deno.test("join() after the flight is over gets what the owner still holds, and else goes alone", async () => {
  using owner = new Side();
  using asking = new Side();
  connect(owner, asking);
  const stored = sample(KEY, 3_000);
  owner.held.set(KEY, stored);
  assert.deepEqual(await (await shared(asking.peers.join(0, KEY))).fill.whole(), stored.body);
  assert.deepEqual(await asking.peers.join(0, "api\0\0/other").result, { kind: "solo" });
});

Deno.test("join() gets empty bodies and large ones whole, many at a time", async () => {
  using owner = new Side();
  using asking = new Side();
  connect(owner, asking);
  const random = seededRandom(8);
  const sizes = [0, 1, 65_536, 8 * 1024 * 1024 + 3, ...Array.from({ length: 40 }, () => Math.floor(random() * 50_000))];
  await Promise.all(sizes.map(async (bytes, at) => {
    const key = `${KEY}${at}`;
    const body = patterned(bytes);
    const fill = Fill.ofLength(bytes);
    const flight = owner.lead(key);
    const joins = [asking.peers.join(0, key), asking.peers.join(0, key)];
    flight.land(sharedOf(sample(key, bytes), fill));
    for (let from = 0; from < bytes;) {
      const end = Math.min(bytes, from + 1 + Math.floor(random() * bytes));
      fill.push(body.subarray(from, end));
      from = end;
      if (random() < 0.5) await turns(1);
    }
    for (const joined of joins) {
      assert.ok(Buffer.from(await (await shared(joined)).fill.whole()).equals(body), `${bytes} bytes`);
    }
  }));
});

Deno.test("join() sends no more than the body where a chunk is a view into a large array", async () => {
  using owner = new Side();
  using asking = new Side();
  connect(owner, asking);
  const head = sample(KEY, 10);
  owner.lead().land({ kind: "shared", head, fill: Fill.ofBody(new Uint8Array(new ArrayBuffer(1 << 20), 100, 10)) });
  const chunk = await (await shared(asking.peers.join(0, KEY))).fill.reader()();
  assert.equal(chunk?.byteLength, 10);
});

Deno.test("join() learns that a response is not to be shared", async () => {
  using owner = new Side();
  using asking = new Side();
  connect(owner, asking);
  const flight = owner.lead();
  const joined = asking.peers.join(0, KEY);
  flight.land({ kind: "solo" });
  assert.deepEqual(await joined.result, { kind: "solo" });
});

Deno.test("join() fails as the flight failed: code, hint and Retry-After come over", async () => {
  using owner = new Side();
  using asking = new Side();
  connect(owner, asking);
  const error = new GatewayError("rate_limited", "Too much", {
    hint: "Wait",
    retryAfterSeconds: 3,
    cause: new Error("secret"),
  });
  owner.lead().land({ kind: "failed", error });
  const result = await asking.peers.join(0, KEY).result;
  assert.equal(result.kind, "failed");
  const came = (result as Extract<FlightResult, { kind: "failed" }>).error;
  assert.ok(came instanceof GatewayError);
  assert.deepEqual(
    [came.code, came.status, came.message, came.hint, came.retryAfterSeconds, came.cause],
    ["rate_limited", 429, "Too much", "Wait", 3, undefined],
  );
});

Deno.test("join() of a body that breaks off midway fails midway, and never looks complete", async () => {
  using owner = new Side();
  using asking = new Side();
  connect(owner, asking);
  const fill = Fill.ofLength(100);
  owner.lead().land(sharedOf(sample(KEY, 100), fill));
  const { fill: copy } = await shared(asking.peers.join(0, KEY));
  fill.push(patterned(60));
  const read = copy.reader();
  assert.equal((await read())?.byteLength, 60);
  fill.fail(new GatewayError("upstream_timeout", "The upstream stopped"));
  await assert.rejects(read(), (error) => error instanceof GatewayError && error.code === "upstream_timeout");
  assert.equal(copy.body, null);
});

Deno.test("join() of a worker that nobody knows goes alone at once", async () => {
  using asking = new Side();
  assert.deepEqual(await asking.peers.join(5, KEY).result, { kind: "solo" });
});

Deno.test("join() without an answer in time goes alone, and what comes later is dropped", async () => {
  using owner = new Side();
  using asking = new Side(20);
  connect(owner, asking);
  const flight = owner.lead();
  const joined = asking.peers.join(0, KEY);
  assert.deepEqual(await joined.result, { kind: "solo" });
  flight.land(sharedOf(sample(KEY, 10)));
  await turns();
  assert.deepEqual(await joined.result, { kind: "solo" });
});

Deno.test("join() has no deadline for the body once the head is there", async () => {
  using owner = new Side();
  using asking = new Side(30);
  connect(owner, asking);
  const fill = Fill.ofLength(10);
  owner.lead().land(sharedOf(sample(KEY, 10), fill));
  const { fill: copy } = await shared(asking.peers.join(0, KEY));
  await new Promise((resolve) => setTimeout(resolve, 60));
  fill.push(patterned(10));
  assert.deepEqual(await copy.whole(), patterned(10));
});

Deno.test("close() lets those who wait go alone, and breaks what is half there", async () => {
  using owner = new Side();
  using asking = new Side();
  connect(owner, asking);
  owner.lead("waiting");
  const half = Fill.ofLength(10);
  owner.lead("half").land(sharedOf(sample("half", 10), half));
  const waiting = asking.peers.join(0, "waiting");
  const { fill } = await shared(asking.peers.join(0, "half"));
  asking.peers.close();
  assert.deepEqual(await waiting.result, { kind: "solo" });
  await assert.rejects(fill.whole(), /has stopped/);
  // The owner goes on sending into a closed port, which must not hurt it.
  half.push(patterned(10));
  await turns();
  assert.deepEqual(await asking.peers.join(0, "half").result, { kind: "solo" });
});

Deno.test("connect() again, after a worker was restarted, ends what the old one owed and serves from the new one", async () => {
  using old = new Side();
  using other = new Side();
  using renewed = new Side();
  using asking = new Side();
  connect(old, asking);
  const { port1, port2 } = new MessageChannel();
  other.peers.connect(1, port1);
  asking.peers.connect(7, port2);
  old.lead("waiting");
  const others = other.lead("others");
  const waiting = asking.peers.join(0, "waiting");
  const untouched = asking.peers.join(7, "others");
  connect(renewed, asking);
  assert.deepEqual(await waiting.result, { kind: "solo" });
  renewed.held.set(KEY, sample(KEY, 10));
  assert.deepEqual(await (await shared(asking.peers.join(0, KEY))).fill.whole(), patterned(10));
  others.land(sharedOf(sample("others", 20)));
  assert.deepEqual(await (await shared(untouched)).fill.whole(), patterned(20));
});

Deno.test("a worker that dies in the middle of a body: its followers fail when that is told, and none gets a torn body", async () => {
  using asking = new Side();
  const worker = new Worker(new URL("./_peer_worker.ts", import.meta.url), { type: "module" });
  const { port1, port2 } = new MessageChannel();
  worker.postMessage({ port: port1, key: KEY, bytes: 100_000 }, [port1]);
  asking.peers.connect(0, port2);
  const { fill } = await shared(asking.peers.join(0, KEY));
  const read = fill.reader();
  assert.equal((await read())?.byteLength, 50_000);
  worker.terminate();
  const unanswered = asking.peers.join(0, "other");
  asking.peers.disconnect(0);
  await assert.rejects(read(), /has stopped/);
  assert.equal(fill.body, null);
  assert.deepEqual(await unanswered.result, { kind: "solo" });
  assert.deepEqual(await asking.peers.join(0, KEY).result, { kind: "solo" }, "nobody asks the dead");
  assert.equal(asking.budget.usedBytes, 0);
});

Deno.test("join() counts bodies against the budget while they come over, and goes alone where there is no room", async () => {
  using owner = new Side();
  using asking = new Side(LONG_MS, 1_500);
  connect(owner, asking);
  const fills = ["a", "b"].map((key) => {
    const fill = Fill.ofLength(1_000);
    owner.lead(key).land(sharedOf(sample(key, 1_000), fill));
    return fill;
  });
  const first = await shared(asking.peers.join(0, "a"));
  assert.equal(asking.budget.usedBytes, 1_000);
  assert.deepEqual(await asking.peers.join(0, "b").result, { kind: "solo" });
  for (const fill of fills) fill.push(patterned(1_000));
  assert.deepEqual(await first.fill.whole(), patterned(1_000));
  assert.equal(asking.budget.usedBytes, 0);
  const broken = Fill.ofLength(1_200);
  owner.lead("c").land(sharedOf(sample("c", 1_200), broken));
  const half = await shared(asking.peers.join(0, "c"));
  broken.fail(new Error("broke off"));
  await assert.rejects(half.fill.whole());
  assert.equal(asking.budget.usedBytes, 0);
});

Deno.test("a join that a dead worker never answers goes alone in time", async () => {
  using asking = new Side(50);
  const { port1, port2 } = new MessageChannel();
  asking.peers.connect(0, port2);
  port1.close();
  assert.deepEqual(await asking.peers.join(0, KEY).result, { kind: "solo" });
});

Deno.test("a peer that sends more than it announced, or what nobody asked for, breaks only that flight", async () => {
  using asking = new Side();
  const { port1, port2 } = new MessageChannel();
  asking.peers.connect(0, port2);
  const record = encodeRecord(sample(KEY, 10)).buffer;
  port1.onmessage = ({ data: { id } }) => {
    port1.postMessage({ type: "chunk", id: id + 100, bytes: new Uint8Array(5) });
    port1.postMessage({ type: "head", id, record, lengthBytes: 10 });
    port1.postMessage({ type: "chunk", id, bytes: new Uint8Array(8) });
    port1.postMessage({ type: "chunk", id, bytes: new Uint8Array(8) });
  };
  const { fill } = await shared(asking.peers.join(0, KEY));
  await assert.rejects(fill.whole(), /Cannot fill beyond 10 bytes/);
  port1.close();
});

Deno.test("a peer whose head is no record is not followed", async () => {
  using asking = new Side();
  const { port1, port2 } = new MessageChannel();
  asking.peers.connect(0, port2);
  const record = encodeRecord(sample(KEY, 10)).slice(1).buffer;
  port1.onmessage = ({ data: { id } }) => port1.postMessage({ type: "head", id, record, lengthBytes: 10 });
  assert.equal((await asking.peers.join(0, KEY).result).kind, "solo");
  port1.close();
});

Deno.test("a worker answers only the one that asked: the same id of another one is not touched", async () => {
  using asking = new Side();
  using owner = new Side();
  connect(owner, asking);
  const { port1, port2 } = new MessageChannel();
  asking.peers.connect(1, port2);
  const flight = owner.lead();
  const joined = asking.peers.join(0, KEY);
  for (let id = 0; id < 10; id++) port1.postMessage({ type: "solo", id });
  await turns();
  assert.equal(joined.landed, false);
  flight.land(sharedOf(sample(KEY, 10)));
  assert.equal((await joined.result).kind, "shared");
  port1.close();
});

Deno.test("join() counts as a reader until its clients have left, and no longer than its worker lives", async () => {
  using owner = new Side();
  const stored = sample(KEY, 1_000);
  const joined = async (asking: Side) => {
    connect(owner, asking);
    const fill = Fill.ofLength(1_000);
    const flight = owner.lead();
    flight.land(sharedOf(stored, fill));
    const { fill: theirs } = await shared(asking.peers.join(0, KEY));
    fill.push(stored.body.subarray(0, 500));
    await turns();
    assert.equal(fill.isRead, true);
    return { fill, theirs };
  };
  using first = new Side();
  const left = await joined(first);
  // What its worker keeps of it is no client.
  const kept = left.theirs.whole(false);
  left.theirs.reader();
  left.theirs.leave();
  await turns();
  assert.equal(left.fill.isRead, false);
  left.fill.push(stored.body.subarray(500));
  assert.deepEqual(await kept, stored.body);

  using second = new Side();
  const dead = await joined(second);
  owner.peers.disconnect(1);
  assert.equal(dead.fill.isRead, false);
  dead.theirs.whole().catch(() => {});
});
