import assert from "node:assert/strict";
import { createLogger } from "../../../lib/logging/logger.ts";
import { countClient, countRequest, newListenerCounts, newWorkerCounts } from "../../../lib/metrics/gateway_metrics.ts";
import { LateStateStore } from "../../../lib/state/late_state_store.ts";
import { UsageLedger } from "../../../lib/workers/operations/usage_ledger.ts";
import { MapStateStore } from "../../state/map_state_store.ts";

const NOON = Date.parse("2026-03-01T12:00:00Z");
const DAY_MS = 24 * 3_600_000;
const quiet = createLogger({ level: "error", format: "text", sink: () => {}, now: () => 0 });

/** A ledger by a clock that the test moves, over a store that the next one has too. */
function ledgerOver(store: MapStateStore | null) {
  const time = { nowMs: NOON };
  const state = new LateStateStore(store);
  const counts = newWorkerCounts();
  counts.listeners["films"] = newListenerCounts();
  const ledger = new UsageLedger({ state, logger: quiet, now: () => time.nowMs });
  const request = (client: string | null, cache: "hit_memory" | "miss" = "miss") => {
    const counted = { status: 200, bytes: 10, durationMs: 1, cache };
    countRequest(counts.listeners["films"]!, counted);
    if (client !== null) countClient(counts.listeners["films"]!, client, counted);
  };
  return { ledger, state, counts, time, request };
}

function shown(rows: Awaited<ReturnType<UsageLedger["rows"]>>) {
  return rows.map(({ day, listener, client, requests, hits, bytes }) =>
    `${day} ${listener} ${client ?? "-"} ${requests} ${hits} ${bytes}`
  );
}

Deno.test("UsageLedger tells requests, hits and bytes by day, listener and client, and once each", async () => {
  const { ledger, counts, time, request } = ledgerOver(new MapStateStore());
  for (const client of ["tv", "tv", null]) request(client);
  request("tv", "hit_memory");
  ledger.record(counts);
  ledger.record(counts);
  assert.deepEqual(shown(await ledger.rows(1)), ["2026-03-01 films tv 3 1 30", "2026-03-01 films - 1 0 10"]);
  time.nowMs += DAY_MS;
  request("tv", "hit_memory");
  ledger.record(counts);
  assert.deepEqual(shown(await ledger.rows(7)), [
    "2026-03-02 films tv 1 1 10",
    "2026-03-01 films tv 3 1 30",
    "2026-03-01 films - 1 0 10",
  ]);
});

Deno.test("UsageLedger goes on after a restart, and with counters that begin anew", async () => {
  const store = new MapStateStore();
  const first = ledgerOver(store);
  for (let n = 0; n < 5; n++) first.request("tv");
  first.ledger.record(first.counts);
  await first.ledger.write();
  await first.ledger.write();
  first.request("tv");
  first.ledger.record(first.counts);
  await first.ledger.write();
  const second = ledgerOver(store);
  second.request("tv");
  second.ledger.record(second.counts);
  assert.deepEqual(shown(await second.ledger.rows(1)), ["2026-03-01 films tv 7 0 70"]);
  // The listener left the configuration and came back.
  second.counts.listeners["films"] = newListenerCounts();
  second.ledger.record(second.counts);
  second.request("tv");
  second.ledger.record(second.counts);
  await second.ledger.write();
  assert.deepEqual(shown(await second.ledger.rows(1)), ["2026-03-01 films tv 8 0 80"]);
});

Deno.test("UsageLedger adds what it counted before it has a store to what that holds", async () => {
  const store = new MapStateStore();
  const before = ledgerOver(store);
  before.request("tv");
  before.ledger.record(before.counts);
  await before.ledger.write();
  const late = ledgerOver(null);
  late.request("tv");
  late.ledger.record(late.counts);
  await late.ledger.write();
  assert.deepEqual(shown(await late.ledger.rows(1)), ["2026-03-01 films tv 1 0 10"]);
  await late.state.attach(store);
  await late.ledger.write();
  assert.deepEqual(shown(await late.ledger.rows(1)), ["2026-03-01 films tv 2 0 20"]);
});

Deno.test("UsageLedger writes once a minute, and loses nothing where that fails", async () => {
  const store = new MapStateStore();
  const { ledger, counts, time, request } = ledgerOver(store);
  request("tv");
  ledger.record(counts);
  await ledger.rows(1);
  assert.equal(await store.get(["usage", "2026-03-01"]), null);
  const set = store.set;
  store.set = () => Promise.reject(new Error("the disk is full"));
  time.nowMs += 60_000;
  ledger.record(counts);
  assert.deepEqual(shown(await ledger.rows(1)), ["2026-03-01 films tv 1 0 10"]);
  store.set = set;
  time.nowMs += 60_000;
  ledger.record(counts);
  assert.deepEqual(shown(await ledger.rows(1)), ["2026-03-01 films tv 1 0 10"]);
  assert.deepEqual(await store.get(["usage", "2026-03-01"]), [["films\ntv", 1, 0, 10]]);
});

Deno.test("UsageLedger keeps 400 days, and a bounded number of names a day", async () => {
  const store = new MapStateStore();
  await store.set(["2025-01-25", "2025-01-26"].map((day) => ({ key: ["usage", day], value: [["films", 1, 0, 1]] })));
  const { ledger, counts, request } = ledgerOver(store);
  for (let n = 0; n < 5_010; n++) request(`client-${n}`);
  ledger.record(counts);
  await ledger.write();
  assert.equal(await store.get(["usage", "2025-01-25"]), null);
  assert.notEqual(await store.get(["usage", "2025-01-26"]), null);
  const rows = await ledger.rows(1);
  assert.equal(rows.length, 5_001);
  assert.deepEqual(rows[0], { day: "2026-03-01", listener: "*", client: null, requests: 10, hits: 0, bytes: 100 });
});
