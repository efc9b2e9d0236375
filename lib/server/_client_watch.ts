import type { ConnectionContext } from "./_connection_context.ts";
import type { Input } from "./_input.ts";
import type { BodyLink } from "./_request_body.ts";

/** A client that has ended its direction may still read: its request goes on for so long before it counts as gone. */
export const HALF_CLOSE_GRACE_MS = 1_000;

/**
 * Once its reply has begun, the next content is waited for so long: most clients that end their direction have left, and a source that is
 * silent, as of events, would not find out.
 */
export const HALF_CLOSED_SILENCE_MS = 5_000;

/** What the receiving side of a connection waits for. */
export type Wait = "nothing" | "proxy" | "idle" | "head" | "body" | "reply" | "end" | "tunnel";

/** What a watch needs of its connection. */
export interface WatchLink {
  writeDueMs: number;
  readonly wait: Wait;
  /** The reply to the request has begun. */
  readonly isReplying: boolean;
  setWait(wait: Wait, dueMs: number): void;
  /** The deadline of the next content for a client that has ended its direction. */
  silenceDue(): number;
  /** The connection broke. */
  onBroken(): void;
  /** The content of the request is wanted. */
  onWanted(): void;
}

/**
 * Sees to what a client does while its request is served: its end, its reset, requests ahead of their turn, content that is read by the
 * handler. One read stays open for that wherever there is room.
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

  /** A handler is at work, or the content of its reply is awaited. */
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
   * The next content of a reply comes from its source, or has come. Answers whether that wait needs a limit: a client that has ended its
   * direction may have gone, and is not waited for without end.
   */
  awaitSource(isAwaited: boolean): boolean {
    this.#awaitsSource = isAwaited;
    return isAwaited && this.input.isEnded;
  }

  onArrived(): void {
    // With content under way one read ahead of its reader is enough: the pooled memory that it uses is to be given back.
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

  /** Reads on, up to as many requests as may wait. */
  #read(): void {
    if (!this.#isOn) return;
    const { input } = this;
    // Beside content nothing may be moved: a part of it is in use.
    if (!this.#hasContent && (input.hasAhead(this.#context.limits.pipeline) || !input.growAhead())) {
      this.#context.counts.pipelineFull++;
      return;
    }
    input.watch(this);
  }
}
