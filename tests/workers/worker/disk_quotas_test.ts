import assert from "node:assert/strict";
import { DiskQuotas, diskQuotasOf } from "../../../lib/workers/worker/disk_quotas.ts";
import { ANY_CONFIG, configOf } from "../../gateway/config_of.ts";

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
