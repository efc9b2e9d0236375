import assert from "node:assert/strict";
import { addressKey } from "../../lib/gateway/compile.ts";
import { plainPool, withGateway } from "../pipeline/in_process_gateway.ts";

const A = "http://127.0.0.1:1";

Deno.test("addressKey() is host and port, or the path of a unix socket", () => {
  assert.equal(addressKey({ hostname: "0.0.0.0", port: 80 }), "0.0.0.0:80");
  assert.equal(addressKey({ hostname: "::1", port: 80 }), "[::1]:80");
  assert.equal(addressKey({ path: "/run/usher.sock", mode: 0o660 }), "unix:/run/usher.sock");
});

Deno.test("compileSnapshot() makes a table for each address, and routes by host and the longest prefix", () =>
  withGateway({
    pools: { p: plainPool([A]), q: plainPool([A]) },
    listeners: [
      { name: "any", pool: "p" },
      { name: "deep", prefix: "/a/b", pool: "q" },
      { name: "hosted", host: "films.test", pool: "q" },
      { name: "other", listen: "127.0.0.1:6637", pool: "p" },
    ],
  }, ({ gateway }) => {
    const { tables, tenants, pools } = gateway.snapshot;
    assert.deepEqual([...tables.keys()].sort(), ["127.0.0.1:6635", "127.0.0.1:6637"]);
    assert.deepEqual(tenants.map(({ name }) => name), ["any", "deep", "hosted", "other"]);
    assert.deepEqual(pools.map(({ name }) => name), ["p", "q"]);
    const nameAt = (address: string, host: string, path: string) => tables.get(address)!.match(host, path)?.name;
    assert.equal(nameAt("127.0.0.1:6635", "x.test", "/a"), "any");
    assert.equal(nameAt("127.0.0.1:6635", "x.test", "/a/b/c"), "deep");
    assert.equal(nameAt("127.0.0.1:6635", "x.test", "/a/bc"), "any");
    assert.equal(nameAt("127.0.0.1:6635", "films.test:80", "/a"), "hosted");
    assert.equal(nameAt("127.0.0.1:6637", "films.test", "/a/b"), "other");
    return Promise.resolve();
  }));

Deno.test("compileSnapshot() says how each address of its tables is listened on", () =>
  withGateway({
    server: { trusted_proxies: ["192.0.2.0/24"] },
    pools: { p: plainPool([A]) },
    listeners: [
      { name: "plain", pool: "p" },
      { name: "proxied", listen: "127.0.0.1:6637", proxy_protocol: true, pool: "p" },
      { name: "also", listen: "127.0.0.1:6637", proxy_protocol: true, prefix: "/also", pool: "p" },
      { name: "local", listen: { unix: "/run/usher.sock", mode: "0600" }, pool: "p" },
    ],
  }, ({ gateway: { snapshot: { listens, tables } } }) => {
    assert.deepEqual(
      listens,
      new Map([
        ["127.0.0.1:6635", { unix: null, proxyProtocol: false, tls: null, httpsPort: null, proxy: null }],
        ["127.0.0.1:6637", { unix: null, proxyProtocol: true, tls: null, httpsPort: null, proxy: null }],
        ["unix:/run/usher.sock", {
          unix: { path: "/run/usher.sock", mode: 0o600 },
          proxyProtocol: false,
          tls: null,
          httpsPort: null,
          proxy: null,
        }],
      ]),
    );
    assert.deepEqual([...tables.keys()], [...listens.keys()]);
    assert.equal(tables.get("unix:/run/usher.sock")!.match("localhost", "/")?.name, "local");
    return Promise.resolve();
  }));

Deno.test("compileSnapshot() gives listeners of one pool the same pool, and each its own counters", () =>
  withGateway({
    pools: { p: plainPool([A]) },
    listeners: [{ name: "one", prefix: "/one", pool: "p" }, { name: "two", prefix: "/two", pool: "p" }],
  }, ({ gateway }) => {
    const [one, two] = gateway.snapshot.tenants;
    assert.equal(one!.pool, two!.pool);
    assert.notEqual(one!.counts, two!.counts);
    assert.equal(one!.counts, gateway.counts.listeners["one"]);
    return Promise.resolve();
  }));

Deno.test("compileSnapshot() puts the host into the key wherever an upstream is told of it", () =>
  withGateway({
    pools: {
      told: plainPool([A]),
      preserved: plainPool([A], { forwarded: "off", preserve_host: true }),
      tmdb: plainPool([A], { type: "tmdb-api" }),
      "tmdb-told": plainPool([A], { type: "tmdb-api", forwarded: "both" }),
    },
    listeners: ["told", "preserved", "tmdb", "tmdb-told"].map((name) => ({ name, prefix: `/${name}`, pool: name })),
  }, ({ gateway }) => {
    assert.deepEqual(
      gateway.snapshot.tenants.map(({ name, hostInKey }) => [name, hostInKey]),
      [["told", true], ["preserved", true], ["tmdb", false], ["tmdb-told", true]],
    );
    return Promise.resolve();
  }));

Deno.test("compileSnapshot() freezes what requests share", () =>
  withGateway({ pools: { p: plainPool([A]) }, listeners: [{ name: "l", pool: "p" }] }, ({ gateway }) => {
    assert.ok(Object.isFrozen(gateway.snapshot));
    assert.ok(Object.isFrozen(gateway.snapshot.tenants[0]));
    return Promise.resolve();
  }));
