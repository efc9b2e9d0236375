import assert from "node:assert/strict";
import type { Gateway } from "../../lib/gateway/gateway.ts";
import type { HealthTable } from "../../lib/pool/upstream_health.ts";
import {
  configFor,
  eventually,
  type GatewayParts,
  plainParts,
  plainPool,
  withGateway,
  withOrigins,
} from "../pipeline/in_process_gateway.ts";

const A = "http://127.0.0.1:1";
const B = "http://127.0.0.1:2";

/** Brings a configuration into a gateway, as a reload does. */
async function reload(gateway: Gateway, parts: GatewayParts, generation = 2): Promise<void> {
  gateway.commit(gateway.prepare(await configFor(parts), generation));
}

function endpoint(gateway: Gateway, url: string) {
  return gateway.snapshot.pools[0]!.endpoints.get(url)!;
}

Deno.test("Gateway.commit() keeps transports, counters and state of upstreams that stay, whatever else changes", () =>
  withGateway(plainParts([A, B]), async ({ gateway, ask }) => {
    await ask("/a");
    const before = endpoint(gateway, A);
    const upstream = gateway.snapshot.pools[0]!.pool.upstreams[0]!;
    upstream.begin(0);
    await reload(gateway, plainParts([A], { pool: { timeouts: { total: "9s" } }, cache: { background_fill: false } }));
    const after = endpoint(gateway, A);
    assert.equal(after.transport, before.transport);
    assert.equal(after.counts, before.counts);
    assert.equal(gateway.snapshot.pools[0]!.pool.upstreams[0]!.inFlight, 1);
    assert.equal(gateway.snapshot.pools[0]!.totalMs, 9_000);
    assert.equal(gateway.services.settings.backgroundFill, false);
    assert.equal(gateway.snapshot.generation, 2);
    assert.equal(gateway.counts.listeners["l"]!.requests, 1);
    // Begun on the old snapshot, ended on the old object: both see it.
    upstream.end({ outcome: "ok", latencyMs: 1, retryAfterMs: 0 }, 0);
    assert.equal(gateway.snapshot.pools[0]!.pool.upstreams[0]!.inFlight, 0);
  }));

Deno.test("Gateway.commit() makes a new transport where the way to the upstream has changed", () =>
  withGateway(plainParts([A]), async ({ gateway }) => {
    const before = endpoint(gateway, A).transport;
    const parts = plainParts([A]);
    await reload(gateway, {
      ...parts,
      pools: { p: { ...plainPool([]), upstreams: [{ url: A, max_connections: 7 }] } },
    });
    assert.notEqual(endpoint(gateway, A).transport, before);
  }));

Deno.test("Gateway.commit() lets requests under way end where they began, and closes removed transports later", () =>
  withOrigins(
    [async (exchange) => {
      await exchange.wait(100);
      await exchange.reply({ body: "from the old one" });
    }, (exchange) => exchange.reply({ body: "from the new one" })],
    (older, newer) =>
      withGateway({
        ...plainParts([older!.url], { pool: { timeouts: { total: "3s" } } }),
        cache: { collapse_timeout: "0ms" },
      }, async ({ gateway, ask }) => {
        const { transport } = endpoint(gateway, older!.url);
        const under = ask("/a");
        await eventually("the old origin was asked", () => older!.heads.length === 1);
        await reload(gateway, plainParts([newer!.url]));
        assert.equal((await ask("/b")).text, "from the new one");
        assert.equal((await under).text, "from the old one");
        await eventually("the old transport is closed", () => transport.stats().open === 0 && older!.open === 0);
        await assert.rejects(transport.send(
          { method: "GET", target: "/", fields: [["host", "a"]], body: null },
          { deadlines: { connectMs: 100, firstByteMs: 100, idleMs: 100 } },
        ));
      }),
  ));

Deno.test("Gateway.abort() closes what was made for the configuration that is given up, and nothing else", () =>
  withOrigins(
    [(exchange) => exchange.reply({ body: "well" })],
    (origin) =>
      withGateway(plainParts([origin!.url]), async ({ gateway, ask }) => {
        await ask("/a");
        const snapshot = gateway.snapshot;
        const prepared = gateway.prepare(await configFor(plainParts([origin!.url, B])), 2);
        const added = prepared.snapshot.pools[0]!.endpoints.get(B)!.transport;
        gateway.abort(prepared);
        const request = { method: "GET", target: "/", fields: [["host", "a"]] as [string, string][], body: null };
        const deadlines = { connectMs: 100, firstByteMs: 100, idleMs: 100 };
        await assert.rejects(added.send(request, { deadlines }), /closed/i);
        assert.equal(gateway.snapshot, snapshot);
        assert.equal((await ask("/b")).text, "well");
        assert.equal(origin!.connections, 1);
      }),
  ));

Deno.test("Gateway.prepare() changes nothing by itself", () =>
  withGateway(plainParts([A]), async ({ gateway }) => {
    const { snapshot } = gateway;
    const { settings } = gateway.services;
    const prepared = gateway.prepare(await configFor(plainParts([B])), 2);
    assert.equal(gateway.snapshot, snapshot);
    assert.equal(gateway.services.settings, settings);
    gateway.abort(prepared);
  }));

