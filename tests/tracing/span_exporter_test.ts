import assert from "node:assert/strict";
import { systemClock } from "../../lib/clock.ts";
import { eventually } from "../eventually.ts";
import { type ExporterLimits, newSpanCounts, SpanExporter } from "../../lib/tracing/span_exporter.ts";
import { Tracer } from "../../lib/tracing/tracer.ts";
import { type OtlpCollector, startCollector } from "../origins/otlp_collector.ts";

/** One worker's exporter before a collector, and spans for it. */
function exporting(url: string, limits: Partial<ExporterLimits> = {}) {
  const counts = newSpanCounts();
  const troubles: (string | null)[] = [];
  const exporter = new SpanExporter({
    target: {
      url: `${url}/v1/traces`,
      headers: { authorization: "Bearer of-the-test" },
      resource: [["service.name", "s"]],
    },
    counts,
    onTrouble: (problem) => void troubles.push(problem),
    limits: { pauseMs: 1, ...limits },
  });
  const tracer = new Tracer({
    sampling: { ratio: 1, isParentBased: true },
    clock: systemClock,
    onEnd: (span) => exporter.add(span),
  });
  const span = (count = 1) => {
    for (let turn = 0; turn < count; turn++) {
      const root = tracer.begin(null)!;
      root.name = "GET /";
      root.set("text", "a");
      root.set("number", 1.5);
      root.set("whole", 2);
      root.set("flag", true);
      root.link({ traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", attributes: [["k", "v"]] });
      root.event("e");
      root.end();
    }
  };
  return { exporter, counts, troubles, span };
}

function collected(name: string, run: (collector: OtlpCollector) => Promise<void>): void {
  Deno.test(name, async () => {
    const collector = startCollector();
    try {
      await run(collector);
      assert.deepEqual(collector.faults, []);
    } finally {
      await collector.close();
    }
  });
}

/** Never due in a test: what is sent is sent for another reason. */
const NEVER = { delayMs: 3_600_000 };

collected("spans are sent as OTLP's JSON, the rest of them when the exporter closes", async (collector) => {
  const { exporter, counts, span, troubles } = exporting(collector.url, NEVER);
  span(3);
  await exporter.close(60_000);
  assert.equal(collector.requests.length, 1);
  assert.equal(collector.requests[0]!.headers.get("authorization"), "Bearer of-the-test");
  const [first] = collector.spans;
  assert.deepEqual(first!.attributes, { text: "a", number: 1.5, whole: 2, flag: true });
  assert.deepEqual([first!.events, first!.links.length, first!.resource], [["e"], 1, { "service.name": "s" }]);
  assert.deepEqual([counts.exported, troubles], [3, []]);
  // After that nothing is taken.
  span();
  await exporter.close(60_000);
  assert.deepEqual([counts.droppedFull, collector.spans.length], [1, 3]);
});

collected("a span waits for others, but not for ever; a full batch does not wait", async (collector) => {
  const soon = exporting(collector.url, { delayMs: 1 });
  soon.span();
  await eventually("it was sent", () => collector.spans.length === 1);
  await soon.exporter.close(60_000);
  const full = exporting(collector.url, { ...NEVER, batch: 10 });
  full.span(25);
  await eventually("two batches", () => collector.requests.length === 3);
  assert.equal(collector.spans.length, 21);
  await full.exporter.close(60_000);
  assert.equal(collector.spans.length, 26);
});

collected("a request holds no more bytes than it may, beyond its last span", async (collector) => {
  const { exporter, span } = exporting(collector.url, { ...NEVER, batchBytes: 2_000 });
  span(20);
  await exporter.close(60_000);
  assert.equal(collector.spans.length, 20);
  assert.ok(collector.requests.length > 3);
  for (const { body } of collector.requests) assert.ok(body.length < 4_000, `${body.length} bytes`);
});

collected(
  "a collector that is slow costs spans, not memory: what finds the queue full is dropped and counted",
  async (collector) => {
    const gate = Promise.withResolvers<void>();
    collector.answer = async () => {
      await gate.promise;
      return {};
    };
    const { exporter, counts, span } = exporting(collector.url, { ...NEVER, queue: 20, batch: 10 });
    span(10);
    await eventually("a request is under way", () => collector.requests.length === 1);
    span(50);
    assert.equal(counts.droppedFull, 30);
    gate.resolve();
    await exporter.close(60_000);
    assert.deepEqual([counts.exported, collector.spans.length], [30, 30]);
  },
);

collected(
  "what the collector says it cannot take now is sent again, after the pause that it asks for",
  async (collector) => {
    const times: number[] = [];
    collector.answer = (request) => {
      times.push(performance.now());
      return request === 1 ? { status: 503, headers: { "retry-after": "1" } } : request === 2 ? { status: 429 } : {};
    };
    const { exporter, counts, span, troubles } = exporting(collector.url, NEVER);
    span(2);
    await exporter.close(60_000);
    assert.ok(times[1]! - times[0]! >= 990, "Retry-After is heeded");
    assert.deepEqual([collector.requests.length, counts.exported, collector.spans.length], [3, 2, 2]);
    assert.deepEqual(troubles, []);
  },
);

collected("what it never will take is dropped at once, and told of once", async (collector) => {
  collector.answer = (request) => request < 3 ? { status: 400, body: "no" } : {};
  const { exporter, counts, span, troubles } = exporting(collector.url, { ...NEVER, batch: 1 });
  for (let turn = 1; turn <= 4; turn++) {
    span();
    await eventually("the batch has ended", () => counts.exported + counts.droppedFailed === turn);
  }
  assert.deepEqual([counts.droppedFailed, counts.exported, collector.requests.length], [2, 2, 4]);
  assert.deepEqual(troubles, ["the collector answered 400", null]);
  await exporter.close(60_000);
});

collected("a partial success counts what was refused", async (collector) => {
  collector.answer = () => ({ body: '{"partialSuccess":{"rejectedSpans":"2","errorMessage":"too old"}}' });
  const { exporter, counts, span } = exporting(collector.url, NEVER);
  span(5);
  await exporter.close(60_000);
  assert.deepEqual([counts.exported, counts.droppedRejected], [3, 2]);
});

collected("the fields, which may hold a secret, do not follow a redirect", async (collector) => {
  const other = startCollector();
  collector.answer = () => ({ status: 307, headers: { location: `${other.url}/v1/traces` } });
  const { exporter, counts, span } = exporting(collector.url, NEVER);
  span();
  await exporter.close(60_000);
  assert.deepEqual([other.requests.length, counts.droppedFailed], [0, 1]);
  await other.close();
});

collected("close() ends in its time with a collector that hangs", async (collector) => {
  const gate = Promise.withResolvers<void>();
  collector.answer = async () => {
    await gate.promise;
    return {};
  };
  const { exporter, counts, span } = exporting(collector.url, { ...NEVER, batch: 2 });
  span(5);
  await eventually("a request is under way", () => collector.requests.length === 1);
  await exporter.close(50);
  assert.deepEqual(counts, { exported: 0, droppedFull: 0, droppedFailed: 5, droppedRejected: 0 });
  gate.resolve();
});

Deno.test("a collector that is away is tried so often and no more, and a hang costs no more than its time", async () => {
  const gone = startCollector();
  await gone.close();
  const away = exporting(gone.url, { ...NEVER, tries: 3 });
  away.span();
  await away.exporter.close(60_000);
  assert.equal(away.counts.droppedFailed, 1);
  assert.equal(away.troubles.length, 1);
  const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = (async () => {
    const connections: Deno.Conn[] = [];
    try {
      for await (const connection of silent) connections.push(connection);
    } finally {
      for (const connection of connections) connection.close();
    }
  })();
  const hung = exporting(`http://127.0.0.1:${silent.addr.port}`, { ...NEVER, tries: 2, timeoutMs: 30 });
  hung.span();
  await hung.exporter.close(60_000);
  assert.deepEqual([hung.counts.droppedFailed, hung.troubles], [1, ["no answer within 30 ms"]]);
  silent.close();
  await accepted.catch(() => {});
});
