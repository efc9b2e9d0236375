import assert from "node:assert/strict";
import { watchHealth } from "../../lib/health/health_reader.ts";
import { HealthWriter } from "../../lib/health/health_writer.ts";
import { healthRow } from "../pool/health_rows.ts";
import { Inbox, READER_DEPS, tableOf, withState } from "./kv_kit.ts";

Deno.test("HealthWriter publishes a long table whole", async () => {
  await withState(async (state, other) => {
    const rows = Array.from(
      { length: 3_000 },
      (_, i) => [`p http://upstream-${i}.test`, healthRow("healthy")] as const,
    );
    const writer = new HealthWriter(state);
    const inbox = new Inbox();
    const watch = watchHealth(other, inbox.take, READER_DEPS);
    await writer.publish([tableOf("p", 1, { upstreams: Object.fromEntries(rows) })]);
    await inbox.until(() => inbox.tables.length === 1);
    assert.equal(Object.keys(inbox.tables[0]!.upstreams).length, 3_000);
    await writer.publish([tableOf("p", 2)]);
    await inbox.until(() => inbox.tables.length === 2);
    assert.deepEqual(Object.keys(inbox.tables[1]!.upstreams), ["a"]);
    await watch.close();
  });
});

Deno.test("HealthWriter refuses a table over its limit and publishes the others", async () => {
  await withState(async (state) => {
    const rows = Array.from(
      { length: 20_000 },
      (_, i) => [`p http://upstream-${i}.test`, healthRow("healthy")] as const,
    );
    const writer = new HealthWriter(state);
    const huge = tableOf("huge", 1, { upstreams: Object.fromEntries(rows) });
    await assert.rejects(writer.publish([huge, tableOf("p", 1)]), /table must have <= 600000 bytes/);
    const stored = await writer.load(Date.now());
    assert.deepEqual(stored.pools, ["p"]);
  });
});

Deno.test("HealthWriter publishes 1,500 pools in one go, and a reader who was away gets them all", async () => {
  await withState(async (state, other) => {
    const writer = new HealthWriter(state);
    const inbox = new Inbox();
    await writer.publish([tableOf("p0", 1)]);
    const watch = watchHealth(other, inbox.take, READER_DEPS);
    await inbox.until(() => inbox.tables.length === 1);
    await writer.publish(Array.from({ length: 1_500 }, (_, i) => tableOf(`p${i}`, 2)));
    await inbox.until(() => inbox.tables.length >= 1_501);
    assert.equal(new Set(inbox.tables.map(({ pool }) => pool)).size, 1_500);
    await watch.close();
  });
});

Deno.test("HealthWriter removes pools and load() tells what is left", async () => {
  await withState(async (state) => {
    const writer = new HealthWriter(state);
    await writer.publish([tableOf("p", 41), tableOf("q", 41)]);
    await writer.publish([], ["q"]);
    const stored = await new HealthWriter(state).load(Date.now());
    assert.equal(stored.version, 41);
    assert.deepEqual(stored.pools, ["p"]);
    assert.deepEqual(stored.tables.map(({ pool }) => pool), ["p"]);
  });
});

Deno.test("HealthWriter keeps KV's limit of key bytes with the longest names", async () => {
  await withState(async (state) => {
    const writer = new HealthWriter(state);
    const tables = Array.from({ length: 300 }, (_, i) => tableOf("漢".repeat(190) + i, 1));
    await writer.publish(tables);
    assert.equal((await writer.load(Date.now())).tables.length, 300);
    await assert.rejects(writer.publish([tableOf("x".repeat(201), 2)]), RangeError);
  });
});

Deno.test("HealthWriter.load() removes tables of the layout before, and goes on from its versions", async () => {
  await withState(async (state, _, kv) => {
    await kv.set(["health", "index"], { version: 41, recent: [["p", 41]], floor: 0 });
    await kv.set(["health", "pool", "p", 0], { version: 41, parts: 1, bytes: new Uint8Array(9) });
    assert.deepEqual(await new HealthWriter(state).load(Date.now()), { version: 41, tables: [], pools: [] });
    assert.deepEqual((await Array.fromAsync(kv.list({ prefix: ["health"] }))).map(({ key }) => key), [[
      "health",
      "index",
    ]]);
  });
});
