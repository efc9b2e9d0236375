import assert from "node:assert/strict";
import type { HealthTable, UpstreamHealth } from "../../../lib/pool/upstream_health.ts";
import { gatewayState, type StateFacts } from "../../../lib/workers/figures/gateway_state.ts";
import { configOf } from "../../gateway/config_of.ts";
import { slotOf } from "../slots.ts";

const NOW_MS = Date.UTC(2026, 0, 1);
const DAY_MS = 24 * 60 * 60 * 1000;
const config = await configOf({
  pools: { films: { type: "custom", health: false, upstreams: ["https://one.example", "https://two.example"] } },
  listeners: [{ name: "films", listen: "127.0.0.1:6635", pool: "films" }],
});

function table(states: readonly UpstreamHealth["state"][]): HealthTable {
  const upstreams = Object.fromEntries(states.map((state, index) => [`https://${index}.example`, { state }]));
  return { pool: "films", version: 1, atMs: 1, upstreams: upstreams as unknown as HealthTable["upstreams"] };
}

function stateOf(more: Partial<StateFacts> = {}) {
  return gatewayState({
    isStopping: false,
    config,
    slots: [
      slotOf("serving-0", {}),
      slotOf("serving-1", {}),
      slotOf("health", { health: [table(["healthy", "ejected"])] }),
    ],
    kvFile: { path: "/data/usher.kv", problem: null, setAside: null },
    lastReload: null,
    nowMs: NOW_MS,
    ...more,
  });
}

Deno.test("gatewayState() is ready where nothing is wrong: an upstream of two, no reload yet, a reload that went well", () => {
  assert.deepEqual(stateOf(), { state: "ready", reasons: [] });
  assert.deepEqual(stateOf({ lastReload: { problems: [] } }), { state: "ready", reasons: [] });
  // Nobody has told yet how the upstreams are.
  assert.equal(stateOf({ slots: [slotOf("serving-0", {}), slotOf("health", null)] }).state, "ready");
});

Deno.test("gatewayState() says each reason why it is degraded, in words", () => {
  const reasons = (more: Partial<StateFacts>) => {
    const { state, reasons } = stateOf(more);
    assert.equal(state, "degraded");
    return reasons;
  };
  assert.deepEqual(
    reasons({ slots: [slotOf("serving-0", {}), slotOf("serving-1", undefined), slotOf("health", undefined)] }),
    [
      "1 of 2 serving workers do not run",
      "The health worker does not run",
    ],
  );
  assert.deepEqual(
    reasons({ slots: [slotOf("serving-0", {}), slotOf("health", { health: [table(["ejected", "unhealthy"])] })] }),
    [
      'Pool "films" has no healthy upstream',
    ],
  );
  assert.deepEqual(reasons({ slots: [slotOf("serving-0", { diskProblem: "it is full" })] }), [
    "The disk cache does not work as it should: it is full",
  ]);
  assert.deepEqual(reasons({ kvFile: { path: null, problem: "another gateway has it", setAside: null } }), [
    "Nothing is stored on disk: another gateway has it",
  ]);
  assert.match(reasons({ lastReload: { problems: ["a", "b"] } }).join(), /^The last reload failed, with 2 problems/);
});

Deno.test("gatewayState() says when a certificate is near its end, and not before", () => {
  const certificate = { certFile: "a.pem", keyFile: "a.key", names: [], notAfterMs: NOW_MS + 13 * DAY_MS };
  const tls = { certificates: [certificate] } as unknown as StateFacts["config"]["admin"]["tls"];
  const near = { ...config, admin: { ...config.admin, tls } };
  assert.match(stateOf({ config: near }).reasons.join(), /^Certificate a\.pem: /);
  assert.equal(stateOf({ config: near, nowMs: NOW_MS - 2 * DAY_MS }).state, "ready");
});

Deno.test("gatewayState() is stopping once it stops, whatever else is wrong", () => {
  const { state, reasons } = stateOf({ isStopping: true, lastReload: { problems: ["a"] } });
  assert.deepEqual([state, reasons.length], ["stopping", 1]);
});
