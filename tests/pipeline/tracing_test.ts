import assert from "node:assert/strict";
import { type Fields, fieldValue } from "../../lib/http/fields.ts";
import { type CollectedSpan, type OtlpCollector, startCollector } from "../origins/otlp_collector.ts";
import {
  eventually,
  exchangeFor,
  inParts,
  type InProcessGateway,
  plainPool,
  sentField,
  withGateway,
  withOrigins,
} from "./in_process_gateway.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";
const TRACEPARENT = `00-${TRACE}-${PARENT}-01`;

/** Runs a test with a collector, and sees afterwards that it found nothing wrong. */
async function withCollector(run: (collector: OtlpCollector) => Promise<void>): Promise<void> {
  const collector = startCollector();
  try {
    await run(collector);
    assert.deepEqual(collector.faults, []);
  } finally {
    await collector.close();
  }
}

/** Closes the gateway, so that every span is sent. */
async function flushed({ gateway, idle }: InProcessGateway): Promise<void> {
  await idle();
  await gateway.close(60_000);
}

function only(spans: readonly CollectedSpan[], name: string): CollectedSpan {
  const found = spans.filter((span) => span.name === name);
  assert.equal(found.length, 1, `${name} among ${spans.map((span) => span.name).join(", ")}`);
  return found[0]!;
}

Deno.test("a miss is one trace: the request, and its try at the upstream, which is told of it; a hit has no try", () =>
  withCollector((collector) =>
    withOrigins(
      [(exchange) => exchange.reply({ fields: [["cache-control", "max-age=60"]], body: "film" })],
      (origin) =>
        withGateway({
          logging: { client: "network" },
          tracing: { endpoint: collector.url, resource: { "deployment.environment.name": "test" } },
          pools: { p: plainPool([origin!.url]) },
          listeners: [{ name: "l", pool: "p", prefix: "/films", strip_prefix: true }],
        }, async (gateway) => {
          const headers = { "user-agent": "Kodi/21", "x-request-id": "r-1" };
          await gateway.ask("/films/1?language=de&api_key=SECRETSECRETSECRET", { headers });
          await gateway.ask("/films/1?language=de&api_key=SECRETSECRETSECRET");
          await flushed(gateway);
          const [miss, hit] = Map.groupBy(collector.spans, ({ traceId }) => traceId).values();
          const trace = collector.trace(miss![0]!.traceId);
          assert.equal(trace.length, 2);
          const request = only(trace, "GET /films");
          assert.deepEqual(request.attributes, {
            "http.request.method": "GET",
            "http.route": "/films",
            "http.response.status_code": 200,
            "http.response.body.size": 4,
            "url.scheme": "http",
            "url.path": "/films/1",
            "url.query": "language=de&api_key=[redacted]",
            "server.address": "gateway.test",
            "client.address": "192.0.2.0/24",
            "network.protocol.version": "1.1",
            "user_agent.original": "Kodi/21",
            "usher.request_id": "r-1",
            "usher.listener": "l",
            "usher.pool": "p",
            "usher.class": "any",
            "usher.cache.result": "miss",
            "usher.cache.status": request.attributes["usher.cache.status"]!,
            "usher.cache.fwd": "uri-miss",
            "usher.upstream": origin!.url,
            "usher.tries": 1,
          });
          assert.match(String(request.attributes["usher.cache.status"]), /^usher; fwd=uri-miss; stored/);
          assert.deepEqual([request.kind, request.isError, request.parentSpanId], ["server", false, null]);
          assert.deepEqual(request.resource["deployment.environment.name"], "test");
          const tried = only(trace, "GET");
          assert.deepEqual([tried.kind, tried.parentSpanId], ["client", request.spanId]);
          assert.deepEqual(tried.events, ["connected", "response fields received"]);
          assert.deepEqual(tried.attributes, {
            "http.request.method": "GET",
            "server.address": "127.0.0.1",
            "server.port": origin!.port,
            "url.full": `${origin!.url}/1?language=de&api_key=[redacted]`,
            "http.response.status_code": 200,
            "usher.pool": "p",
            "usher.upstream": origin!.url,
          });
          assert.equal(sentField(origin!, "traceparent"), `00-${tried.traceId}-${tried.spanId}-03`);
          assert.deepEqual(hit!.map(({ attributes }) => attributes["usher.cache.result"]), ["hit_memory"]);
          assert.ok(collector.requests.every(({ body }) => !body.includes("SECRETSECRET")));
        }),
    )
  ));

