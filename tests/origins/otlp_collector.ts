import assert from "node:assert/strict";

/** A span as the collector understood it. */
export interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | null;
  readonly traceState: string;
  readonly name: string;
  readonly kind: "internal" | "server" | "client";
  /** Nanoseconds since the Unix epoch. */
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  readonly events: readonly string[];
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly isError: boolean;
  readonly resource: Readonly<Record<string, string | number | boolean>>;
}

/** What a request of the collector is answered with. */
export interface CollectorReply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A collector of spans that takes OTLP/HTTP in JSON and nothing that is not well-formed. */
export interface OtlpCollector {
  /** Base URL: `/v1/traces` is below it. */
  readonly url: string;
  /** Spans of the requests that it took. */
  readonly spans: readonly CollectedSpan[];
  /** Each request's fields and body, in order, also of those that it refused. */
  readonly requests: readonly { readonly headers: Headers; readonly body: string }[];
  /** What was wrong with requests; a test asserts that it is empty. */
  readonly faults: readonly string[];
  /** Answers the requests that follow. */
  answer: (request: number) => CollectorReply | Promise<CollectorReply>;
  /** The spans of a trace by their parents, checked: one root, and no parent that is missing. */
  trace(traceId: string): readonly CollectedSpan[];
  close(): Promise<void>;
}

/** Starts a collector on a port of its own. */
export function startCollector(): OtlpCollector {
  const spans: CollectedSpan[] = [];
  const requests: { headers: Headers; body: string }[] = [];
  const faults: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const body = await request.text();
    requests.push({ headers: request.headers, body });
    const { status = 200, headers = {}, body: answer = "{}" } = await collector.answer(requests.length);
    try {
      assert.equal(`${request.method} ${new URL(request.url).pathname}`, "POST /v1/traces");
      assert.equal(request.headers.get("content-type"), "application/json");
      const read = readRequest(body);
      if (status === 200) spans.push(...read);
    } catch (error) {
      faults.push(error instanceof Error ? error.message : String(error));
    }
    return new Response(answer, { status, headers: { "content-type": "application/json", ...headers } });
  });
  const collector: OtlpCollector = {
    url: `http://127.0.0.1:${server.addr.port}`,
    spans,
    requests,
    faults,
    answer: () => ({}),
    trace: (traceId) => checkedTrace(spans.filter((span) => span.traceId === traceId)),
    close: () => server.shutdown(),
  };
  return collector;
}

type Json = Readonly<Record<string, unknown>>;

function readRequest(body: string): CollectedSpan[] {
  const resourceSpans = list(object(JSON.parse(body), ["resourceSpans"])["resourceSpans"]);
  return resourceSpans.flatMap((each) => {
    const { resource, scopeSpans } = object(each, ["resource", "scopeSpans"]);
    const attributes = attributesOf(object(resource, ["attributes"])["attributes"]);
    assert.equal(typeof attributes["service.name"], "string");
    return list(scopeSpans).flatMap((scoped) => {
      const { scope, spans } = object(scoped, ["scope", "spans"]);
      object(scope, ["name", "version"]);
      return list(spans).map((span) => spanOf(span, attributes));
    });
  });
}

/** Members of OTLP's `Span` (opentelemetry/proto/trace/v1). */
const SPAN_MEMBERS = [
  ...["traceId", "spanId", "parentSpanId", "traceState", "flags", "name", "kind", "startTimeUnixNano"],
  ...["endTimeUnixNano", "attributes", "events", "links", "status"],
];
const KINDS = [undefined, "internal", "server", "client"] as const;

