/** Messages between workers: that a key has been deleted, and that this is done. The ports carry other messages too. */
type NoticeMessage =
  | { readonly type: "forget"; readonly noticeId: number; readonly key: string }
  | { readonly type: "forgotten"; readonly noticeId: number };

/** Options of notices. */
export interface PeerNoticesOptions {
  /** Forgets at the word of another worker; when it returns, that is done here. */
  readonly onForget: (key: string) => void;
  /** How long a worker that does not answer is waited for, in milliseconds. */
  readonly timeoutMs: number;
}

interface Waiting {
  readonly peers: Set<number>;
  readonly promise: Promise<void>;
  readonly done: () => void;
}

/** Tells the other serving workers of deleted keys, and knows when they have forgotten them. */
export class PeerNotices {
  readonly #options: PeerNoticesOptions;
  readonly #ports = new Map<number, MessagePort>();
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;

  constructor(options: PeerNoticesOptions) {
    this.#options = options;
  }

  /** Takes the port to a worker; one that was restarted comes with a new one. Others may listen to the port too. */
  connect(peer: number, port: MessagePort): void {
    this.#ports.set(peer, port);
    // The worker before it took what it had been told to its grave.
    for (const id of [...this.#waiting.keys()]) this.#confirm(peer, id);
    port.addEventListener("message", ({ data }: MessageEvent<NoticeMessage>) => {
      if (data.type === "forgotten") this.#confirm(peer, data.noticeId);
      if (data.type !== "forget") return;
      this.#options.onForget(data.key);
      port.postMessage({ type: "forgotten", noticeId: data.noticeId } satisfies NoticeMessage);
    });
    port.start();
  }

  /** The worker is gone, and what it held in memory with it. */
  disconnect(peer: number): void {
    this.#ports.delete(peer);
    for (const id of [...this.#waiting.keys()]) this.#confirm(peer, id);
  }

  /** Tells every other worker that a key was deleted. */
  forget(key: string): void {
    if (this.#ports.size === 0) return;
    const noticeId = this.#nextId++;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => this.#settle(noticeId), this.#options.timeoutMs);
    const done = () => (clearTimeout(timer), resolve());
    this.#waiting.set(noticeId, { peers: new Set(this.#ports.keys()), promise, done });
    for (const port of this.#ports.values()) {
      port.postMessage({ type: "forget", noticeId, key } satisfies NoticeMessage);
    }
  }

  /** Settles when the others have forgotten all that they were told of so far, or have not answered in time. */
  async settled(): Promise<void> {
    if (this.#waiting.size > 0) await Promise.all([...this.#waiting.values()].map(({ promise }) => promise));
  }

  #confirm(peer: number, noticeId: number): void {
    const waiting = this.#waiting.get(noticeId);
    if (waiting?.peers.delete(peer) && waiting.peers.size === 0) this.#settle(noticeId);
  }

  #settle(noticeId: number): void {
    this.#waiting.get(noticeId)?.done();
    this.#waiting.delete(noticeId);
  }
}
