import assert from "node:assert/strict";
import { encodeTransit } from "../../../lib/cache/disk/_kv_rows.ts";
import { createKvJanitor } from "../../../lib/cache/disk/kv_janitor.ts";
import { auditRows } from "./audited_rows.ts";
import { KeptLog, openKvForTest, rowCounts } from "./opened_kv.ts";
import { assertSameResponse, sampleResponse } from "../store_suite.ts";

type Opened = Awaited<ReturnType<typeof openKvForTest>>;

function janitorOf(opened: Opened, limitBytes = 64 * 1024 * 1024) {
  const { kv, path, clock, log } = opened;
  return createKvJanitor({ kv, path, clock, log, limitBytes, logReserveBytes: 0 });
}

async function heldBytes(opened: Opened): Promise<number> {
  await opened.tier.refresh();
  return opened.tier.stats().bytes;
}

Deno.test("KvJanitor.step() removes what is past its time, in bounded steps, and leaves the rest", async () => {
  await using opened = await openKvForTest({ keepMs: 0 });
  const short = { ...sampleResponse("").freshness, lifetimeMs: 1000, initialAgeMs: 0 };
  for (let n = 0; n < 700; n++) {
    opened.tier.put(sampleResponse(`api\0\0/short/${n}`, { freshness: short, bodyLength: 100 }));
  }
  opened.tier.put(sampleResponse("api\0\0/short/large", { freshness: short, bodyLength: 1_000_000 }));
  opened.tier.put(sampleResponse("api\0\0/long", { bodyLength: 100_000 }));
  await opened.tier.flush();
  opened.clock.advance(5000);
  const janitor = janitorOf(opened);
  let expired = 0;
  for (let step = 0; step < 4; step++) {
    const report = await janitor.step();
    assert.ok(report.expired <= 500);
    expired += report.expired;
  }
  assert.equal(expired, 701);
  // What the note of a large body was left for is collected too.
  janitor.close();
  assertSameResponse(await opened.tier.get("api\0\0/long"), sampleResponse("api\0\0/long", { bodyLength: 100_000 }));
  const { r, x, b, w } = await rowCounts(opened.kv);
  assert.deepEqual({ r, x, b, w }, { r: 1, x: 1, b: 2, w: undefined });
});

Deno.test("KvJanitor.step() brings a listener down to a quota that was made smaller, and no other", async () => {
  await using opened = await openKvForTest();
  const { kv, path, clock, log, tier } = opened;
  for (const listener of ["small", "large"]) {
    for (let n = 0; n < 30; n++) tier.put(sampleResponse(`${listener}\0\0/${n}`, { bodyLength: 30_000 }));
  }
  await tier.flush();
  const before = (await tier.usage()).get("large");
  let quota = 2_000_000;
  const quotaBytes = (listener: string) => listener === "small" ? quota : null;
  const options = { kv, path, clock, log, limitBytes: 64 * 1024 * 1024, logReserveBytes: 0 };
  const janitor = createKvJanitor({ ...options, quotaBytes });
  assert.equal((await janitor.step()).evicted, 0);
  quota = 300_000;
  assert.ok((await janitor.step()).evicted > 0);
  const usage = await tier.usage();
  assert.ok(usage.get("small")! <= 300_000 && usage.get("small")! > 200_000, `${usage.get("small")} bytes held`);
  assert.equal(usage.get("large"), before);
  janitor.close();
  await auditRows(kv);
});

Deno.test("KvJanitor.step() collects a large body that was replaced, and frees its bytes", async () => {
  await using opened = await openKvForTest();
  opened.tier.put(sampleResponse("api\0\0/a", { bodyLength: 5_000_000 }));
  await opened.tier.flush();
  opened.tier.put(sampleResponse("api\0\0/a", { version: 2, bodyLength: 10 }));
  await opened.tier.flush();
  assert.equal((await rowCounts(opened.kv)).b, 85);
  assert.ok(await heldBytes(opened) > 5_000_000, "counted until it is gone");
  const janitor = janitorOf(opened);
  assert.equal((await janitor.step()).collected, 1);
  janitor.close();
  assert.equal((await rowCounts(opened.kv)).b, undefined);
  assert.ok(await heldBytes(opened) < 10_000);
});