function spanOf(value: unknown, resource: CollectedSpan["resource"]): CollectedSpan {
  const span = object(value, SPAN_MEMBERS);
  const kind = KINDS[Number(span["kind"])] ?? assert.fail(`kind ${span["kind"]}`);
  const { name, parentSpanId } = span;
  assert.ok(typeof name === "string" && name !== "", "a name");
  const [startNs, endNs] = [nanos(span["startTimeUnixNano"]), nanos(span["endTimeUnixNano"])];
  assert.ok(startNs <= endNs, `${name}: ends before it begins`);
  const { code = 0 } = object(span["status"], ["code", "message"]);
  const events = list(span["events"] ?? []).map((each) => {
    const event = object(each, ["timeUnixNano", "name", "attributes"]);
    const atNs = nanos(event["timeUnixNano"]);
    assert.ok(startNs <= atNs && atNs <= endNs, `${name}: an event outside of it`);
    return String(event["name"]);
  });
  const links = list(span["links"] ?? []).map((each) => {
    const link = object(each, ["traceId", "spanId", "attributes"]);
    attributesOf(link["attributes"]);
    return { traceId: id(link["traceId"], 32), spanId: id(link["spanId"], 16) };
  });
  assert.ok((Number(span["flags"]) & 1) === 1, "a span that is exported is sampled");
  return {
    traceId: id(span["traceId"], 32),
    spanId: id(span["spanId"], 16),
    parentSpanId: parentSpanId === undefined ? null : id(parentSpanId, 16),
    traceState: String(span["traceState"] ?? ""),
    ...{ name, kind, startNs, endNs, events, links, resource },
    attributes: attributesOf(span["attributes"]),
    isError: code === 2,
  };
}

/** A complete trace: exactly one span whose parent is not in it, and each child begins no earlier than its parent. */
function checkedTrace(spans: readonly CollectedSpan[]): readonly CollectedSpan[] {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  assert.equal(byId.size, spans.length, "every span has an id of its own");
  const roots = spans.filter(({ parentSpanId }) => parentSpanId === null || !byId.has(parentSpanId));
  assert.equal(roots.length, 1, `one root, not ${roots.map(({ name }) => name).join(", ")}`);
  for (const span of spans) {
    const parent = span.parentSpanId === null ? undefined : byId.get(span.parentSpanId);
    // Two processes read two clocks, to the millisecond.
    assert.ok(
      parent === undefined || span.startNs >= parent.startNs - 2_000_000n,
      `${span.name} before ${parent?.name}`,
    );
  }
  return spans;
}

function attributesOf(value: unknown): Record<string, string | number | boolean> {
  return Object.fromEntries(
    list(value).map((each) => {
      const { key, value } = object(each, ["key", "value"]);
      assert.ok(typeof key === "string" && key !== "");
      const [[type, held] = []] = Object.entries(
        object(value, ["stringValue", "boolValue", "intValue", "doubleValue"]),
      );
      switch (type) {
        case "stringValue":
          assert.equal(typeof held, "string");
          return [key, held as string];
        case "boolValue":
          assert.equal(typeof held, "boolean");
          return [key, held as boolean];
        // 64-bit numbers are text in the JSON of protocol buffers.
        case "intValue":
          assert.match(String(held), /^-?\d+$/);
          assert.equal(typeof held, "string");
          return [key, Number(held)];
        default:
          assert.equal(typeof held, "number");
          return [key, held as number];
      }
    }),
  );
}

function object(value: unknown, members: readonly string[]): Json {
  assert.ok(typeof value === "object" && value !== null && !Array.isArray(value), `an object with ${members}`);
  for (const member of Object.keys(value)) assert.ok(members.includes(member), `an unknown member ${member}`);
  return value as Json;
}

function list(value: unknown): readonly unknown[] {
  assert.ok(Array.isArray(value), "a list");
  return value;
}

function id(value: unknown, digits: number): string {
  assert.match(String(value), new RegExp(`^(?!0+$)[0-9a-f]{${digits}}$`));
  return String(value);
}

/** A time as text, within a year of now or of the tests' own clock. */
function nanos(value: unknown): bigint {
  assert.equal(typeof value, "string");
  assert.match(String(value), /^\d{19}$/);
  return BigInt(String(value));
}
