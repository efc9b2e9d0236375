import assert from "node:assert/strict";
import { largestInMemoryBytes, largestStoredBytes, memoryShareBytes } from "../../lib/gateway/memory_share.ts";
import { SHARES_PORTS } from "../../lib/server/listen_target.ts";
import { configOf, type Mapping, SHARED } from "./config_of.ts";

const MIB = 1024 * 1024;

async function settings(server: Mapping, cache: Mapping, more: Mapping = {}) {
  return await configOf({
    server,
    cache,
    ...more,
    pools: { p: { type: "custom", health: false, upstreams: ["http://127.0.0.1:9"] } },
    listeners: [{ name: "l", listen: "127.0.0.1:6635", pool: "p" }],
  });
}

Deno.test("memoryShareBytes() divides cache.memory by the workers that serve", async () => {
  const shared = await settings({ workers: 4 }, { memory: "64MiB" });
  assert.equal(memoryShareBytes(shared), (SHARES_PORTS ? 16 : 64) * MIB);
  const alone = await settings({ workers: 4, reuse_port: false }, { memory: "64MiB" });
  assert.equal(memoryShareBytes(alone), 64 * MIB);
  assert.equal(largestInMemoryBytes(alone), 8 * MIB);
});

Deno.test("largestStoredBytes() is max_entry, and without a disk tier no more than memory holds", async () => {
  const server = { workers: 4, reuse_port: false };
  assert.equal(largestStoredBytes(await settings(server, { memory: "64MiB", disk: "1GiB" })), 16 * MIB);
  assert.equal(largestStoredBytes(await settings(server, { memory: "64MiB", disk: 0 })), 8 * MIB);
  assert.equal(largestStoredBytes(await settings(server, { memory: "64MiB", disk: 0, max_entry: "1MiB" })), MIB);
});

Deno.test("largestStoredBytes() counts the tier that gateways share", async () => {
  const small = { workers: 1, reuse_port: false };
  const cache = { memory: "64KiB", disk: 0, shared: { max_entry: "2MiB" } };
  const { cluster } = SHARED;
  assert.equal(largestStoredBytes(await settings(small, cache, { cluster })), 2 * MIB);
  assert.equal(largestStoredBytes(await settings(small, { ...cache, shared: false }, { cluster })), 8 * 1024);
});