Deno.test("KvJanitor.step() collects what a killed writer left, but not what one is writing", async () => {
  await using opened = await openKvForTest();
  const id = new Uint8Array(14).fill(9);
  const cut = { listener: "api", chunks: 40, countedBytes: 700_000, timeMs: opened.clock.now() };
  const atomic = opened.kv.atomic().set(["w", id], encodeTransit(cut));
  for (let n = 0; n < 12; n++) atomic.set(["b", id, n], new Uint8Array(50_000));
  await atomic.sum(["n", "bytes"], 700_000n).sum(["l", "api"], 700_000n).commit();
  const janitor = janitorOf(opened);
  assert.equal((await janitor.step()).collected, 0);
  opened.clock.advance(10 * 60_000);
  assert.equal((await janitor.step()).collected, 1);
  janitor.close();
  const { b, w } = await rowCounts(opened.kv);
  assert.deepEqual({ b, w }, { b: undefined, w: undefined });
  assert.equal(await heldBytes(opened), 0);
});

Deno.test("KvJanitor.step() evicts ahead of the writers and measures the file", async () => {
  const limitBytes = 12 * 1024 * 1024;
  await using opened = await openKvForTest({ limitBytes });
  const janitor = janitorOf(opened, limitBytes);
  let evicted = 0;
  for (let round = 0; round < 20; round++) {
    for (let n = 0; n < 30; n++) opened.tier.put(sampleResponse(`api\0\0/${round}/${n}`, { bodyLength: 40_000 }));
    await opened.tier.flush();
    opened.clock.advance(1000);
    const report = await janitor.step();
    evicted += report.evicted;
    assert.ok(report.fileBytes <= 1.2 * limitBytes + 8 * 1024 * 1024, `${report.fileBytes} bytes of file`);
  }
  janitor.close();
  assert.ok(evicted > 0);
  assert.ok(await heldBytes(opened) <= limitBytes);
});

Deno.test("KvJanitor.run() tells what fails and ends with its signal", async () => {
  await using opened = await openKvForTest();
  const closed = await Deno.openKv(opened.path);
  closed.close();
  const log = new KeptLog();
  const janitor = createKvJanitor({ kv: closed, path: null, clock: opened.clock, log, limitBytes: 1 });
  const ending = new AbortController();
  const running = janitor.run(ending.signal, 1);
  await opened.until(() => log.lines.length > 0);
  ending.abort();
  await running;
  assert.equal(log.lines.length, 1);
});

Deno.test("KvJanitor.step() puts sums right that a commit cut short has left wrong", async () => {
  await using opened = await openKvForTest();
  for (let n = 0; n < 30; n++) opened.tier.put(sampleResponse(`listener\0x${n % 3}\0/${n}`, { bodyLength: n * 1000 }));
  opened.tier.put(sampleResponse("ünï\0\0/large", { bodyLength: 4_500_000 }));
  await opened.tier.flush();
  opened.tier.delete("ünï\0\0/large");
  await opened.tier.flush();
  const right = await heldBytes(opened);
  const off = (2n ** 64n) - 5_000_000n;
  await opened.kv.atomic().sum(["n", "bytes"], off).sum(["n", "entries"], 7n).sum(["l", "listener"], 1234n).commit();
  await opened.kv.set(["l", "gone"], new Deno.KvU64(99n));
  const janitor = janitorOf(opened);
  await janitor.step();
  assert.equal(opened.log.lines.length, 1);
  await auditRows(opened.kv);
  assert.ok(await heldBytes(opened) < right - 4_000_000, "the large body is collected");
  opened.clock.advance(7 * 3_600_000);
  await janitor.step();
  assert.equal(opened.log.lines.length, 1, "nothing is off any more");
  janitor.close();
});
