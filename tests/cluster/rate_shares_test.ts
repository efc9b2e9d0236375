import assert from "node:assert/strict";
import { newSharedLimits } from "../../lib/gateway/limits.ts";
import { Limits } from "../../lib/gateway/limits.ts";
import { eventually } from "../eventually.ts";
import { HAS_REDIS, startRedis } from "./redis_server.ts";
import { Gateway, PER_SECOND, shareErrors } from "./rate_share_errors.ts";

Deno.test({
  name: "rate shares: all gateways together never send more than the rate, engine up or hung",
  ignore: !HAS_REDIS,
}, async () => {
  const { up, hung, back } = await shareErrors(3, 4);
  // A bucket of each gateway may be full: one tenth of a second, or one request.
  const most = PER_SECOND * 1.1 + 3;
  for (const [what, { worst }] of Object.entries({ up, hung, back })) assert.ok(worst <= most, `${what}: ${worst}`);
  assert.ok(up.perSecond > PER_SECOND * 0.3, `up: ${up.perSecond}`);
});

Deno.test({
  name: "rate shares: parts go by demand, never add up to more than all, and come back from who leaves",
  ignore: !HAS_REDIS,
}, async () => {
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await startRedis());
  const first = new Gateway(redis, "first");
  stack.defer(() => first.close());
  assert.equal(first.take(), false, "nothing is sent before a part is granted");
  await eventually("one alone has all", () => first.part === PER_SECOND);
  const second = new Gateway(redis, "second");
  stack.defer(() => second.close());
  await eventually("the busy one has most", () => {
    assert.ok(first.part + second.part <= PER_SECOND, `${first.part} + ${second.part}`);
    for (let n = 0; n < 3; n++) second.gate.hasRoom(Date.now());
    return second.part > PER_SECOND * 0.8;
  });
  assert.ok(first.part >= 1 && first.part + second.part <= PER_SECOND, `${first.part} + ${second.part}`);
  await second.close();
  await eventually("who leaves frees its part", () => first.part === PER_SECOND);
});

Deno.test({
  name: "rate shares: a gateway that is cut off keeps an equal part at most, which nobody else gets",
  ignore: !HAS_REDIS,
}, async () => {
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await startRedis());
  const all = ["a", "b"].map((member) => new Gateway(redis, member));
  for (const gateway of all) stack.defer(() => gateway.close());
  const [cut, other] = all as [Gateway, Gateway];
  await eventually("the busy one has most", () => {
    cut.gate.hasRoom(Date.now());
    return cut.part > PER_SECOND * 0.8 && other.part >= 1;
  });
  cut.engine.close();
  await eventually("its part lapses", () => cut.shares.state().isAlone);
  assert.equal(cut.part, PER_SECOND / 2);
  await eventually("the other gets the rest", () => {
    assert.ok(cut.part + other.part <= PER_SECOND, `${cut.part} + ${other.part}`);
    other.gate.hasRoom(Date.now());
    return other.part === PER_SECOND / 2;
  });
});

Deno.test("Limits: a rate that no other gateway shares is there at once", () => {
  const gate = new Limits(newSharedLimits(1), 0).gate(
    "films",
    { id: "one", maxInFlight: null, maxPerSecond: 5 } as never,
  )!;
  assert.equal(gate.hasRoom(1_000_000), true);
});