function table(state: "healthy" | "unhealthy", version: number): HealthTable {
  const health = {
    state,
    weight: state === "healthy" ? 1 : 0,
    reason: "",
    sinceMs: 0,
    rampFromMs: 0,
    fastMs: 1,
    slowMs: 1,
    successRate: 1,
    checks: 1,
    failedChecks: 0,
    credential: "",
  };
  return { pool: "p", version, upstreams: { [A]: health } } as unknown as HealthTable;
}

Deno.test("Gateway.applyHealth() reaches the pool in force, and a pool that a reload adds again", () =>
  withGateway(plainParts([A, B]), async ({ gateway }) => {
    gateway.applyHealth([table("unhealthy", 1), { ...table("unhealthy", 1), pool: "unknown" }]);
    assert.equal(gateway.snapshot.pools[0]!.pool.upstreams[0]!.health?.state, "unhealthy");
    await reload(gateway, { pools: { q: plainPool([B]) }, listeners: [{ name: "l", pool: "q" }] }, 2);
    await reload(gateway, plainParts([A, B]), 3);
    assert.equal(gateway.snapshot.pools[0]!.pool.upstreams[0]!.health?.state, "unhealthy");
  }));

Deno.test("Gateway.drainReports() hands out what became of tries, once, by pool", () =>
  withGateway(plainParts([A], { pool: { retry: { attempts: 1 } } }), async ({ gateway, ask }) => {
    await ask("/a");
    const [report, ...others] = gateway.drainReports();
    assert.deepEqual([report?.pool, report?.batches.length, others.length], ["p", 1, 0]);
    assert.deepEqual(gateway.drainReports(), []);
  }));

Deno.test("Gateway.onBreaker is called with the failure ready to be reported, and the log says what changed", () =>
  withGateway(
    plainParts([A], { pool: { health: { enabled: false, max_failures: 3 } } }),
    ({ gateway, clock, lines }) => {
      const unreachable: number[] = [];
      gateway.onBreaker = () => {
        const [report] = gateway.drainReports();
        unreachable.push(report!.batches[0]!.counts.unreachable);
      };
      const upstream = gateway.snapshot.pools[0]!.pool.upstreams[0]!;
      const end = (outcome: "unreachable" | "ok") => {
        upstream.begin(clock.now());
        upstream.end({ outcome, latencyMs: 1, retryAfterMs: 0 }, clock.now());
      };
      for (let time = 0; time < 3; time++) end("unreachable");
      assert.deepEqual(unreachable, [3]);
      assert.equal(gateway.resilience().pools["p"]!.upstreams[A]!.breaker, "open");
      end("ok");
      const told = lines.filter(({ message }) => message === "This worker's breaker changed its state");
      assert.deepEqual(told.map(({ level, pool, upstream, to }) => [level, pool, upstream, to]), [
        ["warn", "p", A, "open"],
        ["info", "p", A, "closed"],
      ]);
      return Promise.resolve();
    },
  ));

Deno.test("Gateway.commit() holds an upstream that stays to the new max_failures", () =>
  withGateway(plainParts([A]), async ({ gateway, clock }) => {
    await reload(gateway, plainParts([A], { pool: { health: { enabled: false, max_failures: 1 } } }));
    const upstream = gateway.snapshot.pools[0]!.pool.upstreams[0]!;
    upstream.begin(clock.now());
    upstream.end({ outcome: "unreachable", latencyMs: 1, retryAfterMs: 0 }, clock.now());
    assert.equal(upstream.breakerState(clock.now()), "open");
  }));

Deno.test("Gateway.connections() counts a transport once, whatever pools share it", () =>
  withOrigins([(exchange) => exchange.reply()], (origin) =>
    withGateway({
      pools: { p: plainPool([`${origin!.url}/a`, `${origin!.url}/b`]), q: plainPool([`${origin!.url}`]) },
      listeners: [{ name: "l", pool: "p" }, { name: "m", prefix: "/m", pool: "q" }],
    }, async ({ gateway, ask }) => {
      await ask("/x");
      assert.deepEqual(gateway.connections(), { p: 1, q: 1 });
      assert.equal(
        gateway.snapshot.pools[0]!.endpoints.get(`${origin!.url}/a`)!.transport,
        gateway.snapshot.pools[1]!.endpoints.get(origin!.url)!.transport,
      );
    })));

Deno.test("Gateway.close() lets go of connections, timers and what a reload has left", () =>
  withOrigins([(exchange) => exchange.reply({ fields: [["cache-control", "max-age=60"]] })], async (origin) => {
    await withGateway(plainParts([origin!.url]), async ({ gateway, ask }) => {
      await ask("/a");
      await reload(gateway, plainParts([B]));
      assert.equal(origin!.open, 1);
    });
    await eventually("the connection is closed", () => origin!.open === 0);
  }));

Deno.test("Gateway gives requests ids that differ between workers", async () => {
  const ids = new Set<string>();
  for (let worker = 0; worker < 3; worker++) {
    await withGateway(plainParts([A]), ({ gateway }) => {
      for (let count = 0; count < 100; count++) ids.add(gateway.services.nextRequestId());
      return Promise.resolve();
    });
  }
  assert.equal(ids.size, 300);
});
