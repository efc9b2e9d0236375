import assert from "node:assert/strict";
import { diagnose } from "../../lib/inspect/doctor.ts";
import { freeAddress } from "../free_port.ts";
import { loadOf } from "../gateway/config_of.ts";
import { startScriptedOrigin } from "../origins/scripted_origin.ts";

Deno.test("diagnose() brings pools, machine and clock together and counts how checks ended", async () => {
  const origin = await startScriptedOrigin((exchange) =>
    exchange.reply({ fields: [["date", new Date(0).toUTCString()]], body: "x" })
  );
  const directory = await Deno.makeTempDir({ prefix: "usher-test-" });
  try {
    const loaded = await loadOf({
      server: { data_dir: directory },
      admin: { listen: freeAddress() },
      pools: {
        good: { type: "custom", upstreams: [origin.url] },
        dead: { type: "custom", upstreams: [`http://${freeAddress()}`] },
      },
      listeners: [{ name: "l", listen: freeAddress(), pool: "good" }, {
        name: "m",
        prefix: "/m",
        listen: freeAddress(),
        pool: "dead",
      }],
    });
    assert.ok(loaded.ok);
    const { pools, machine, summary } = await diagnose(loaded, { pool: null, timeoutMs: 10_000 });
    assert.deepEqual(pools.map(({ pool }) => pool), ["good", "dead"]);
    const checks = machine.map(({ check }) => check);
    const expected = ["data_dir", "kv", "disk", "memory", "largest", "files", "port", "port", "port", "admin", "clock"];
    assert.deepEqual(checks, expected);
    assert.equal(machine.at(-1)!.state, "warn", "the origin's date is long past");
    assert.ok(summary.fail >= 1);
    const { upstreams: [good] } = pools[0]!;
    assert.deepEqual(good!.findings.map(({ state }) => state), ["ok", "ok"]);
    const alone = await diagnose(loaded, { pool: "good", timeoutMs: 10_000 });
    assert.deepEqual(alone.pools.map(({ pool }) => pool), ["good"]);
  } finally {
    await origin.close();
    await Deno.remove(directory, { recursive: true });
  }
});
