import assert from "node:assert/strict";
import {
  bedOf,
  CAN_RUN,
  changeElsewhere,
  purgeEverywhere,
  purgeThatTheEngineLost,
  purgeWhileKilled,
  purgeWhilePaused,
  purgeWithoutEngine,
  seeEachOther,
} from "../cluster/purge_cases.ts";

const LEASE_MS = 1_000;

Deno.test({
  name: "a purge holds at every gateway when its call returns, clocks two minutes apart",
  ignore: !CAN_RUN,
  async fn() {
    await using stack = new AsyncDisposableStack();
    const bed = await bedOf(stack, { leaseMs: 30_000, alone: "serve" });
    const { asked, stale } = await purgeEverywhere(bed, 1, 8);
    assert.deepEqual([asked, stale], [6 * 3 * 8, 0]);
    await changeElsewhere(bed);
    await seeEachOther(bed);
    await purgeWithoutEngine(bed);
  },
});

Deno.test({
  name: "a gateway that was paused or killed, or whose engine lost all, serves nothing that was purged meanwhile",
  ignore: !CAN_RUN,
  async fn() {
    await using stack = new AsyncDisposableStack();
    const bed = await bedOf(stack, { leaseMs: LEASE_MS, alone: "revalidate" });
    assert.equal((await purgeWhilePaused(bed, 1, LEASE_MS)).stale, 0);
    assert.equal((await purgeWhileKilled(bed, 1, LEASE_MS)).stale, 0);
    assert.equal((await purgeThatTheEngineLost(bed, LEASE_MS)).stale, 0);
  },
});
