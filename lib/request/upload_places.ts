/** Connections to upstreams that one client's uploads may hold, as a part of those that a pool may have in this worker. */
const SHARE = 1 / 4;
const LEAST = 4;

/**
 * Uploads that are under way at a pool's upstreams, by client: one that sends slowly holds a connection for as long as it likes within
 * `body_rate`, so each may have a part of them only. Clients of this machine are not told apart, and not counted.
 */
export class UploadPlaces {
  readonly #held = new Map<string, number>();
  readonly #limit: number;

  /** `connections` is what the pool's upstreams may have open together. */
  constructor(connections: number) {
    this.#limit = Math.max(LEAST, Math.floor(connections * SHARE));
  }

  /** Takes a place for a client's upload; the result gives it back, once. `null` where the client has as many as it may. */
  take(client: string): (() => void) | null {
    if (isThisMachine(client)) return () => {};
    const held = this.#held.get(client) ?? 0;
    if (held >= this.#limit) return null;
    this.#held.set(client, held + 1);
    let isHeld = true;
    return () => {
      if (isHeld) this.#giveBack(client);
      isHeld = false;
    };
  }

  #giveBack(client: string): void {
    const held = this.#held.get(client)! - 1;
    if (held === 0) this.#held.delete(client);
    else this.#held.set(client, held);
  }
}

function isThisMachine(client: string): boolean {
  return client.startsWith("127.") || client === "::1" || client.startsWith("::ffff:127.") || !/[.:]/.test(client);
}
