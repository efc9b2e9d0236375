import type { Clock } from "../clock.ts";
import type { Waiting } from "../pool/response_times.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { Phases } from "../request/phases.ts";
import type { BodySource } from "../wire/body_source.ts";

/**
 * The time that an upstream takes for one try, without the time that the client takes to send its content: a slow client must not make
 * its upstream look slow.
 */
export class TryTiming {
  /** The content to be sent, watched; `null` where there is none. */
  readonly body: BodySource | null;
  readonly #upstream: Upstream;
  readonly #clock: Clock;
  readonly #startedAtMs = performance.now();
  readonly #upload: WatchedBody | null;
  #waiting: Waiting | null = null;
  #isOver = false;

  /** Waits for content are the stage `request` of `phases`. */
  constructor(upstream: Upstream, clock: Clock, body: BodySource | null, phases: Phases | null = null) {
    this.#upstream = upstream;
    this.#clock = clock;
    this.#upload = body === null ? null : new WatchedBody(body, phases, () => this.#await());
    this.body = this.#upload;
    if (body === null) this.#await();
  }

  /** Milliseconds since the try began, without those in which the client was waited for. */
  get latencyMs(): number {
    return performance.now() - this.#startedAtMs - (this.#upload?.waitedMs ?? 0);
  }

  /** By `performance.now()`. */
  get startedAtMs(): number {
    return this.#startedAtMs;
  }

  /** Ends the try: it was answered, or has failed. */
  end(): void {
    this.#isOver = true;
    this.#waiting?.settle(this.#clock.now());
  }

  /** The upstream has all that it needs for an answer. */
  #await(): void {
    if (!this.#isOver) this.#waiting ??= this.#upstream.expectAnswer(this.#clock.now());
  }
}

/** Content that measures the time its reader waits for its source. */
class WatchedBody implements BodySource {
  readonly lengthBytes: number | null;
  readonly #body: BodySource;
  readonly #phases: Phases | null;
  readonly #onEnd: () => void;
  #waitedMs = 0;
  /** By `performance.now()`: since when a read is under way; `null` where none is. */
  #readingSinceMs: number | null = null;

  constructor(body: BodySource, phases: Phases | null, onEnd: () => void) {
    this.lengthBytes = body.lengthBytes;
    this.#body = body;
    this.#phases = phases;
    this.#onEnd = onEnd;
  }

  get trailers(): BodySource["trailers"] {
    return this.#body.trailers;
  }

  get waitedMs(): number {
    return this.#waitedMs + (this.#readingSinceMs === null ? 0 : performance.now() - this.#readingSinceMs);
  }

  async read(): Promise<Uint8Array | null> {
    this.#readingSinceMs = performance.now();
    const isWaited = this.#phases?.move("head", "request");
    try {
      const chunk = await this.#body.read();
      if (chunk === null) this.#onEnd();
      // The upstream may have answered meanwhile.
      if (isWaited) this.#phases?.move("request", "head");
      return chunk;
    } finally {
      this.#waitedMs = this.waitedMs;
      this.#readingSinceMs = null;
    }
  }

  cancel(): void {
    this.#body.cancel();
  }
}
