import assert from "node:assert/strict";
import { concat } from "../../lib/request/byte_blocks.ts";
import { BoundedCopy, gather, inTurn, ReservedCopy, ResumedBody } from "../../lib/request/gathered_body.ts";
import { type UpstreamBody, UpstreamFailure } from "../../lib/upstream_client/transport.ts";
import { exchangeFor, plainParts, withGateway } from "../pipeline/in_process_gateway.ts";

const bytes = (...values: number[]) => Uint8Array.from(values);

/** A body of chunks, of unknown length unless one is given; an error ends it. */
function bodyOf(chunks: readonly (Uint8Array | Error)[], lengthBytes: number | null = null) {
  const left = [...chunks];
  const body = {
    lengthBytes,
    isCancelled: false,
    read: () => {
      const chunk = left.shift() ?? null;
      return chunk instanceof Error ? Promise.reject(chunk) : Promise.resolve(chunk);
    },
    readAll: async () => {
      const all: Uint8Array[] = [];
      for (let chunk = await body.read(); chunk !== null; chunk = await body.read()) all.push(chunk);
      return concat(all, all.reduce((sum, chunk) => sum + chunk.length, 0));
    },
    cancel: () => void (body.isCancelled = true),
  };
  return body satisfies UpstreamBody;
}

const roomy = { limitBytes: 4, admit: () => true };

Deno.test("gather() collects a body up to the limit", async () => {
  assert.deepEqual(await gather(bodyOf([bytes(1, 2), bytes(3, 4)]), roomy), { whole: bytes(1, 2, 3, 4) });
  assert.deepEqual(await gather(bodyOf([]), roomy), { whole: bytes() });
  assert.deepEqual(await gather(bodyOf([bytes(1, 2)], 2), roomy), { whole: bytes(1, 2) });
});

Deno.test("gather() gives back what it read of a larger body, and leaves the rest", async () => {
  const body = bodyOf([bytes(1, 2), bytes(3, 4, 5), bytes(6)]);
  const gathered = await gather(body, roomy);
  assert.deepEqual(gathered, { whole: null, chunks: [bytes(1, 2), bytes(3, 4, 5)], reason: "too-large" });
  assert.deepEqual(await body.read(), bytes(6));
});

Deno.test("gather() stops where there is no room, and says so", async () => {
  let room = 3;
  const gathered = await gather(bodyOf([bytes(1, 2), bytes(3, 4), bytes(5)]), {
    limitBytes: 100,
    admit: (count) => (room -= count) >= 0,
  });
  assert.deepEqual(gathered, { whole: null, chunks: [bytes(1, 2), bytes(3, 4)], reason: "fill-memory-full" });
});

Deno.test("gather() stops where it is told to, says why, and gives back what it read", async () => {
  let reads = 0;
  const body = bodyOf([bytes(1), bytes(2), bytes(3)]);
  const gathered = await gather(body, {
    limitBytes: 100,
    admit: () => true,
    stops: () => ++reads === 2 ? "too-slow" : null,
  });
  assert.deepEqual(gathered, { whole: null, chunks: [bytes(1), bytes(2)], reason: "too-slow" });
  assert.deepEqual(await body.read(), bytes(3));
});

Deno.test("gather() takes what is there as a whole without reading it", async () => {
  const there = { ...bodyOf([new Error("read")]), whole: bytes(1, 2) };
  assert.deepEqual(await gather(there, roomy), { whole: bytes(1, 2) });
});

Deno.test("gather() rejects with what the body breaks off with", async () => {
  const error = new Error("cut");
  await assert.rejects(gather(bodyOf([bytes(1), error]), roomy), error);
});

Deno.test("ResumedBody gives the beginning again, then the rest, and cancels the body under it", async () => {
  const under = bodyOf([bytes(3)]);
  const body = new ResumedBody([bytes(1), bytes(2)], under);
  const read = [];
  for (let chunk = await body.read(); chunk !== null; chunk = await body.read()) read.push(...chunk);
  assert.deepEqual(read, [1, 2, 3]);
  body.cancel();
  assert.equal(under.isCancelled, true);
});

Deno.test("ResumedBody can be read whole, up to a limit, and is whole where nothing is behind", async () => {
  const body = () => new ResumedBody([bytes(1), bytes(2)], bodyOf([bytes(3)]));
  assert.deepEqual(await body().readAll(3), bytes(1, 2, 3));
  await assert.rejects(body().readAll(1), UpstreamFailure);
  assert.deepEqual(await new ResumedBody([bytes(1), bytes(2)], bodyOf([])).readAll(2), bytes(1, 2));
  const whole = new ResumedBody([bytes(1)], bodyOf([new Error("read")]), true);
  assert.deepEqual([whole.start, whole.whole], [{ bytes: bytes(1), isWhole: true }, bytes(1)]);
  assert.deepEqual([await whole.read(), await whole.read(), whole.whole], [bytes(1), null, null]);
});

Deno.test("inTurn() begins a read when the one before has ended, with or without success", async () => {
  const events: string[] = [];
  let turn = 0;
  const read = inTurn(async () => {
    const own = ++turn;
    events.push(`begin ${own}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
    events.push(`end ${own}`);
    if (own === 1) throw new Error("first");
    return own;
  });
  const results = await Promise.allSettled([read(), read(), read()]);
  assert.deepEqual(events, ["begin 1", "end 1", "begin 2", "end 2", "begin 3", "end 3"]);
  assert.deepEqual(results.map(({ status }) => status), ["rejected", "fulfilled", "fulfilled"]);
});

Deno.test("BoundedCopy keeps a whole stream within its limit, and nothing of a larger or an incomplete one", () => {
  const copy = new BoundedCopy(3);
  assert.equal(copy.add(bytes(1, 2)), true);
  assert.equal(copy.whole(), null);
  assert.equal(copy.add(bytes(3)), true);
  assert.equal(copy.add(null), true);
  assert.deepEqual(copy.whole(), bytes(1, 2, 3));

  const larger = new BoundedCopy(3);
  assert.equal(larger.add(bytes(1, 2, 3, 4)), false);
  assert.equal(larger.add(null), false);
  assert.equal(larger.whole(), null);
});

Deno.test("ResumedBody lends what its rest lends, behind what was read ahead", async () => {
  const memory = bytes(0, 0);
  let turn = 0;
  const lend = () => Promise.resolve(++turn > 2 ? null : memory.fill(turn));
  const body = new ResumedBody([bytes(9)], { ...bodyOf([new Error("read, not lent")]), lend });
  const lent: number[][] = [];
  for (let chunk = await body.lend(); chunk !== null; chunk = await body.lend()) lent.push([...chunk]);
  assert.deepEqual(lent, [[9], [1, 1], [2, 2]]);
});

Deno.test("ReservedCopy tells once that it was dropped, and takes nothing more", () =>
  withGateway(plainParts(["http://127.0.0.1:1"]), (gateway) => {
    const { services } = exchangeFor(gateway, "http://a.test/");
    const dropped: boolean[] = [];
    const copy = new ReservedCopy({ services, tenant: { name: "l" } }, (isLasting) => dropped.push(isLasting));
    copy.add(bytes(1));
    assert.equal(services.budget.usedBytes, 1);
    gateway.clock.advance(services.settings.fillTimeoutMs + 1);
    for (const chunk of [bytes(2), bytes(3), null]) copy.add(chunk);
    assert.deepEqual([dropped, copy.isHeld, copy.whole()], [[true], false, null]);
    assert.equal(services.budget.usedBytes, 0);
    return Promise.resolve();
  }));