Deno.test("a client's trace is continued where the listener trusts it; else it is linked to, or ignored", () =>
  withCollector((collector) =>
    withOrigins([(exchange) => exchange.reply({ body: "x" })], (origin) =>
      withGateway({
        tracing: { endpoint: collector.url },
        server: { trusted_proxies: ["10.0.0.0/8"] },
        pools: { p: plainPool([origin!.url]) },
        listeners: [
          { name: "trusted", prefix: "/trusted", pool: "p" },
          { name: "any", prefix: "/any", pool: "p", trace_context: "any" },
          { name: "ignore", prefix: "/ignore", pool: "p", trace_context: "ignore" },
        ],
      }, async (gateway) => {
        const headers = { traceparent: TRACEPARENT, tracestate: "vendor=1 , other=2" };
        const told = async (path: string, from: string, more: Record<string, string> = {}) => {
          await gateway.ask(path, { from, headers: { ...headers, ...more } });
          return [sentField(origin!, "traceparent"), sentField(origin!, "tracestate")] as const;
        };
        const trusted = await told("/trusted/1", "10.1.2.3");
        assert.match(trusted[0]!, new RegExp(`^00-${TRACE}-(?!${PARENT})[0-9a-f]{16}-01$`));
        assert.equal(trusted[1], "vendor=1,other=2");
        assert.match((await told("/any/1", "192.0.2.9"))[0]!, new RegExp(`^00-${TRACE}-`));
        const stranger = await told("/trusted/2", "192.0.2.9");
        assert.doesNotMatch(stranger[0]!, new RegExp(TRACE));
        assert.equal(stranger[1], null);
        assert.doesNotMatch((await told("/ignore/1", "10.1.2.3"))[0]!, new RegExp(TRACE));
        // What is malformed is as good as nothing: no link, and no state.
        assert.doesNotMatch((await told("/any/2", "10.1.2.3", { traceparent: TRACEPARENT.toUpperCase() }))[0]!, /0AF/i);
        // Its sender does not record it: neither do we, and the upstream is told so.
        const quiet = await told("/any/3", "10.1.2.3", { traceparent: `00-${TRACE}-${PARENT}-00` });
        assert.match(quiet[0]!, new RegExp(`^00-${TRACE}-(?!${PARENT})[0-9a-f]{16}-00$`));
        await flushed(gateway);
        const requests = collector.spans.filter(({ kind }) => kind === "server");
        const byPath = new Map(requests.map((span) => [span.attributes["url.path"], span]));
        assert.equal(byPath.get("/any/3"), undefined);
        assert.deepEqual([byPath.get("/trusted/1")!.parentSpanId, byPath.get("/any/1")!.parentSpanId], [
          PARENT,
          PARENT,
        ]);
        assert.equal(byPath.get("/trusted/1")!.traceState, "vendor=1,other=2");
        const links = (path: string) => byPath.get(path)!.links.map(({ traceId, spanId }) => `${traceId} ${spanId}`);
        assert.deepEqual(["/trusted/1", "/trusted/2", "/ignore/1", "/any/2"].map(links), [
          [],
          [`${TRACE} ${PARENT}`],
          [],
          [],
        ]);
        for (const path of ["/trusted/2", "/ignore/1", "/any/2"]) assert.equal(byPath.get(path)!.parentSpanId, null);
      }))
  ));

