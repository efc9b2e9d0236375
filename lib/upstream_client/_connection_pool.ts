import type { Deadlines, Expirable } from "../wire/deadlines.ts";
import { Connection } from "./_connection.ts";
import type { Socket } from "./_socket.ts";
import { UpstreamFailure } from "./transport.ts";

/** Margin before the upstream's own idle timeout, which may end just as a request arrives. */
const KEEP_ALIVE_MARGIN_MS = 500;

/** Options of a {@linkcode ConnectionPool}. */
export interface ConnectionPoolOptions {
  /** Opens a socket. Rejects with an `UpstreamFailure`, and soon after `signal` has aborted. */
  readonly open: (signal: AbortSignal) => Promise<Socket>;
  /** Host and port, for messages. */
  readonly authority: string;
  readonly deadlines: Deadlines;
  /** Open and opening connections together. */
  readonly maxConnections: number;
  readonly maxIdle: number;
  /** Requests that may wait for a connection. */
  readonly maxWaiting: number;
  /** Idle time after which a connection is closed. */
  readonly idleTimeoutMs: number;
  /** Older connections are closed as they are released. */
  readonly maxAgeMs: number;
}

/** One request for a connection. */
export interface AcquireOptions {
  readonly connectMs: number;
  readonly signal?: AbortSignal;
  /** A new connection, never an idle one. */
  readonly isFresh: boolean;
}

/** The wait of one request: first for a free place, then for the connection to open. */
class Acquisition implements Expirable {
  deadlineMs = Infinity;
  isSettled = false;
  /** A connection is being opened for it; until then it waits for a place, which is no fault of the upstream. */
  isOpening = false;
  readonly #opening = new AbortController();
  readonly #result = Promise.withResolvers<Connection>();

  constructor(readonly authority: string, readonly options: AcquireOptions, readonly onSettled: () => void) {
    options.signal?.addEventListener("abort", this.#onAbort);
  }

  get connection(): Promise<Connection> {
    return this.#result.promise;
  }

  get openingSignal(): AbortSignal {
    return this.#opening.signal;
  }

  succeed(connection: Connection): void {
    this.#settle();
    this.#result.resolve(connection);
  }

  fail(failure: UpstreamFailure): void {
    if (this.isSettled) return;
    this.#settle();
    this.#result.reject(failure);
    this.#opening.abort();
  }

  expire(): void {
    const within = `within ${this.options.connectMs} ms`;
    this.fail(
      this.isOpening
        ? new UpstreamFailure("connect_timeout", `Cannot connect to ${this.authority}: no connection ${within}`, false)
        : new UpstreamFailure("crowded", `No connection to ${this.authority} was given back ${within}`, false),
    );
  }

  #settle(): void {
    this.isSettled = true;
    this.options.signal?.removeEventListener("abort", this.#onAbort);
    this.onSettled();
  }

  readonly #onAbort = () => {
    this.fail(new UpstreamFailure("aborted", "Request aborted", false, { cause: this.options.signal?.reason }));
  };
}

/**
 * Connections to one upstream. The one used last is reused first, so that surplus ones age; requests without one wait in order.
 */
export class ConnectionPool {
  readonly #options: ConnectionPoolOptions;
  readonly #open = new Set<Connection>();
  readonly #idle: Connection[] = [];
  readonly #waiting: Acquisition[] = [];
  #openingCount = 0;
  #keepsIdle = true;

  constructor(options: ConnectionPoolOptions) {
    this.#options = options;
  }

  get openCount(): number {
    return this.#open.size;
  }

  get idleCount(): number {
    return this.#idle.length;
  }

  /** Takes the idle connection used last, if any. */
  takeIdle(): Connection | undefined {
    const connection = this.#idle.pop();
    connection?.unpark();
    return connection;
  }

