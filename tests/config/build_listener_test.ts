import assert from "node:assert/strict";
import { configOf, SOUND } from "./load_text.ts";

Deno.test("buildListener() fills in the defaults", async () => {
  const [listener] = (await configOf(SOUND)).listeners;
  const { name, listen, hosts, prefix, stripPrefix, pool, offline } = listener!;
  assert.deepEqual({ name, listen, hosts, prefix, stripPrefix, pool, offline }, {
    name: "a",
    listen: { hostname: "0.0.0.0", port: 6635 },
    hosts: [],
    prefix: "/",
    stripPrefix: false,
    pool: "a",
    offline: false,
  });
  assert.deepEqual(listener!.cache.query, { include: null, exclude: [], sort: false });
});

Deno.test("buildListener() names a host once, and leaves of a rule what it does not say", async () => {
  const [listener] = (await configOf(`
pools:
  a: { type: custom, upstreams: [https://one.example] }
listeners:
  - { name: a, pool: a, host: [x.example, x.example], cache: { rules: [ { ttl: 1m } ] }, prewarm: { file: list.txt } }
`)).listeners;
  assert.deepEqual(listener!.hosts, ["x.example"]);
  assert.deepEqual(listener!.cache.rules[0], {
    path: null,
    contentType: null,
    status: null,
    ttlMs: 60_000,
    minTtlMs: null,
    maxTtlMs: null,
    staleWhileRevalidateMs: null,
    staleIfErrorMs: null,
    memory: true,
    disk: true,
  });
  assert.equal(listener!.prewarm.file, "/etc/usher/list.txt");
});
