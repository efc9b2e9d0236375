import { type Attribute, type AttributeValue, type Span, SPAN_KINDS } from "./span.ts";

/** What all spans of this process come from. */
export interface SpanSource {
  /** Attributes of the resource, `service.name` among them. */
  readonly resource: readonly Attribute[];
}

const STATUS_ERROR = 2;
/** Trace flags. */
const SAMPLED = 1;
const RANDOM = 2;

/** The body of an export request around spans that are text already (OTLP 1.x, JSON encoding: ids in hexadecimal, times as text). */
export function exportRequest({ resource }: SpanSource, spans: readonly string[]): string {
  const from = JSON.stringify({ attributes: resource.map(keyValue) });
  return `{"resourceSpans":[{"resource":${from},"scopeSpans":[{"scope":{"name":"usher"},"spans":[${
    spans.join(",")
  }]}]}]}`;
}

/** A span as text. */
export function spanText(span: Span): string {
  const { trace, events, links } = span;
  return JSON.stringify({
    traceId: trace.traceId,
    spanId: span.id,
    ...(span.parentId === null ? {} : { parentSpanId: span.parentId }),
    ...(trace.state === "" ? {} : { traceState: trace.state }),
    flags: SAMPLED | (trace.isRandom ? RANDOM : 0),
    name: span.name,
    kind: SPAN_KINDS[span.kind],
    startTimeUnixNano: nanoText(span.startMs),
    endTimeUnixNano: nanoText(span.endMs),
    attributes: span.attributes.map(keyValue),
    ...(events.length === 0 ? {} : {
      events: events.map(({ name, atMs }) => ({ name, timeUnixNano: nanoText(atMs) })),
    }),
    ...(links.length === 0 ? {} : {
      links: links.map(({ traceId, spanId, attributes }) => ({
        traceId,
        spanId,
        attributes: attributes.map(keyValue),
      })),
    }),
    status: span.isFailed ? { code: STATUS_ERROR } : {},
  });
}

function keyValue([key, value]: Attribute) {
  return { key, value: anyValue(value) };
}

function anyValue(value: AttributeValue) {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}

/** Milliseconds with fractions as whole nanoseconds: six digits more than a double holds exactly are not needed. */
function nanoText(timeMs: number): string {
  return timeMs.toFixed(6).replace(".", "");
}