  /**
   * Takes a connection: an idle one, a new one, or one that another request releases.
   *
   * @throws {UpstreamFailure} as opening does; `connect_timeout`, `aborted`, or `crowded` where none is free in time, or too many wait already
   */
  acquire(options: AcquireOptions): Promise<Connection> {
    const idle = options.isFresh ? undefined : this.takeIdle();
    if (idle !== undefined) return Promise.resolve(idle);
    if (!this.#hasPlace()) this.#idle[0]?.close();
    if (!this.#hasPlace() && this.#waiting.length >= this.#options.maxWaiting) return Promise.reject(this.#crowded());
    const acquisition = this.#createAcquisition(options);
    if (this.#hasPlace()) this.#openFor(acquisition);
    else this.#waiting.push(acquisition);
    return acquisition.connection;
  }

  /** Releases a connection whose response has been read to its end. */
  release(connection: Connection, keepAliveMs: number | null): void {
    connection.isReused = true;
    connection.requestSent = false;
    if (connection.ageMs >= this.#options.maxAgeMs) return connection.close();
    const next = this.#waiting[0];
    if (next !== undefined) return next.succeed(connection);
    const idleMs = this.#idleMs(keepAliveMs);
    if (!this.#keepsIdle || idleMs <= 0 || this.#options.maxIdle === 0) return connection.close();
    if (this.#idle.length >= this.#options.maxIdle) this.#idle[0]?.close();
    this.#idle.push(connection);
    connection.park(idleMs);
  }

  /** Closes idle connections; the others close as their responses end, or go to requests that wait already. */
  close(): void {
    this.#keepsIdle = false;
    for (const connection of this.#idle.slice()) connection.close();
  }

  #idleMs(keepAliveMs: number | null): number {
    const { idleTimeoutMs } = this.#options;
    return keepAliveMs === null ? idleTimeoutMs : Math.min(idleTimeoutMs, keepAliveMs - KEEP_ALIVE_MARGIN_MS);
  }

  #hasPlace(): boolean {
    return this.#open.size + this.#openingCount < this.#options.maxConnections;
  }

  #crowded(): UpstreamFailure {
    const { authority, maxWaiting } = this.#options;
    const message = `Cannot connect to ${authority}: ${maxWaiting} requests wait for a connection already`;
    return new UpstreamFailure("crowded", message, false);
  }

  #createAcquisition(options: AcquireOptions): Acquisition {
    const acquisition: Acquisition = new Acquisition(this.#options.authority, options, () => {
      this.#options.deadlines.remove(acquisition);
      const place = this.#waiting.indexOf(acquisition);
      if (place >= 0) this.#waiting.splice(place, 1);
    });
    this.#options.deadlines.arm(acquisition, options.connectMs);
    return acquisition;
  }

  async #openFor(acquisition: Acquisition): Promise<void> {
    this.#openingCount++;
    acquisition.isOpening = true;
    try {
      const socket = await this.#options.open(acquisition.openingSignal);
      this.#openingCount--;
      if (acquisition.isSettled) socket.close();
      else acquisition.succeed(this.#createConnection(socket));
    } catch (error) {
      this.#openingCount--;
      acquisition.fail(error as UpstreamFailure);
    }
    this.#serveWaiting();
  }

  #createConnection(socket: Socket): Connection {
    const { authority, deadlines } = this.#options;
    const connection = new Connection({ socket, authority, deadlines, onClose: (closed) => this.#forget(closed) });
    this.#open.add(connection);
    return connection;
  }

  #forget(connection: Connection): void {
    this.#open.delete(connection);
    const place = this.#idle.indexOf(connection);
    if (place >= 0) this.#idle.splice(place, 1);
    this.#serveWaiting();
  }

  /** A place is free: the request that has waited longest opens a connection. */
  #serveWaiting(): void {
    while (this.#waiting.length > 0 && this.#hasPlace()) {
      const next = this.#waiting.shift();
      if (next !== undefined) this.#openFor(next);
    }
  }
}
