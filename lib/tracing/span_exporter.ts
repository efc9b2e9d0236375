import { messageOf } from "../errors.ts";
import { exportRequest, type SpanSource, spanText } from "./otlp_json.ts";
import { type ExportOutcome, sendSpans } from "./send_spans.ts";
import type { Span } from "./span.ts";

/** Where spans go, and how. */
export interface ExportTarget extends SpanSource {
  /** Whole URL of the collector's traces. */
  readonly url: string;
  /** Fields of each request; their values are secrets. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Counters of an exporter, in spans. */
export interface SpanCounts {
  /** Taken by the collector. */
  exported: number;
  /** Dropped since the queue was full. */
  droppedFull: number;
  /** Dropped since the collector did not take them in time, or answered that it never will. */
  droppedFailed: number;
  /** Refused by a collector that took the others of their batch. */
  droppedRejected: number;
}

/** What an exporter takes from outside. */
export interface ExporterOptions {
  readonly target: ExportTarget;
  /** Counted on through reloads. */
  readonly counts: SpanCounts;
  /** Called when the first batch fails, with the reason, and with `null` when one succeeds again. It must not throw. */
  readonly onTrouble: (problem: string | null) => void;
  readonly limits?: Partial<ExporterLimits>;
}

/** Bounds of an exporter. */
export interface ExporterLimits {
  /** Spans that wait at most. */
  readonly queue: number;
  /** Spans of one request at most. */
  readonly batch: number;
  /** Bytes of one request, beyond its first span. */
  readonly batchBytes: number;
  /** How long a span waits for others. */
  readonly delayMs: number;
  /** One try of a request. */
  readonly timeoutMs: number;
  /** Tries of one request. */
  readonly tries: number;
  /** First pause between two tries; it doubles. */
  readonly pauseMs: number;
  /** Longest pause, also where the collector asks for a longer one. */
  readonly maxPauseMs: number;
}

const LIMITS: ExporterLimits = {
  queue: 4_096,
  batch: 512,
  batchBytes: 1024 * 1024,
  delayMs: 2_000,
  timeoutMs: 10_000,
  tries: 5,
  pauseMs: 1_000,
  maxPauseMs: 30_000,
};

/** Counters from zero. */
export function newSpanCounts(): SpanCounts {
  return { exported: 0, droppedFull: 0, droppedFailed: 0, droppedRejected: 0 };
}

/**
 * Sends spans to a collector by OTLP/HTTP in JSON, in batches, one request at a time. All of it happens beside the requests that are
 * served: {@linkcode add} only keeps the span. Where the collector is slow or away, spans are dropped and counted; nothing waits for it.
 */
export class SpanExporter {
  readonly #options: ExporterOptions;
  readonly #limits: ExporterLimits;
  #queue: Span[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The batches that are on their way, one after the other; `null` for none. */
  #sending: Promise<void> | null = null;
  /** Ends the requests that are under way. */
  readonly #ending = new AbortController();
  #isClosed = false;
  #isInTrouble = false;

  constructor(options: ExporterOptions) {
    this.#options = options;
    this.#limits = { ...LIMITS, ...options.limits };
  }

  /** Keeps a span that has ended for the next batch. */
  add(span: Span): void {
    const { queue, batch, delayMs } = this.#limits;
    if (this.#isClosed || this.#queue.length >= queue) {
      this.#options.counts.droppedFull++;
      return;
    }
    this.#queue.push(span);
    if (this.#sending !== null) return;
    if (this.#queue.length >= batch) this.#send();
    else this.#timer ??= setTimeout(() => this.#send(), delayMs);
  }

  /** Sends what waits, at most for `graceMs`; what is left then is dropped. Nothing is taken after that. */
  async close(graceMs: number): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const timer = setTimeout(() => this.#ending.abort(), graceMs);
    try {
      this.#send();
      while (this.#sending !== null) await this.#sending;
    } finally {
      clearTimeout(timer);
      this.#ending.abort();
    }
  }

  #send(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#sending !== null || this.#queue.length === 0) return;
    this.#sending = this.#sendAll().finally(() => {
      this.#sending = null;
      if (this.#queue.length > 0) this.#timer ??= setTimeout(() => this.#send(), this.#limits.delayMs);
    });
  }

  /** Sends full batches as long as there are some; when it closes, the last ones too. */
  async #sendAll(): Promise<void> {
    do {
      const { body, count } = this.#nextBatch();
      await this.#sendBatch(body, count);
    } while (this.#queue.length > 0 && (this.#isClosed || this.#queue.length >= this.#limits.batch));
  }

  async #sendBatch(body: string, count: number): Promise<void> {
    const { target, counts } = this.#options;
    const { timeoutMs, tries, pauseMs, maxPauseMs } = this.#limits;
    let outcome: ExportOutcome;
    try {
      outcome = await sendSpans({
        ...{ url: target.url, headers: target.headers, body, timeoutMs, tries, pauseMs, maxPauseMs },
        signal: this.#ending.signal,
      });
    } catch (error) {
      outcome = { taken: false, problem: messageOf(error) };
    }
    if (!outcome.taken) counts.droppedFailed += count;
    else {
      const rejected = Math.min(count, outcome.rejected);
      counts.droppedRejected += rejected;
      counts.exported += count - rejected;
    }
    this.#tell(outcome.problem);
  }

  /** Takes spans off the queue, as many as one request may hold. */
  #nextBatch(): { readonly body: string; readonly count: number } {
    const { batch, batchBytes } = this.#limits;
    const texts: string[] = [];
    let bytes = 0;
    for (const span of this.#queue) {
      if (texts.length === batch || bytes >= batchBytes) break;
      const text = spanText(span);
      // In UTF-16 units: nearly all of it is ASCII.
      bytes += text.length;
      texts.push(text);
    }
    this.#queue = this.#queue.slice(texts.length);
    return { body: exportRequest(this.#options.target, texts), count: texts.length };
  }

  /** Tells of a change alone. */
  #tell(problem: string | null): void {
    if (problem === null && !this.#isInTrouble) return;
    if (problem !== null && this.#isInTrouble) return;
    this.#isInTrouble = problem !== null;
    this.#options.onTrouble(problem);
  }
}