Deno.test("where nothing is traced, and where a pool's upstreams are not told, the client's own fields are passed on", () =>
  withCollector((collector) =>
    withOrigins([(exchange) => exchange.reply({ body: "x" })], async (origin) => {
      const headers = { traceparent: TRACEPARENT, tracestate: "vendor=1" };
      const pool = (more = {}) => ({ p: plainPool([origin!.url], more) });
      for (
        const [tracing, pools] of [
          [undefined, pool()],
          [{ endpoint: collector.url }, pool({ trace_context: false })],
          [{ endpoint: collector.url }, pool({ type: "tmdb-image" })],
        ] as const
      ) {
        await withGateway({ tracing, pools, listeners: [{ name: "l", pool: "p" }] }, async ({ ask, gateway }) => {
          await ask(`/x${crypto.randomUUID()}`, { headers });
          assert.equal(gateway.services.tracer === null, tracing === undefined);
        });
        assert.deepEqual([sentField(origin!, "traceparent"), sentField(origin!, "tracestate")], [
          TRACEPARENT,
          "vendor=1",
        ]);
      }
      // A sampled-out request tells the upstream so, whose own tracing would else begin one by itself.
      const parts = { tracing: { endpoint: collector.url, sample: 0 }, pools: pool() };
      await withGateway(
        { ...parts, listeners: [{ name: "l", pool: "p" }] },
        async ({ ask }) => void await ask("/none"),
      );
      assert.match(sentField(origin!, "traceparent")!, /^00-[0-9a-f]{32}-[0-9a-f]{16}-02$/);
    })
  ));

Deno.test("each try is a span of its own, with why it failed; the request is a failure only if its answer is", () =>
  withCollector((collector) =>
    withOrigins(
      [(exchange) => exchange.reply({ status: 503, body: "no" }), (exchange) => exchange.reply({ body: "yes" })],
      (bad, good) =>
        withGateway({
          tracing: { endpoint: collector.url },
          pools: {
            p: plainPool([bad!.url, good!.url]),
            none: plainPool(["http://127.0.0.1:1"], { retry: { attempts: 1 } }),
          },
          listeners: [{ name: "l", pool: "p" }, { name: "n", prefix: "/none", pool: "none" }],
        }, async (gateway) => {
          await gateway.ask("/1");
          await gateway.ask("/none/1");
          await flushed(gateway);
          const ids = new Set(collector.spans.map(({ traceId }) => traceId));
          const traces = [...ids].map((id) => collector.trace(id));
          const retried = traces.find((spans) => spans.some(({ name }) => name === "GET /"))!;
          const tries = retried.filter(({ kind }) => kind === "client");
          assert.deepEqual(
            tries.map((
              { isError, attributes },
            ) => [
              isError,
              attributes["http.response.status_code"],
              attributes["error.type"],
              attributes["http.request.resend_count"],
            ]),
            [[true, 503, "503", undefined], [false, 200, undefined, 1]],
          );
          assert.equal(only(retried, "GET /").isError, false);
          const failed = traces.find((spans) => spans.some(({ name }) => name === "GET /none"))!;
          const request = only(failed, "GET /none");
          assert.deepEqual([request.isError, request.attributes["error.type"]], [true, "upstream_unreachable"]);
          assert.equal(only(failed, "GET").isError, true);
        }),
    )
  ));

Deno.test("waits are spans: for another's fetch, for a place, for an upstream with room; so is a validation in the background", () =>
  withCollector((collector) => {
    const gate = Promise.withResolvers<void>();
    const fields: Fields = [["cache-control", "max-age=1, stale-while-revalidate=600"]];
    return withOrigins(
      [async (exchange) => {
        if (exchange.head.target.startsWith("/slow")) await gate.promise;
        await exchange.reply({ fields, body: "x" });
      }],
      (origin) =>
        withGateway({
          tracing: { endpoint: collector.url },
          pools: {
            p: plainPool([origin!.url]),
            q: { ...plainPool([origin!.url]), upstreams: [{ url: origin!.url, max_in_flight: 1 }] },
          },
          listeners: [
            { name: "l", pool: "p" },
            { name: "m", prefix: "/slow/m", pool: "p", max_in_flight: 1, queue: { timeout: "1m" } },
            { name: "q", prefix: "/slow/q", pool: "q" },
          ],
        }, async (gateway) => {
          const { services, snapshot } = gateway.gateway;
          const asked = [gateway.ask("/slow/same"), gateway.ask("/slow/same")];
          for (const path of ["/slow/m/1", "/slow/m/2", "/slow/q/1", "/slow/q/2"]) asked.push(gateway.ask(path));
          const admission = snapshot.tenants.find(({ name }) => name === "m")!.admission!;
          const room = snapshot.pools.find(({ name }) => name === "q")!.room;
          await eventually("all that can wait do", () =>
            admission.waiting === 1 && room.size === 1 && origin!.heads.length === 3);
          gate.resolve();
          await Promise.all(asked);
          await gateway.ask("/fast");
          gateway.clock.advance(5_000);
          assert.match((await gateway.ask("/fast")).cacheStatus, /hit/);
          await eventually("it was validated", () =>
            services.background.size === 0 && origin!.heads.length === 7);
          await flushed(gateway);
          const parentOf = (name: string) => {
            const span = only(collector.spans, name);
            assert.equal(span.kind, "internal");
            const trace = collector.trace(span.traceId);
            return [trace.find(({ spanId }) => spanId === span.parentSpanId)!.name, trace.length];
          };
          assert.deepEqual(parentOf("wait for another request's fetch"), ["GET /", 2]);
          assert.deepEqual(parentOf("wait for max_in_flight"), ["GET /slow/m", 3]);
          assert.deepEqual(parentOf("wait for an upstream with room"), ["GET /slow/q", 3]);
          assert.deepEqual(parentOf("validate in the background"), ["GET /", 3]);
          const collapsed = collector.spans.filter(({ attributes }) =>
            attributes["usher.cache.result"] === "collapsed"
          );
          assert.equal(collapsed.length, 1);
          const stale = collector.spans.find(({ attributes }) => attributes["usher.cache.result"] === "stale")!;
          const tried = collector.trace(stale.traceId).find(({ kind }) => kind === "client")!;
          assert.equal(tried.parentSpanId, only(collector.spans, "validate in the background").spanId);
        }),
    );
  }));

