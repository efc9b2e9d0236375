import type { Clock } from "../clock.ts";
import { fieldValue } from "../http/fields.ts";
import { type ResponseFraming, responseFraming, type ResponseHead } from "../wire/response_head.ts";
import { type BodyOwner, openBody } from "./_body_reader.ts";
import { type Connection, protocolFailure } from "./_connection.ts";
import type { ConnectionPool } from "./_connection_pool.ts";
import { Tunnel } from "./_tunnel.ts";
import { Upload } from "./_upload.ts";
import {
  type FailureKind,
  type SendOptions,
  UpstreamFailure,
  type UpstreamRequest,
  type UpstreamResponse,
} from "./transport.ts";

/** Interim responses (RFC 9110 §15.2) before the final one; more are an attack or a fault. */
const MAX_INTERIM_RESPONSES = 16;

/** What all exchanges of a transport have in common. */
export interface ExchangeHome {
  readonly clock: Clock;
  /** Takes connections back after a response that left them usable. */
  readonly pool: Pick<ConnectionPool, "release">;
}

/** Sends one request and reads its response; afterwards the connection is released or closed. */
export class Exchange implements BodyOwner {
  readonly connection: Connection;
  readonly idleMs: number;
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
      this.#upload = new Upload({ connection: this.connection, body, arm: (kind) => this.#arm(kind) });
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

  /** Until the field section is there; from then on the reader of the body sets the deadlines. */
  #arm(kind: FailureKind): void {
    if (this.#isOver || this.#framing !== null) return;
    const { firstByteMs, idleMs } = this.#options.deadlines;
    this.connection.arm(kind, kind === "first_byte_timeout" ? firstByteMs : idleMs);
  }

  /** The upstream may have answered before it closed: the read that follows finds out. */
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
    // An upstream that refuses, or is about to close, does not want the rest; another may answer while it still reads.
    if (status >= 400 || !framing.isPersistent) this.#upload?.stop();
    return { status, fields, body: openBody(this, framing), receivedAtMs };
  }

  /** From here on the connection is its taker's: no deadline and no signal ends it any more. */
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
