import type { Clock } from "../clock.ts";
import { fieldValue } from "../http/fields.ts";
import type { ByteStream } from "../wire/byte_stream.ts";
import { type ResponseFraming, responseFraming, type ResponseHead } from "../wire/response_head.ts";
import { type BodyOwner, openBody } from "./_body_reader.ts";
import { type Connection, protocolFailure } from "./_connection.ts";
import type { ConnectionPool } from "./_connection_pool.ts";
import { Upload } from "./_upload.ts";
import {
  type ContentMeter,
  type FailureKind,
  type SendOptions,
  type UpstreamBody,
  UpstreamFailure,
  type UpstreamRequest,
  type UpstreamResponse,
} from "./transport.ts";

/** Interim responses (RFC 9110 §15.2) before the final one; more are an attack or a fault. */
const MAX_INTERIM_RESPONSES = 16;

/** State that the exchanges of a transport share. */
export interface ExchangeHome {
  readonly clock: Clock;
  /** Takes back reusable connections. */
  readonly pool: Pick<ConnectionPool, "release">;
}

/** Sends one request and reads its response; afterwards the connection is released or closed. */
export class Exchange implements BodyOwner {
  readonly connection: Connection;
  readonly idleMs: number;
  readonly meter: ContentMeter | undefined;
  readonly lane: string;
  /** Whether a single byte of a response has arrived. */
  hasResponseBytes = false;
  readonly #home: ExchangeHome;
  readonly #request: UpstreamRequest;
  readonly #options: SendOptions;
  #upload: Upload | null = null;
  #framing: ResponseFraming | null = null;
  #onAbort: (() => void) | null = null;
  #canWrite = true;
  #isOver = false;

  constructor(home: ExchangeHome, connection: Connection, request: UpstreamRequest, options: SendOptions) {
    this.#home = home;
    this.connection = connection;
    this.#request = request;
    this.#options = options;
    this.idleMs = options.deadlines.idleMs;
    this.meter = options.meter;
    this.lane = options.lane ?? "";
  }

  /**
   * Writes `head`, the request line and field section, and reads the response's; the request's body goes out meanwhile.
   *
   * @throws {UpstreamFailure}
   */
  async run(head: string): Promise<UpstreamResponse> {
    const { connection } = this;
    try {
      this.#begin();
      this.#options.onConnection?.();
      try {
        await connection.writeText(head);
        this.#upload?.run();
      } catch (error) {
        if (connection.isClosed) throw error;
        this.#cannotWrite();
      }
      for (let interim = 0; interim <= MAX_INTERIM_RESPONSES;) {
        const found = connection.takeHead();
        if (found === null) {
          if (!(await connection.fill())) throw this.#closedEarly();
          this.hasResponseBytes = true;
        } else if (found.status >= 200) {
          return this.#respond(found);
        } else if (found.status === 101) {
          return this.#switch(found);
        } else {
          interim++;
          if (found.status !== 100) this.#options.onInterim?.(found.status, found.fields);
        }
      }
      throw protocolFailure(`more than ${MAX_INTERIM_RESPONSES} interim responses`);
    } catch (error) {
      throw this.fail(error);
    }
  }

  complete(isClean: boolean): void {
    if (this.#isOver) return;
    this.#end();
    const { connection } = this;
    const isUsable = isClean && connection.start === connection.end && this.#canWrite &&
      (this.#upload?.isSent ?? true) && this.#framing !== null && this.#framing.isPersistent;
    if (isUsable) this.#home.pool.release(connection, this.#framing!.keepAliveMs);
    else connection.close();
  }

  fail(error: unknown): UpstreamFailure {
    const failure = this.connection.failureOf(error);
    if (this.#isOver) return failure;
    this.#end();
    this.connection.fail(failure);
    return failure;
  }

  #begin(): void {
    const { signal } = this.#options;
    if (signal !== undefined) {
      if (signal.aborted) throw this.#aborted();
      this.#onAbort = () => void this.fail(this.#aborted());
      signal.addEventListener("abort", this.#onAbort);
    }
    const { body } = this.#request;
    this.#arm(body === null ? "first_byte_timeout" : "idle_timeout");
    if (body !== null) {
      const { connection, lane } = this;
      this.#upload = new Upload({ connection, body, lane, arm: (kind) => this.#arm(kind) });
    }
  }

  #end(): void {
    this.#isOver = true;
    if (this.#onAbort !== null) this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#upload?.stop();
    this.connection.disarm();
  }

  #aborted(): UpstreamFailure {
    const cause = this.#options.signal?.reason;
    return new UpstreamFailure("aborted", "Request aborted", this.connection.requestSent, { cause });
  }

  /** Sets a deadline until the field section has come; later the reader of the body sets them. */
  #arm(kind: FailureKind): void {
    if (this.#isOver || this.#framing !== null) return;
    const { firstByteMs, idleMs } = this.#options.deadlines;
    this.connection.arm(kind, kind === "first_byte_timeout" ? firstByteMs : idleMs);
  }

  /** The upstream may have answered before it closed: the next read shows it. */
  #cannotWrite(): void {
    this.#canWrite = false;
    this.#upload?.stop();
    this.#arm("first_byte_timeout");
  }

  #closedEarly(): UpstreamFailure {
    const what = this.hasResponseBytes ? "inside the field section" : "without a response";
    return new UpstreamFailure("reset", `Cannot read the response: connection closed ${what}`, true);
  }

  #respond(head: ResponseHead): UpstreamResponse {
    const receivedAtMs = this.#home.clock.now();
    const { status, fields } = head;
    const framing = responseFraming(this.#request.method, head);
    this.#framing = framing;
    this.connection.disarm();
    // An upstream that refuses or is about to close does not want the rest of the body; others may answer while they still read.
    if (status >= 400 || !framing.isPersistent) this.#upload?.stop();
    return { status, fields, body: openBody(this, framing), receivedAtMs };
  }

  /** The tunnel's user owns the connection from here on: no deadline and no signal ends it. */
  #switch({ status, minor, fields }: ResponseHead): UpstreamResponse {
    const { upgrade } = this.#options;
    const agreed = fieldValue(fields, "upgrade")?.toLowerCase();
    if (upgrade === undefined || agreed !== upgrade.toLowerCase() || minor === 0) {
      throw protocolFailure("protocol switched without being asked");
    }
    this.#end();
    const tunnel = new Tunnel(this.connection);
    return { status, fields, body: tunnel.body, tunnel, receivedAtMs: this.#home.clock.now() };
  }
}

/** A connection after a switch of protocols, from the first byte behind the 101 response on (RFC 9110 §15.2.2). */
export class Tunnel implements ByteStream {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  read(target: Uint8Array): Promise<number | null> {
    const { bytes, start, end, socket, isClosed } = this.#connection;
    if (start === end || isClosed) return socket.read(target);
    const count = Math.min(target.length, end - start);
    target.set(bytes.subarray(start, start + count));
    this.#connection.start += count;
    return Promise.resolve(count);
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#connection.socket.write(bytes);
  }

  closeWrite(): Promise<void> {
    return this.#connection.socket.closeWrite();
  }

  close(): void {
    this.#connection.close();
  }

  /** An empty body: a 101 response has no content. Cancelling it closes the tunnel. */
  get body(): UpstreamBody {
    return {
      lengthBytes: 0,
      read: () => Promise.resolve(null),
      readAll: () => Promise.resolve(new Uint8Array(0)),
      cancel: () => this.close(),
    };
  }
}
