import assert from "node:assert/strict";
import { compileServerLimits } from "../../lib/gateway/server_limits.ts";
import { SERVER_LIMIT_DEFAULTS } from "../../lib/server/server_limits.ts";
import { ANY_CONFIG, configOf, type Mapping } from "./config_of.ts";

async function limitsOf(limits: Mapping, descriptors: number) {
  const { server } = await configOf({ ...ANY_CONFIG, server: { limits } });
  return compileServerLimits(server.limits, descriptors);
}

Deno.test("compileServerLimits() makes the server's defaults of the configuration's", async () => {
  assert.deepEqual(await limitsOf({}, 1_024), { ...SERVER_LIMIT_DEFAULTS, maxConnections: 896 });
});

Deno.test("compileServerLimits() counts connections by the descriptors less the reserve, or as it is told", async () => {
  const connections = async (limits: Mapping, descriptors: number) =>
    (await limitsOf(limits, descriptors)).maxConnections;
  assert.equal(await connections({ reserve_descriptors: 24 }, 1_024), 1_000);
  assert.equal(await connections({ reserve_descriptors: 0 }, 1_024), 1_024);
  assert.equal(await connections({ reserve_descriptors: 2_000 }, 1_024), 16);
  assert.equal(await connections({ max_connections: 50_000 }, 1_024), 50_000);
  assert.equal(await connections({ max_connections: 1 }, 1_024), 1);
});

Deno.test("compileServerLimits() carries every other limit over", async () => {
  const limits = await limitsOf({
    head_timeout: "1s",
    handshake_timeout: "2s",
    idle_timeout: "3s",
    body_timeout: "4s",
    body_rate: "5KiB",
    send_timeout: "6s",
    unsent: "7MiB",
    max_connections: 7,
    per_address: 8,
    max_fields: 9,
    fields_size: "10KiB",
    target_size: "11KiB",
    pipeline: 12,
  }, 1_024);
  assert.deepEqual(limits, {
    headTimeoutMs: 1_000,
    handshakeTimeoutMs: 2_000,
    idleTimeoutMs: 3_000,
    bodyTimeoutMs: 4_000,
    bodyBytesPerSecond: 5_120,
    sendTimeoutMs: 6_000,
    unsentBytes: 7 * 1024 * 1024,
    maxConnections: 7,
    perAddress: 8,
    maxFields: 9,
    fieldsBytes: 10_240,
    targetBytes: 11_264,
    pipeline: 12,
  });
  assert.ok(Object.isFrozen(limits));
});
