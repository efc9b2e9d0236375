import assert from "node:assert/strict";
import { eventually } from "../eventually.ts";
import { type OtlpCollector, startCollector } from "../origins/otlp_collector.ts";
import { startScriptedOrigin } from "../origins/scripted_origin.ts";
import { type GatewayPlaces, startGateway } from "./_gateway.ts";
import { customPool, testConfig } from "./test_config.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";

function inStack<T extends { close(): Promise<void> }>(stack: AsyncDisposableStack, running: T): T {
  return stack.adopt(running, (one) => one.close());
}

function sentTo(collector: OtlpCollector, traceId: string): number {
  return collector.spans.filter((span) => span.traceId === traceId).length;
}

Deno.test("one trace goes through two gateway processes; a reload turns it off; the last spans are sent at the stop; secrets stay", async () => {
  await using stack = new AsyncDisposableStack();
  const collector = inStack(stack, startCollector());
  const origin = inStack(
    stack,
    await startScriptedOrigin((exchange) =>
      exchange.reply({ fields: [["cache-control", "max-age=60"]], body: "film" })
    ),
  );
  const innerSecret = "kQ2vX8mZ4rT6yB1nW3pL5sD7";
  const inner = inStack(
    stack,
    await startGateway({
      // By the environment alone.
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer%20${innerSecret}`,
        OTEL_SERVICE_NAME: "inner",
      },
      config: (places) =>
        testConfig(places, {
          server: { workers: 1, trusted_proxies: ["127.0.0.0/8"] },
          pools: { p: customPool([origin.url]) },
          listeners: [{ name: "l", pool: "p" }],
        }),
    }),
  );
  let outerPlaces: GatewayPlaces | null = null;
  const outerConfig = (places: GatewayPlaces, tracing: Record<string, unknown>) =>
    testConfig(places, {
      server: { workers: 1 },
      tracing,
      pools: { p: customPool([{ url: inner.url, usher: true }]) },
      listeners: [{ name: "l", pool: "p" }],
    });
  const secret = "hF9cJ2wE7uM4xK6gV1bN8zQ3";
  const outer = inStack(
    stack,
    await startGateway({
      config: (places) =>
        outerConfig(outerPlaces = places, {
          endpoint: collector.url,
          service_name: "outer",
          headers: { "x-key": secret },
        }),
    }),
  );
  const ask = (path: string, parent: string) =>
    fetch(outer.url + path, { headers: { traceparent: `00-${parent}-b7ad6b7169203331-01` } }).then((it) => it.text());
  assert.equal(await ask(`/film?api_key=${secret}`, TRACE), "film");
  await eventually("both gateways have told", () => collector.spans.length === 4);
  const [{ traceId }] = collector.spans as [typeof collector.spans[number]];
  assert.notEqual(traceId, TRACE, "the client is not trusted");
  const trace = collector.trace(traceId);
  const byParent = (parent: string | null) => trace.find(({ parentSpanId }) => parentSpanId === parent)!;
  const chain = [byParent(null)];
  while (chain.length < 4) chain.push(byParent(chain.at(-1)!.spanId));
  assert.deepEqual(chain.map(({ kind, resource }) => `${resource["service.name"]} ${kind}`), [
    "outer server",
    "outer client",
    "inner server",
    "inner client",
  ]);
  assert.deepEqual(chain[0]!.links.map((link) => link.traceId), [TRACE]);
  // Both access lines name the trace.
  for (const gateway of [outer, inner]) await gateway.logged(`trace=${traceId}`);
  const metrics = async () => await (await fetch(`${outer.adminUrl}/metrics`)).text();
  await eventually("it was counted", async () => /^usher_spans_total\{.*result="exported"\} 2$/m.test(await metrics()));

  await outer.writeConfig(outerConfig(outerPlaces!, {}));
  outer.signal("SIGHUP");
  await outer.logged("Configuration reloaded");
  const before = collector.spans.length;
  assert.equal(await ask("/quiet", TRACE), "film");
  // What the client sent is passed on again: the inner gateway trusts the outer one, and continues the client's trace.
  await eventually("the inner one has told", () => sentTo(collector, TRACE) === 2);
  assert.equal(collector.spans.length, before + 2);

  const sampled = collector.spans.length;
  assert.equal(await ask("/last", "1".repeat(32)), "film");
  inner.signal("SIGTERM");
  assert.equal(await inner.ended(), 0);
  assert.equal(collector.spans.length, sampled + 2, "the last spans were sent before the end");

  assert.deepEqual(collector.faults, []);
  const exported = collector.requests.map(({ body }) => body).join();
  assert.ok(collector.requests.some(({ headers }) => headers.get("authorization") === `Bearer ${innerSecret}`));
  assert.ok(collector.requests.some(({ headers }) => headers.get("x-key") === secret));
  for (const text of [exported, outer.log(), inner.log(), await metrics()]) {
    assert.ok(!text.includes(secret) && !text.includes(innerSecret));
  }
});
