import assert from "node:assert/strict";
import type { Metric } from "../../../lib/metrics/exposition.ts";
import { kvFileMetrics, processMetrics, reloadMetrics } from "../../../lib/workers/figures/process_figures.ts";
import { ReloadCounts } from "../../../lib/workers/supervisor/reload_counts.ts";

function valuesOf(metrics: readonly Metric[]): Readonly<Record<string, number>> {
  return Object.fromEntries(
    metrics.flatMap(({ name, values }) =>
      values.map(({ labels, value }) => [[name, ...Object.values(labels)].join(" "), value])
    ),
  );
}

Deno.test("processMetrics() tell of this process, and the processor time grows with its work", () => {
  const facts = { startedAtMs: 1_500, descriptors: 4_096 };
  const before = valuesOf(processMetrics(facts));
  const untilMs = performance.now() + 30;
  while (performance.now() < untilMs);
  const after = valuesOf(processMetrics(facts));
  assert.ok(after["process_cpu_seconds_total"]! > before["process_cpu_seconds_total"]!);
  assert.ok(after["process_resident_memory_bytes"]! > 1e6);
  assert.deepEqual([after["process_start_time_seconds"], after["process_max_fds"]], [1.5, 4_096]);
  // Only a process that may do everything is told.
  if (after["process_open_fds"] !== undefined) assert.ok(after["process_open_fds"] > 2);
});

Deno.test("reloadMetrics() tell how often reloads went well, and whether the last one did", async () => {
  const reloads = new ReloadCounts();
  const began = valuesOf(reloadMetrics(1, reloads));
  assert.deepEqual([began["usher_config_last_reload_successful"], began["usher_config_reloads_total success"]], [1, 0]);
  assert.equal(began["usher_config_last_reload_duration_seconds"], undefined);
  await reloads.count(() => Promise.resolve({ ok: true }));
  const goodAt = valuesOf(reloadMetrics(2, reloads))["usher_config_last_reload_success_timestamp_seconds"];
  assert.ok(Math.abs(goodAt! - Date.now() / 1000) < 60);
  await reloads.count(() => Promise.resolve({ ok: false }));
  const bad = valuesOf(reloadMetrics(2, reloads));
  assert.deepEqual(
    ["generation", "reloads_total success", "reloads_total failure", "last_reload_successful"].map((name) =>
      bad[`usher_config_${name}`]
    ),
    [2, 1, 1, 0],
  );
  assert.equal(bad["usher_config_last_reload_success_timestamp_seconds"], goodAt);
  assert.ok(bad["usher_config_last_reload_duration_seconds"]! >= 0);
});

Deno.test("kvFileMetrics() tell the sizes of the files that are there", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const path = `${directory}/usher.kv`;
    assert.deepEqual(valuesOf(kvFileMetrics(path)), {});
    await Deno.writeFile(path, new Uint8Array(4_096));
    assert.deepEqual(valuesOf(kvFileMetrics(path)), { "usher_kv_file_bytes database": 4_096 });
    await Deno.writeFile(`${path}-wal`, new Uint8Array(100));
    assert.deepEqual(valuesOf(kvFileMetrics(path)), {
      "usher_kv_file_bytes database": 4_096,
      "usher_kv_file_bytes log": 100,
    });
    assert.deepEqual(valuesOf(kvFileMetrics(null)), {});
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
