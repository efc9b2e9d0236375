import assert from "node:assert/strict";
import { join } from "node:path";
import { prepareKvFile } from "../../../lib/cache/disk/kv_open.ts";
import type { StoredResponse } from "../../../lib/cache/stored_response.ts";
import { systemClock } from "../../../lib/clock.ts";
import { createLogger } from "../../../lib/logging/logger.ts";
import { Disk, DiskQuotas, diskQuotasOf } from "../../../lib/workers/worker/disk.ts";
import { sample } from "../../cache/stored_sample.ts";
import { ANY_CONFIG, configOf, type Mapping } from "../../gateway/config_of.ts";
import { eventually } from "../../eventually.ts";
import { initMessage } from "../messages.ts";

const quiet = createLogger({ level: "info", format: "json", sink: (line) => assert.fail(line), now: Date.now });
const disk: Mapping = { ...ANY_CONFIG, cache: { disk: "64MiB" } };

/** Runs a test with a KV file as the supervisor prepares it. */
async function withFile(run: (path: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    const { path } = await prepareKvFile(join(directory, "usher.kv"), { clock: systemClock, log: quiet });
    await run(path!);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Fresh for a minute from now. */
function fresh(key: string, bytes: number): StoredResponse {
  return sample(key, bytes, { requestTimeMs: Date.now(), responseTimeMs: Date.now() });
}

Deno.test("Disk keeps responses in the file, for a worker that comes later too", () =>
  withFile(async (kvPath) => {
    const init = initMessage({ generation: 1, config: await configOf(disk), kvPath });
    const first = await Disk.open(init, quiet);
    first.tier!.put(fresh("films\0/1", 1_000));
    await first.tier!.close(5_000);
    first.close();
    const second = await Disk.open(init, quiet);
    const found = await second.tier!.get("films\0/1");
    assert.equal(found!.body.length, 1_000);
    await second.tier!.close(0);
    second.close();
  }));

Deno.test("Disk tells what each listener holds", () =>
  withFile(async (kvPath) => {
    const opened = await Disk.open(initMessage({ generation: 1, config: await configOf(disk), kvPath }), quiet);
    assert.deepEqual(opened.listenerBytes, {});
    opened.tier!.put(fresh("films\0/1", 5_000));
    await eventually("it is read", () => (opened.listenerBytes["films"] ?? 0) >= 5_000);
    await opened.tier!.close(5_000);
    opened.close();
  }));

Deno.test("Disk.reconfigure() holds writes to the quotas of the configuration in force", () =>
  withFile(async (kvPath) => {
    const withQuota = (disk_quota?: string) =>
      configOf({
        ...disk,
        listeners: [{ name: "films", listen: "127.0.0.1:6635", pool: "films", cache: { disk_quota } }],
      });
    const opened = await Disk.open(initMessage({ generation: 1, config: await withQuota("1MiB"), kvPath }), quiet);
    const tier = opened.tier!;
    const heldAfter = async (from: number) => {
      for (let n = from; n < from + 30; n++) tier.put(fresh(`films\0/${n}`, 100_000));
      await tier.flush();
      return (await tier.usage()).get("films")!;
    };
    assert.ok(await heldAfter(0) <= 1024 ** 2);
    opened.reconfigure(await withQuota());
    assert.ok(await heldAfter(100) > 3_000_000);
    opened.reconfigure(await withQuota("2MiB"));
    assert.ok(await heldAfter(200) <= 2 * 1024 ** 2);
    await tier.close(5_000);
    opened.close();
  }));

Deno.test("Disk is a connection without a tier where the configuration wants none", () =>
  withFile(async (kvPath) => {
    const config = await configOf({ ...ANY_CONFIG, cache: { disk: 0 } });
    const opened = await Disk.open(initMessage({ generation: 1, config, kvPath }), quiet);
    assert.equal(opened.tier, null);
    assert.equal((await opened.kv!.set(["any"], 1)).ok, true);
    opened.close();
  }));

Deno.test("Disk is nothing where there is no file", async () => {
  const opened = await Disk.open(initMessage({ generation: 1, config: await configOf(disk), kvPath: null }), quiet);
  assert.deepEqual([opened.tier, opened.kv, opened.listenerBytes], [null, undefined, {}]);
  opened.close();
});

Deno.test("Disk is nothing, with a warning, where the file cannot be opened", async () => {
  const directory = await Deno.makeTempDir();
  const lines: string[] = [];
  const logger = createLogger({ level: "info", format: "json", sink: (line) => lines.push(line), now: Date.now });
  // A directory is no file.
  const opened = await Disk.open(
    initMessage({ generation: 1, config: await configOf(disk), kvPath: directory }),
    logger,
  );
  assert.deepEqual([opened.tier, opened.kv], [null, undefined]);
  assert.match(lines[0]!, /"level":"warn".*Cannot open the disk cache/);
  opened.close();
  await Deno.remove(directory, { recursive: true });
});

function withQuotas(...quotas: (string | undefined)[]) {
  const listeners = quotas.map((disk_quota, n) => (
    { name: `l${n}`, listen: "127.0.0.1:6635", prefix: `/${n}`, pool: "films", cache: { disk_quota } }
  ));
  return configOf({ ...ANY_CONFIG, listeners });
}

Deno.test("diskQuotasOf() names the listeners that have a quota, in bytes", async () => {
  assert.deepEqual([...diskQuotasOf(await withQuotas("2MiB", undefined, "1GiB"))], [["l0", 2 ** 21], ["l2", 2 ** 30]]);
});

Deno.test("DiskQuotas.of() goes by the configuration last given, and knows no quota of a listener that is gone", async () => {
  const quotas = new DiskQuotas(await withQuotas("2MiB", "3MiB"));
  const { of } = quotas;
  assert.deepEqual([of("l0"), of("l1"), of("l2"), of("constructor")], [2 ** 21, 3 * 2 ** 20, null, null]);
  quotas.reconfigure(await withQuotas("1MiB"));
  assert.deepEqual([of("l0"), of("l1")], [2 ** 20, null]);
});
