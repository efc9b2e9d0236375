import assert from "node:assert/strict";
import { KvLookUps } from "../../../lib/cache/disk/_kv_look_ups.ts";
import { FaultyKv, openKvForTest } from "./opened_kv.ts";
import { sampleResponse } from "../store_suite.ts";

async function openLookUps(options: { readonly timeoutMs?: number; readonly maxReads?: number } = {}) {
  const opened = await openKvForTest();
  opened.tier.put(sampleResponse("a\0\0/", { bodyLength: 50_000 }));
  await opened.tier.flush();
  const faulty = new FaultyKv(opened.kv);
  const bounds = { timeoutMs: 5000, maxReads: 2, maxReadBytes: 1_000_000, ...options };
  const lookUps = new KvLookUps({ kv: faulty.kv, clock: opened.clock, ...bounds });
  return { faulty, lookUps, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() };
}

Deno.test("KvLookUps.read() can be joined while it is under way", async () => {
  await using opened = await openLookUps();
  const read = opened.lookUps.read("a\0\0/");
  assert.equal(opened.lookUps.joined("a\0\0/"), read);
  assert.equal(opened.lookUps.joined("a\0\0/other"), undefined);
  assert.equal((await read).kind, "found");
  assert.equal(opened.lookUps.joined("a\0\0/"), undefined);
});

Deno.test("KvLookUps.supersede() makes what is being read absent, and nobody joins it", async () => {
  await using opened = await openLookUps();
  const read = opened.lookUps.read("a\0\0/");
  opened.lookUps.supersede("a\0\0/");
  assert.equal(opened.lookUps.joined("a\0\0/"), undefined);
  assert.equal((await read).kind, "absent");
  assert.equal((await opened.lookUps.read("a\0\0/")).kind, "found");
});

Deno.test("KvLookUps.hasRoom counts a read that hangs, past its time too", async () => {
  await using opened = await openLookUps({ timeoutMs: 10, maxReads: 2 });
  opened.faulty.fault = "hang";
  await assert.rejects(opened.lookUps.read("a\0\0/"), /no answer within 10 ms/);
  assert.ok(opened.lookUps.hasRoom);
  await assert.rejects(opened.lookUps.read("a\0\0/"), /no answer/);
  assert.ok(!opened.lookUps.hasRoom);
});

Deno.test("KvLookUps.read() passes on what KV says, and its place is free again", async () => {
  await using opened = await openLookUps({ maxReads: 1 });
  opened.faulty.fault = new Error("disk I/O error");
  await assert.rejects(opened.lookUps.read("a\0\0/"), /disk I\/O error/);
  assert.ok(opened.lookUps.hasRoom);
});
