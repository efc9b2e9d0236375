/** The value of an attribute. */
export type AttributeValue = string | number | boolean;

/** A named value, as it is sent. */
export type Attribute = readonly [name: string, value: AttributeValue];

/** The kinds of spans that a gateway has, by their numbers in OTLP. */
export const SPAN_KINDS = { internal: 1, server: 2, client: 3 } as const;

/** One of {@linkcode SPAN_KINDS}. */
export type SpanKind = keyof typeof SPAN_KINDS;

/** Something that happened at a moment. */
export interface SpanEvent {
  readonly name: string;
  readonly atMs: number;
}

/** A span elsewhere that has to do with a span. */
export interface SpanLink {
  readonly traceId: string;
  readonly spanId: string;
  /** Attributes of the link. */
  readonly attributes: readonly Attribute[];
}

/** Longer text is cut: it may come from strangers. */
const MAX_TEXT_LENGTH = 1_024;
/** Attributes, events and links of a span at most; more are dropped. */
const MAX_EACH = 64;
/** Spans of one trace in this process at most; more are not recorded. */
const MAX_SPANS = 128;

/** What all spans of a trace have in common. */
export interface SpanTrace {
  readonly traceId: string;
  readonly isRandom: boolean;
  /** The `tracestate` that came with the trace; often empty. */
  readonly state: string;
  /** Makes an id. */
  readonly nextId: () => string;
  /** Takes a span that has ended. */
  readonly onEnd: (span: Span) => void;
  /** Milliseconds since the Unix epoch, with fractions; never goes back within the trace. */
  readonly now: () => number;
  /** Spans begun so far. */
  begun: number;
}

/** What a span is begun with. */
export interface SpanStart {
  readonly name: string;
  readonly kind: SpanKind;
  /** `null` begins a trace. */
  readonly parentId: string | null;
}

/** One step of a trace: a name, two times and what was found out between them. Handed over once, when it ends. */
export class Span {
  readonly trace: SpanTrace;
  readonly id: string;
  readonly parentId: string | null;
  readonly kind: SpanKind;
  readonly startMs: number;
  /** NaN until it ends. */
  endMs = NaN;
  name: string;
  /** Says that the step failed. */
  isFailed = false;
  readonly attributes: Attribute[] = [];
  readonly events: SpanEvent[] = [];
  readonly links: SpanLink[] = [];

  constructor(trace: SpanTrace, { name, kind, parentId }: SpanStart) {
    trace.begun++;
    this.trace = trace;
    this.id = trace.nextId();
    this.name = name;
    this.kind = kind;
    this.parentId = parentId;
    this.startMs = trace.now();
  }

  /** Begins a step within this one. */
  child(name: string, kind: SpanKind): Span {
    return new Span(this.trace, { name, kind, parentId: this.id });
  }

  /** Notes a fact; `null` and `undefined` note nothing. */
  set(name: string, value: AttributeValue | null | undefined): void {
    if (value === null || value === undefined || this.attributes.length >= MAX_EACH) return;
    const isLong = typeof value === "string" && value.length > MAX_TEXT_LENGTH;
    this.attributes.push([name, isLong ? value.slice(0, MAX_TEXT_LENGTH) : value]);
  }

  /** Notes that something happens now. */
  event(name: string): void {
    if (this.events.length < MAX_EACH) this.events.push({ name, atMs: this.trace.now() });
  }

  /** Names a span elsewhere. */
  link(link: SpanLink): void {
    if (this.links.length < MAX_EACH) this.links.push(link);
  }

  /** Ends it, once; later calls do nothing. */
  end(): void {
    if (!Number.isNaN(this.endMs)) return;
    this.endMs = Math.max(this.startMs, this.trace.now());
    if (this.trace.begun <= MAX_SPANS || this.kind === "server") this.trace.onEnd(this);
  }
}
