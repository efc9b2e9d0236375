import type { RedisClient } from "./_redis_client.ts";

/** Whom a subscriber tells. */
export interface SubscriberOptions {
  /** {@linkcode Subscriber.isHearing} has changed. */
  readonly onChange: () => void;
  readonly onProblem: (error: Error) => void;
}

type Hear = (message: Uint8Array<ArrayBuffer>) => void;

/** A connection that only listens says nothing when it is dead: it is asked for a sign of life so often. */
const PING_EVERY_MS = 1_000;

/** The connection for messages of channels, which can do nothing else (RESP2). It is made for the first channel, and again after each loss. */
export class Subscriber {
  readonly #options: SubscriberOptions;
  readonly #channels = new Map<string, Set<Hear>>();
  #newClient: (() => RedisClient) | null = null;
  #client: RedisClient | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;
  #isReady = false;
  /** Channels that the engine has confirmed on this connection. */
  readonly #confirmed = new Set<string>();

  constructor(options: SubscriberOptions) {
    this.#options = options;
  }

  /** Whether all messages of the subscribed channels come in. */
  get isHearing(): boolean {
    return this.#isReady && [...this.#channels.keys()].every((channel) => this.#confirmed.has(channel));
  }

  /** Clients can be made from now on. */
  attach(newClient: () => RedisClient): void {
    this.#newClient = newClient;
    if (this.#channels.size > 0) this.#begin();
  }

  /** @returns what ends it */
  subscribe(channel: string, hear: Hear): () => void {
    const hearers = this.#channels.get(channel);
    if (hearers !== undefined) hearers.add(hear);
    else {
      this.#channels.set(channel, new Set([hear]));
      if (this.#client === null) this.#begin();
      else if (this.#isReady) this.#ask(this.#client, channel);
    }
    return () => this.#leave(channel, hear);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#channels.clear();
    this.#newClient = null;
    this.#client?.disconnect();
    this.#client = null;
    this.#isReady = false;
  }

  #begin(): void {
    if (this.#newClient === null || this.#client !== null) return;
    const client = this.#client = this.#newClient();
    client.on("ready", () => {
      this.#isReady = true;
      for (const channel of this.#channels.keys()) this.#ask(client, channel);
    });
    client.on("close", () => {
      this.#isReady = false;
      this.#confirmed.clear();
      this.#options.onChange();
    });
    client.on("error", this.#options.onProblem);
    client.on("messageBuffer", (channel, message) => {
      const bytes = new Uint8Array(message.buffer as ArrayBuffer, message.byteOffset, message.byteLength);
      for (const hear of this.#channels.get(channel.toString()) ?? []) hear(bytes);
    });
    client.connect().catch(() => {});
    this.#timer = setInterval(() => {
      // That no reply comes is what the client's socket timeout goes by.
      if (this.#isReady) client.callBuffer("PING").catch(() => {});
    }, PING_EVERY_MS);
  }

  #ask(client: RedisClient, channel: string): void {
    client.subscribe(channel).then(() => {
      if (client !== this.#client || !this.#channels.has(channel)) return;
      this.#confirmed.add(channel);
      this.#options.onChange();
    }, (error: Error) => {
      // Lost connections are asked again by `ready`; a refusal stays one.
      if (this.#isReady) this.#options.onProblem(error);
    });
  }

  #leave(channel: string, hear: Hear): void {
    const hearers = this.#channels.get(channel);
    if (hearers === undefined || !hearers.delete(hear) || hearers.size > 0) return;
    this.#channels.delete(channel);
    this.#confirmed.delete(channel);
    if (this.#isReady) this.#client?.unsubscribe(channel).catch(() => {});
  }
}
