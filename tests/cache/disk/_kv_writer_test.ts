import assert from "node:assert/strict";
import { KvWriter } from "../../../lib/cache/disk/_kv_writer.ts";
import type { WriteOp } from "../../../lib/cache/disk/_kv_change.ts";
import { auditRows } from "./audited_rows.ts";
import { openKvForTest, rowCounts } from "./opened_kv.ts";
import { sampleResponse } from "../store_suite.ts";

async function openWriter(limitBytes = 64 * 1024 * 1024) {
  const opened = await openKvForTest();
  const { kv, clock } = opened;
  const bounds = {
    limitBytes,
    logReserveBytes: 0,
    keepMs: 0,
    guaranteedShare: 0.5,
    quotaBytes: () => null,
    filter: null,
  };
  return {
    ...opened,
    writer: new KvWriter({ kv, clock, ...bounds }),
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

function put(key: string, bodyLength: number): WriteOp {
  return { kind: "put", key, bytes: bodyLength, response: sampleResponse(key, { bodyLength }) };
}

Deno.test("KvWriter.write() writes puts, deletes and touches of one batch", async () => {
  await using opened = await openWriter();
  const { writer } = opened;
  await writer.write([put("a\0\0/1", 10), put("a\0\0/2", 100_000), put("b\0\0/3", 1_000_000)]);
  opened.clock.advance(20_000);
  const report = await writer.write([
    { kind: "delete", key: "a\0\0/1", bytes: 1, suspect: false },
    { kind: "delete", key: "a\0\0/none", bytes: 1, suspect: false },
    { kind: "touch", key: "a\0\0/2", bytes: 1 },
    { kind: "touch", key: "a\0\0/none", bytes: 1 },
    put("b\0\0/3", 20),
  ]);
  assert.deepEqual(report, { evicted: 0, dropped: 0 });
  assert.equal((await rowCounts(opened.kv)).r, 2);
  await auditRows(opened.kv);
});

Deno.test("KvWriter.readSums() tells what all workers hold", async () => {
  await using opened = await openWriter();
  await opened.writer.write([put("a\0\0/1", 50_000)]);
  opened.tier.put(sampleResponse("a\0\0/2", { bodyLength: 50_000 }));
  await opened.tier.flush();
  const { entries, bytes } = await opened.writer.readSums();
  assert.equal(entries, 2);
  assert.ok(bytes > 100_000 && bytes < 120_000);
});

Deno.test("KvWriter.write() drops a put that there is no room for, and what it would have replaced", async () => {
  await using opened = await openWriter(1_000_000);
  await opened.writer.write([put("a\0\0/1", 100)]);
  assert.deepEqual(await opened.writer.write([put("a\0\0/1", 400_000)]), { evicted: 0, dropped: 1 });
  assert.equal((await rowCounts(opened.kv)).r, undefined);
  await auditRows(opened.kv);
});

Deno.test("KvWriter.write() by two workers over the same keys loses no row and no sum", async () => {
  await using opened = await openWriter();
  const second = await Deno.openKv(opened.path);
  const bounds = {
    limitBytes: 64e6,
    logReserveBytes: 0,
    keepMs: 0,
    guaranteedShare: 0.5,
    quotaBytes: () => null,
    filter: null,
  };
  const other = new KvWriter({ kv: second, clock: opened.clock, ...bounds });
  for (let round = 0; round < 15; round++) {
    const ops = (shift: number) => Array.from({ length: 12 }, (_, n) => put(`a\0\0/${n}`, (n + shift) * 9000 % 70_000));
    await Promise.all([opened.writer.write(ops(round)), other.write(ops(round * 3))]);
  }
  assert.equal((await rowCounts(opened.kv)).r, 12);
  await auditRows(opened.kv);
  second.close();
});
