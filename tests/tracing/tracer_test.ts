import assert from "node:assert/strict";
import { systemClock } from "../../lib/clock.ts";
import type { Span } from "../../lib/tracing/span.ts";
import { type Sampling, Tracer } from "../../lib/tracing/tracer.ts";

const PARENT = {
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "b7ad6b7169203331",
  isSampled: true,
  isRandom: false,
  state: "a=1",
};

function tracer(sampling: Sampling, ended: Span[] = []): Tracer {
  return new Tracer({ sampling, clock: systemClock, onEnd: (span) => void ended.push(span) });
}

Deno.test("a trace that begins here has ids of its own, which are random", () => {
  const all = tracer({ ratio: 1, isParentBased: true });
  const spans = Array.from({ length: 2_000 }, () => all.begin(null)!);
  assert.equal(new Set(spans.map(({ trace }) => trace.traceId)).size, 2_000);
  assert.equal(new Set(spans.map(({ id }) => id)).size, 2_000);
  for (const { trace, id, parentId } of spans) {
    assert.match(trace.traceId, /^[0-9a-f]{32}$/);
    assert.match(id, /^[0-9a-f]{16}$/);
    assert.equal(parentId, null);
    assert.ok(trace.isRandom);
  }
});

Deno.test("a trace that is continued keeps its id, its state and its random flag", () => {
  const span = tracer({ ratio: 0, isParentBased: true }).begin(PARENT)!;
  const { traceId, state, isRandom } = span.trace;
  assert.deepEqual([traceId, state, isRandom, span.parentId], [PARENT.traceId, "a=1", false, PARENT.spanId]);
  assert.notEqual(span.id, PARENT.spanId);
});

Deno.test("the parent decides where that is configured; else the ratio alone, by the trace's id", () => {
  const unsampled = { ...PARENT, isSampled: false };
  assert.equal(tracer({ ratio: 1, isParentBased: true }).begin(unsampled), null);
  assert.ok(tracer({ ratio: 1, isParentBased: false }).begin(unsampled) !== null);
  assert.equal(tracer({ ratio: 0, isParentBased: false }).begin(PARENT), null);
  // By the last 56 bits: OpenTelemetry's consistent sampling takes those at the upper end.
  const low = { ...PARENT, traceId: `${"f".repeat(18)}${"3".repeat(14)}` };
  const high = { ...PARENT, traceId: `${"1".repeat(18)}${"d".repeat(14)}` };
  const half = tracer({ ratio: 0.5, isParentBased: false });
  assert.deepEqual([half.begin(low) === null, half.begin(high) === null], [true, false]);
});

Deno.test("a ratio records about its part of the traces, and none or all at the ends", () => {
  const count = (ratio: number) => {
    const some = tracer({ ratio, isParentBased: true });
    let recorded = 0;
    for (let turn = 0; turn < 20_000; turn++) if (some.begin(null) !== null) recorded++;
    return recorded;
  };
  assert.equal(count(0), 0);
  assert.equal(count(1), 20_000);
  // Ten standard deviations to either side.
  const part = count(0.25);
  assert.ok(part > 5_000 - 620 && part < 5_000 + 620, `${part} of 20,000`);
});

Deno.test("what is not recorded is told on: with the trace of its parent, or with one of its own", () => {
  const some = tracer({ ratio: 0, isParentBased: true });
  const continued = some.unrecorded(PARENT);
  assert.deepEqual({ ...continued, spanId: "" }, { ...PARENT, spanId: "", isSampled: false });
  assert.notEqual(continued.spanId, PARENT.spanId);
  assert.match(some.unrecorded(null).traceId, /^[0-9a-f]{32}$/);
});

Deno.test("a span is handed over once, with bounded text, and a trace has a bounded number of them", () => {
  const ended: Span[] = [];
  const root = tracer({ ratio: 1, isParentBased: true }, ended).begin(null)!;
  root.set("long", "x".repeat(5_000));
  root.set("nothing", null);
  for (let turn = 0; turn < 200; turn++) root.set(`a${turn}`, turn);
  for (let turn = 0; turn < 200; turn++) root.event("e");
  assert.equal(String(root.attributes[0]![1]).length, 1_024);
  assert.deepEqual([root.attributes.length, root.events.length], [64, 64]);
  for (let turn = 0; turn < 1_000; turn++) root.child("c", "internal").end();
  assert.equal(ended.length, 127);
  root.end();
  root.end();
  assert.equal(ended.length, 128);
  assert.ok(root.endMs >= root.startMs);
});
