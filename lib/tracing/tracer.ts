import type { Clock } from "../clock.ts";
import { Span, type SpanTrace } from "./span.ts";
import type { TraceContext } from "./trace_context.ts";
import { hex, RandomWords, standing, standingOf } from "./trace_ids.ts";

/** Which traces are recorded. */
export interface Sampling {
  /** Part of the traces that begin here, 0 to 1. */
  readonly ratio: number;
  /** Whether a trace that is continued is recorded as its sender says; else the ratio decides of it too. */
  readonly isParentBased: boolean;
}

/** What a {@linkcode Tracer} is made of. */
export interface TracerOptions {
  readonly sampling: Sampling;
  readonly clock: Clock;
  /** Takes spans that have ended. It must not throw. */
  readonly onEnd: (span: Span) => void;
}

/** Begins traces, or continues those of others, and decides which of them are recorded. */
export class Tracer {
  readonly #options: TracerOptions;
  readonly #random = new RandomWords();
  readonly #nextId = () => this.#random.spanId();

  constructor(options: TracerOptions) {
    this.#options = options;
  }

  /**
   * Begins the span of a request; `null` where its trace is not recorded, which costs no allocation.
   *
   * @param parent the trace that is continued; `null` begins one
   */
  begin(parent: TraceContext | null): Span | null {
    const { ratio, isParentBased } = this.#options.sampling;
    if (parent !== null) {
      const isRecorded = isParentBased ? parent.isSampled : isWithin(standingOf(parent.traceId), ratio);
      return isRecorded ? this.#root(parent.traceId, parent) : null;
    }
    const random = this.#random;
    const [third, fourth] = [random.next(), random.next()];
    if (!isWithin(standing(third, fourth), ratio)) return null;
    const id = hex(random.next()) + hex(random.next()) + hex(third) + hex(fourth);
    return this.#root(NONE.test(id) ? id.replace(/0$/, "1") : id, null);
  }

  /** The context of a request whose trace is not recorded, as the next system is told: it should not record it either. */
  unrecorded(parent: TraceContext | null): TraceContext {
    const spanId = this.#random.spanId();
    if (parent !== null) return { ...parent, spanId, isSampled: false };
    return {
      traceId: this.#random.spanId() + this.#random.spanId(),
      spanId,
      isSampled: false,
      isRandom: true,
      state: "",
    };
  }

  #root(traceId: string, parent: TraceContext | null): Span {
    const { clock, onEnd } = this.#options;
    // By one look at the clock and the monotonic time from then on: no span ends before it began.
    const offsetMs = clock.now() - performance.now();
    const trace: SpanTrace = {
      traceId,
      isRandom: parent?.isRandom ?? true,
      state: parent?.state ?? "",
      nextId: this.#nextId,
      onEnd,
      now: () => offsetMs + performance.now(),
      begun: 0,
    };
    return new Span(trace, { name: "", kind: "server", parentId: parent?.spanId ?? null });
  }
}

const NONE = /^0+$/;

/** The part that a ratio takes lies at the upper end, as OpenTelemetry's rejection threshold has it. */
function isWithin(place: number, ratio: number): boolean {
  return place >= 1 - ratio;
}