Deno.test("no export of its own is traced, even where it goes through the gateway itself", () =>
  withCollector((collector) =>
    withOrigins(
      [inParts(async (exchange) => {
        // A collector behind the gateway: what reaches it goes on to the real one.
        if (exchange.head.method !== "POST") return await exchange.reply({ body: "film" });
        await fetch(`${collector.url}/v1/traces`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: await exchange.body() as Uint8Array<ArrayBuffer>,
        });
        await exchange.reply({ body: "{}" });
      })],
      (origin) =>
        withGateway(
          { pools: { p: plainPool([origin!.url]) }, listeners: [{ name: "l", pool: "p" }] },
          async (through) => {
            const url = await through.serve();
            const parts = { pools: { p: plainPool([origin!.url]) }, listeners: [{ name: "l", pool: "p" }] };
            await withGateway({ ...parts, tracing: { endpoint: url } }, async ({ gateway, ask }) => {
              await ask("/missing", { headers: { "user-agent": `usher-spans/${gateway.services.instanceId}` } });
              const own = await ask("/v1/traces", {
                method: "POST",
                headers: {
                  "user-agent": `usher-spans/${gateway.services.instanceId}`,
                  "content-type": "application/json",
                },
                body: collectorBody,
              });
              assert.equal(own.status, 200);
            });
            // The client's GET alone, whoever it says it is.
            assert.deepEqual(collector.spans.map(({ name }) => name).sort(), ["GET", "GET /"]);
            assert.equal(fieldValue(origin!.heads.at(-1)!.fields, "user-agent"), "usher-spans/usher-test");
          },
        ),
    )
  ));

/** What a collector takes that says nothing. */
const collectorBody = JSON.stringify({ resourceSpans: [] });

Deno.test("the trace's id is that of the exchange, for the log and for exemplars; none where it is not recorded", () =>
  withCollector((collector) =>
    withOrigins([(exchange) => exchange.reply({ body: "x" })], async (origin) => {
      const parts = { pools: { p: plainPool([origin!.url]) }, listeners: [{ name: "l", pool: "p" }] };
      const begun = (gateway: InProcessGateway) => {
        const exchange = exchangeFor(gateway, "/1");
        exchange.begin();
        exchange.finish({ status: 200, bytes: 0, note: { result: "none", status: "" } });
        return exchange.traceId;
      };
      let id: string | null = null;
      await withGateway(
        { ...parts, tracing: { endpoint: collector.url } },
        (gateway) => Promise.resolve(void (id = begun(gateway))),
      );
      assert.equal(id, collector.spans[0]!.traceId);
      await withGateway(parts, (gateway) => Promise.resolve(assert.equal(begun(gateway), null)));
    })
  ));
