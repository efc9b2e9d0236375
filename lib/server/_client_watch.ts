import type { ConnectionContext } from "./_connection_context.ts";
import type { Input } from "./_input.ts";
import type { BodyLink } from "./_request_body.ts";

/** Time for which a request goes on after its client half-closed, before the client counts as gone. */
export const HALF_CLOSE_GRACE_MS = 1_000;

/** Longest wait for the next content of a reply to a half-closed client: most have left, and a silent event source would not notice. */
export const HALF_CLOSED_SILENCE_MS = 5_000;

/** The event that the receiving side of a connection waits for. */
export type Wait = "nothing" | "proxy" | "idle" | "head" | "body" | "reply" | "end" | "tunnel";

/** The part of a connection that a {@linkcode ClientWatch} needs. */
export interface WatchLink {
  writeDueMs: number;
  readonly wait: Wait;
  /** The reply to the request has begun. */
  readonly isReplying: boolean;
  setWait(wait: Wait, dueMs: number): void;
  /** The deadline of the next content for a half-closed client. */
  silenceDue(): number;
  /** The connection broke. */
  onBroken(): void;
  /** The content of the request is wanted. */
  onWanted(): void;
}

/**
 * Watches the client while its request is served: half-close, reset, pipelined requests, and the content that the handler reads. One
 * read stays pending for that while there is space.
 */
export class ClientWatch implements BodyLink {
  readonly input: Input;
  readonly #context: ConnectionContext;
  readonly #link: WatchLink;
  #isOn = false;
  #hasContent = false;
  #awaitsSource = false;

  constructor(input: Input, context: ConnectionContext, link: WatchLink) {
    this.input = input;
    this.#context = context;
    this.#link = link;
  }

  /** Starts while a handler runs, or while the content of its reply is awaited. */
  start(hasContent: boolean): void {
    this.#isOn = true;
    this.#hasContent = hasContent;
    this.input.startAhead();
    if (this.input.isEnded) this.onEnded();
    else this.#read();
  }

  stop(): void {
    this.#isOn = false;
  }

  /**
   * Notes whether the next content of a reply is awaited from its source. Answers whether that wait needs a deadline: a half-closed client
   * may be gone.
   */
  awaitSource(isAwaited: boolean): boolean {
    this.#awaitsSource = isAwaited;
    return isAwaited && this.input.isEnded;
  }

  onArrived(): void {
    // While content arrives, one read ahead is enough: the pooled buffer should be returned.
    if (!this.#hasContent || this.input.isOwn) this.#read();
  }

  onEnded(): void {
    if (this.#awaitsSource) this.#link.writeDueMs = this.#link.silenceDue();
    else if (this.#isOn && !this.#link.isReplying) {
      this.#link.setWait("reply", this.#context.wheel.after(HALF_CLOSE_GRACE_MS));
    }
  }

  onBroken(): void {
    this.#link.onBroken();
  }

  onWanted(): void {
    this.#link.onWanted();
  }

  onLent(): void {
    this.#read();
  }

  awaitBody(dueMs: number): void {
    if (this.#link.wait !== "end") this.#link.setWait(dueMs === Infinity ? "nothing" : "body", dueMs);
  }

  bodyDue(receivedBytes: number, waitedMs: number): number {
    const { limits: { bodyTimeoutMs, bodyBytesPerSecond }, wheel } = this.#context;
    const earnedMs = receivedBytes / bodyBytesPerSecond * 1000 - waitedMs;
    return wheel.after(Math.max(0, bodyTimeoutMs + Math.min(0, earnedMs)));
  }

  nowMs(): number {
    return this.#context.wheel.nowMs;
  }

  /** Reads ahead, up to the limit of pipelined requests. */
  #read(): void {
    if (!this.#isOn) return;
    const { input } = this;
    // Content in use must not be moved.
    if (!this.#hasContent && (input.hasAhead(this.#context.limits.pipeline) || !input.growAhead())) {
      this.#context.counts.pipelineFull++;
      return;
    }
    input.watch(this);
  }
}
