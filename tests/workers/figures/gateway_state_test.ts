import assert from "node:assert/strict";
import type { Config } from "../../../lib/config/config.ts";
import type { HealthTable, UpstreamHealth } from "../../../lib/pool/upstream_health.ts";
import { deafAddresses, gatewayState, type StateFacts } from "../../../lib/workers/figures/gateway_state.ts";
import { ANY_CONFIG, configOf } from "../../gateway/config_of.ts";
import { slotOf } from "../slots.ts";

const config = await configOf({
  ...ANY_CONFIG,
  pools: { any: { type: "custom", health: false, upstreams: ["https://one.example"] } },
  listeners: [
    { name: "a", listen: "127.0.0.1:6635", prefix: "/a", pool: "any" },
    { name: "b", listen: "127.0.0.1:6637", prefix: "/b", pool: "any" },
  ],
});
const NOW_MS = Date.UTC(2026, 0, 1);
const DAY_MS = 24 * 60 * 60 * 1000;
const FINE = { "127.0.0.1:6635": null, "127.0.0.1:6637": null };

function stateOf(more: Partial<StateFacts>) {
  const slots = [slotOf("serving-0", { listening: FINE }), slotOf("serving-1", { listening: FINE })];
  return gatewayState({
    config,
    slots,
    isStopping: false,
    kvProblem: null,
    reloadProblems: [],
    nowMs: NOW_MS,
    ...more,
  });
}

Deno.test("gatewayState() is ready where nothing is wrong, and stopping whatever is wrong", () => {
  assert.deepEqual(stateOf({}), { state: "ready", reasons: [] });
  assert.equal(stateOf({ isStopping: true }).state, "stopping");
});

Deno.test("gatewayState() says in words what is wrong", () => {
  const row = { state: "ejected" } as UpstreamHealth;
  const table: HealthTable = { pool: "any", version: 1, atMs: 1, upstreams: { "https://one.example": row } };
  const slots = [
    slotOf("serving-0", { listening: { ...FINE, "127.0.0.1:6637": "Too many open files" }, diskProblem: "it is full" }),
    slotOf("serving-1", undefined),
    slotOf("health", { health: [table] }),
  ];
  assert.deepEqual(stateOf({ slots, kvProblem: "it is locked", reloadProblems: ["1:1 no", "2:2 no"] }), {
    state: "degraded",
    reasons: [
      "The worker serving-1 is down",
      "1 of 1 workers cannot accept on 127.0.0.1:6637: Too many open files",
      "No upstream of the pool any is healthy",
      "The disk cache: it is locked",
      "The disk cache: it is full",
      "The last reload failed: 1:1 no, and 1 more",
    ],
  });
});

Deno.test("deafAddresses() are those on which no worker accepts; an address needs one of them", () => {
  const broken = { ...FINE, "127.0.0.1:6637": "Too many open files" };
  assert.deepEqual(deafAddresses(config, [slotOf("serving-0", { listening: broken }), slotOf("serving-1", null)]), [
    "127.0.0.1:6637",
  ]);
  const one = slotOf("serving-0", { listening: broken });
  assert.deepEqual(deafAddresses(config, [one, slotOf("serving-1", { listening: FINE })]), []);
  assert.deepEqual(deafAddresses(config, [slotOf("serving-0", { listening: { "127.0.0.1:6635": null } })]), [
    "127.0.0.1:6637",
  ]);
  assert.deepEqual(deafAddresses(config, [slotOf("serving-0", null)]), [], "it has not said anything yet");
});

Deno.test("gatewayState() says when a certificate is near its end, and not before", () => {
  const certificate = { certFile: "a.pem", keyFile: "a.key", names: [], notAfterMs: NOW_MS + 13 * DAY_MS };
  const tls = { certificates: [certificate] } as unknown as Config["admin"]["tls"];
  const near = { ...config, admin: { ...config.admin, tls } };
  assert.match(stateOf({ config: near }).reasons.join(), /^The certificate a\.pem: /);
  assert.equal(stateOf({ config: near, nowMs: NOW_MS - 2 * DAY_MS }).state, "ready");
});
