import assert from "node:assert/strict";
import { KvGauge, recount } from "../../../lib/cache/disk/_kv_gauge.ts";
import { openKvForTest } from "./opened_kv.ts";
import { sampleResponse } from "../store_suite.ts";

Deno.test("KvGauge.measure() tells the file with its log, and of it what is in use", async () => {
  await using opened = await openKvForTest();
  const gauge = new KvGauge(opened.path);
  for (let n = 0; n < 60; n++) await opened.kv.set(["row", n], new Uint8Array(60_000));
  const full = gauge.measure();
  assert.ok(full.liveBytes > 3_600_000 && full.liveBytes < 4_200_000, `${full.liveBytes} bytes in use`);
  assert.ok(full.fileBytes >= full.liveBytes && full.walBytes > 0);
  for (let n = 0; n < 60; n++) await opened.kv.delete(["row", n]);
  const freed = gauge.measure();
  assert.ok(freed.liveBytes < 200_000, `${freed.liveBytes} bytes in use after all was deleted`);
  assert.ok(freed.fileBytes >= full.liveBytes, "the file does not shrink");
  gauge.close();
});

Deno.test("KvGauge.emptyLog() writes the log back", async () => {
  await using opened = await openKvForTest();
  for (let n = 0; n < 20; n++) await opened.kv.set(["row", n], new Uint8Array(60_000));
  const gauge = new KvGauge(opened.path);
  gauge.emptyLog();
  assert.equal(gauge.measure().walBytes, 0);
  gauge.close();
  assert.ok((await opened.kv.get(["row", 19])).value);
});

Deno.test("KvGauge.logBytes tells the log alone", async () => {
  await using opened = await openKvForTest();
  const gauge = new KvGauge(opened.path);
  for (let n = 0; n < 20; n++) await opened.kv.set(["row", n], new Uint8Array(60_000));
  assert.ok(gauge.logBytes > 1_000_000);
  assert.equal(gauge.logBytes, gauge.measure().walBytes);
  gauge.close();
});

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
