import assert from "node:assert/strict";
import { recount } from "../../../lib/cache/disk/_kv_recount.ts";
import { openKvForTest } from "./opened_kv.ts";
import { sampleResponse } from "../store_suite.ts";

Deno.test("recount() finds sums right that are, also while others write", async () => {
  await using opened = await openKvForTest();
  assert.ok((await recount(opened.path)).isEmpty);
  for (let n = 0; n < 700; n++) opened.tier.put(sampleResponse(`l${n % 4}\0\0/${n}`, { bodyLength: n * 20 }));
  const counts = [recount(opened.path)];
  for (let n = 0; n < 5; n++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    counts.push(recount(opened.path));
  }
  for (const off of await Promise.all(counts)) assert.ok(off.isEmpty, `off by ${off.bytes}`);
  await opened.tier.flush();
});

Deno.test("recount() says by how much each sum is off", async () => {
  await using opened = await openKvForTest();
  opened.tier.put(sampleResponse("a\0\0/", { bodyLength: 50_000 }));
  await opened.tier.flush();
  await opened.kv.atomic().sum(["n", "bytes"], 2n ** 64n - 300n).sum(["l", "a"], 40n).commit();
  const off = await recount(opened.path);
  assert.equal(off.bytes, 300);
  const atomic = opened.kv.atomic();
  off.addTo(atomic);
  await atomic.commit();
  assert.ok((await recount(opened.path)).isEmpty);
});
