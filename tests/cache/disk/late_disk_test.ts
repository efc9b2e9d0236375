import assert from "node:assert/strict";
import { LateDisk } from "../../../lib/cache/disk/late_disk.ts";
import { sample } from "../stored_sample.ts";
import { HandClock, openKvForTest } from "./opened_kv.ts";

Deno.test("LateDisk holds nothing until it takes a tier, and then what that holds but for what was superseded meanwhile", async () => {
  await using opened = await openKvForTest();
  const { tier, clock } = opened;
  const before = { requestTimeMs: clock.now() - 1_000, responseTimeMs: clock.now() - 1_000 };
  for (const key of ["kept", "removed", "stored anew"]) tier.put(sample(key, 10, before));
  await tier.flush();
  const late = new LateDisk(clock);
  assert.equal(late.get("kept"), undefined);
  assert.equal(late.touchEveryMs, Infinity);
  late.delete("removed");
  late.put(sample("stored anew", 10, { requestTimeMs: clock.now() - 500 }));
  late.delete("asked for since", clock.now() - 2_000);
  assert.equal(late.take(tier), true);
  assert.equal((await late.get("kept"))?.key, "kept");
  assert.equal(await late.get("removed"), undefined);
  assert.equal(await late.get("stored anew"), undefined, "memory alone has the newer one");
  late.put(sample("removed", 10));
  assert.equal((await late.get("removed"))?.key, "removed");
  assert.equal(late.stats().limitBytes, tier.stats().limitBytes);
});

Deno.test("LateDisk leaves alone what another process has stored since a removal", async () => {
  await using opened = await openKvForTest();
  const { tier, clock } = opened;
  const late = new LateDisk(clock);
  late.delete("a");
  clock.advance(1_000);
  tier.put(sample("a", 10, { requestTimeMs: clock.now(), responseTimeMs: clock.now() }));
  await tier.flush();
  assert.equal(late.take(tier), true);
  await tier.flush();
  assert.equal((await late.get("a"))?.key, "a");
});

Deno.test("LateDisk says where more was removed than it can remember", async () => {
  await using opened = await openKvForTest();
  const late = new LateDisk(new HandClock());
  for (let n = 0; n < 20_001; n++) late.delete(`key ${n}`);
  assert.equal(late.take(opened.tier), false);
});
