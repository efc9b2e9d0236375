/** Where slow clients connect. */
export interface SlowTarget {
  readonly port: number;
  readonly tlsPort: number;
  /** Targets of a small response, and of one that no socket's buffers hold. */
  readonly small: string;
  readonly large: string;
}

/** A client that is slow in its own way. */
export interface SlowKind {
  readonly what: string;
  /** What ends it, a key of `server.limits`. */
  readonly limit: "idle_timeout" | "head_timeout" | "body_timeout" | "send_timeout" | "handshake_timeout";
  readonly isTls?: boolean;
  /** What it sends at once. */
  readonly sends: (target: SlowTarget) => string | Uint8Array;
  /** What it sends each second after that. */
  readonly drips?: string;
  /** Takes nothing of what it is sent. */
  readonly isDeaf?: boolean;
  /** It wants an upstream, and may be answered 503 where there are too many. */
  readonly isRefusable?: boolean;
  /** Its time begins when it was answered. */
  readonly isAnswered?: boolean;
}

const head = (path: string, more = "") => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${more}\r\n`;
/** The beginning of a TLS record with a `ClientHello`, whose rest never comes. */
const HALF_HELLO = new Uint8Array([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]);

/** Every way of holding a connection without use. */
export const SLOW_KINDS: readonly SlowKind[] = [
  { what: "silent", limit: "idle_timeout", sends: () => "" },
  { what: "idle after a request", limit: "idle_timeout", sends: ({ small }) => head(small), isAnswered: true },
  { what: "takes nothing of its response", limit: "send_timeout", sends: ({ large }) => head(large), isDeaf: true },
  {
    what: "upload that stalls",
    limit: "body_timeout",
    isRefusable: true,
    sends: ({ small }) =>
      `POST ${small} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n${"x".repeat(512)}`,
  },
  { what: "half a head", limit: "head_timeout", sends: ({ small }) => head(small).slice(0, -20) },
  {
    what: "head in drips, a byte a second",
    limit: "head_timeout",
    sends: ({ small }) => head(small).slice(0, -2) + "X-Drip: ",
    drips: "x",
  },
  { what: "half a TLS handshake", limit: "handshake_timeout", isTls: true, sends: () => HALF_HELLO },
];

/** One connection. */
export interface SlowClient {
  readonly connection: Deno.TcpConn;
  /** When the time of its limit began; 0 before that. */
  sinceMs: number;
  /** When the gateway closed it. */
  closedMs: number | null;
}

/** Clients of one kind, open until the gateway closes them. */
export class SlowClients implements Disposable {
  readonly kind: SlowKind;
  readonly clients: SlowClient[] = [];
  readonly #target: SlowTarget;
  #drip: ReturnType<typeof setInterval> | undefined;

  constructor(kind: SlowKind, target: SlowTarget) {
    this.kind = kind;
    this.#target = target;
  }

  /** Those that the gateway has not closed, as far as they notice. */
  get open(): number {
    return this.clients.filter(({ closedMs }) => closedMs === null).length;
  }

  /** Opens so many, some at a time: more would wait in the server's queue. @throws {Error} where the system allows fewer */
  async connect(count: number): Promise<void> {
    const bytes = asBytes(this.kind.sends(this.#target));
    while (this.clients.length < count) {
      const some = Math.min(64, count - this.clients.length);
      await Promise.all(Array.from({ length: some }, () => this.#connectOne(bytes)));
    }
    const { drips } = this.kind;
    if (drips !== undefined) this.#drip = setInterval(() => this.#dripAll(asBytes(drips)), 1000);
  }

  /** Has those read that took nothing until now: one that was closed finds its end behind what the system held. */
  listen(): void {
    if (this.kind.isDeaf === true) { for (const client of this.clients) void this.#watch(client); }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#drip);
    for (const { connection, closedMs } of this.clients) if (closedMs === null) connection.close();
  }

  async #connectOne(bytes: Uint8Array): Promise<void> {
    const port = this.kind.isTls === true ? this.#target.tlsPort : this.#target.port;
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    const client: SlowClient = { connection, sinceMs: 0, closedMs: null };
    this.clients.push(client);
    for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
    if (this.kind.isAnswered !== true) client.sinceMs = performance.now();
    if (this.kind.isDeaf !== true) void this.#watch(client);
  }

  #dripAll(bytes: Uint8Array): void {
    for (const { connection, closedMs } of this.clients) {
      // It was closed meanwhile.
      if (closedMs === null) connection.write(bytes).catch(() => {});
    }
  }

  /** Reads until the gateway closes the connection. What comes starts the time of one that is kept. */
  async #watch(client: SlowClient): Promise<void> {
    const buffer = new Uint8Array(this.kind.isDeaf === true ? 64 * 1024 : 1024);
    try {
      while (await client.connection.read(buffer) !== null) {
        if (client.sinceMs === 0) client.sinceMs = performance.now();
      }
    } catch (error) {
      // The end of the test.
      if (error instanceof Deno.errors.Interrupted || error instanceof Deno.errors.BadResource) return;
    }
    client.closedMs = performance.now();
    client.connection.close();
  }
}

function asBytes(given: string | Uint8Array): Uint8Array {
  return typeof given === "string" ? new TextEncoder().encode(given) : given;
}
