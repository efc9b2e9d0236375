/**
 * Where a request is: with the gateway itself, waiting for content of the client (`request`), for a place, a key, an upstream with room,
 * the end of a pause or another request's fetch (`queue`), for a connection to an upstream (`connect`), for the upstream's field section
 * (`head`), for more of its content (`body`), or for the client to take the response (`send`).
 */
export type Stage = "own" | "request" | "queue" | "connect" | "head" | "body" | "send";

/** Where the time of a request went, in milliseconds. The rest of its time went to the gateway itself. */
export interface PhaseTimes {
  /** Waits for a place, a key, an upstream with room, another request's fetch, and the pauses between tries. */
  readonly queueMs: number;
  /** Until connections to upstreams were there, all tries together. */
  readonly connectMs: number;
  /** From there to the field sections of responses, all tries together. */
  readonly firstByteMs: number;
  /** All that upstreams took: connections, field sections and content. */
  readonly upstreamMs: number;
  /** Waits for the client, to send its content and to take the response. */
  readonly clientMs: number;
}

/** The times of a request that nothing was waited for. */
export const NO_WAIT: PhaseTimes = { queueMs: 0, connectMs: 0, firstByteMs: 0, upstreamMs: 0, clientMs: 0 };

/** The stages of one request in turn, and the time that each took. Made when a request first waits for something: a hit has none. */
export class Phases {
  readonly #spentMs: Record<Stage, number> = { own: 0, request: 0, queue: 0, connect: 0, head: 0, body: 0, send: 0 };
  #stage: Stage = "own";
  #sinceMs = performance.now();

  /** The stage that the request is in. */
  get stage(): Stage {
    return this.#stage;
  }

  /** Enters a stage; the result is the one before. */
  enter(stage: Stage): Stage {
    const before = this.#stage;
    const nowMs = performance.now();
    this.#spentMs[before] += nowMs - this.#sinceMs;
    this.#sinceMs = nowMs;
    this.#stage = stage;
    return before;
  }

  /** Enters a stage from this other one alone; answers whether the request was in that. */
  move(from: Stage, to: Stage): boolean {
    if (this.#stage !== from) return false;
    this.enter(to);
    return true;
  }

  /** The times up to now. */
  times(): PhaseTimes {
    this.enter(this.#stage);
    const { request, queue, connect, head, body, send } = this.#spentMs;
    return {
      queueMs: queue,
      connectMs: connect,
      firstByteMs: head,
      upstreamMs: connect + head + body,
      clientMs: request + send,
    };
  }
}
