import type { Clock } from "../clock.ts";
import { type BodyFraming, bodyFraming } from "./_body_framing.ts";
import { type BodyOwner, openBody } from "./_body_reader.ts";
import type { Connection } from "./_connection.ts";
import { Upload } from "./_request_writer.ts";
import { findHeadEnd, parseResponseHead, protocolFailure, type ResponseHead } from "./_response_head.ts";
import {
  type FailureKind,
  type SendOptions,
  UpstreamFailure,
  type UpstreamRequest,
  type UpstreamResponse,
} from "./transport.ts";

/** Interim responses (RFC 9110 §15.2) before the final one; more are an attack or a fault. */
const MAX_INTERIM_RESPONSES = 16;

/** One request on one connection. */
export interface ExchangeOptions extends SendOptions {
  readonly connection: Connection;
  readonly request: UpstreamRequest;
  /** The request line and field section. */
  readonly head: string;
  readonly clock: Clock;
  /** Takes the connection back after a response that left it usable. */
  readonly release: (connection: Connection, keepAliveMs: number | null) => void;
}

/** Sends one request and reads its response; afterwards the connection is released or closed. */
export class Exchange implements BodyOwner {
  readonly connection: Connection;
  readonly idleMs: number;
  /** Whether a single byte of a response has arrived. */
  hasResponseBytes = false;
  readonly #options: ExchangeOptions;
  #upload: Upload | null = null;
  #framing: BodyFraming | null = null;
  #canWrite = true;
  #isOver = false;

  constructor(options: ExchangeOptions) {
    this.#options = options;
    this.connection = options.connection;
    this.idleMs = options.deadlines.idleMs;
  }

  /** @throws {UpstreamFailure} */
  async run(): Promise<UpstreamResponse> {
    const { signal } = this.#options;
    try {
      if (signal?.aborted) throw this.#aborted();
      signal?.addEventListener("abort", this.#onAbort);
      await this.#sendRequest();
      return this.#respond(await this.#readFinalHead());
    } catch (error) {
      throw this.fail(error);
    }
  }

  complete(): void {
    if (this.#isOver) return;
    this.#end();
    const { connection } = this;
    const isClean = connection.start === connection.end && this.#canWrite && (this.#upload?.isSent ?? true);
    if (isClean && this.#framing?.isPersistent) this.#options.release(connection, this.#framing.keepAliveMs);
    else connection.close();
  }

  fail(error: unknown): UpstreamFailure {
    const failure = this.connection.failureOf(error);
    if (this.#isOver) return failure;
    this.#end();
    this.connection.fail(failure);
    return failure;
  }

  #end(): void {
    this.#isOver = true;
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#upload?.stop();
    this.connection.disarm();
  }

  readonly #onAbort = () => {
    this.fail(this.#aborted());
  };

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

  /** The field section is written before this returns; a body follows while the response is awaited. */
  async #sendRequest(): Promise<void> {
    const { request, head } = this.#options;
    const { connection } = this;
    this.#arm(request.body === null ? "first_byte_timeout" : "idle_timeout");
    try {
      if (request.body !== null) this.#upload = this.#createUpload();
      await connection.writeText(head);
    } catch (error) {
      if (connection.isClosed) throw error;
      // The upstream may have answered before it closed: the read that follows finds out.
      this.#canWrite = false;
      this.#upload?.stop();
      return this.#arm("first_byte_timeout");
    }
    this.#upload?.run();
  }

  #createUpload(): Upload | null {
    const { body } = this.#options.request;
    if (body === null) return null;
    return new Upload({ connection: this.connection, body, arm: (kind) => this.#arm(kind) });
  }

  async #readFinalHead(): Promise<ResponseHead> {
    for (let interim = 0; interim <= MAX_INTERIM_RESPONSES; interim++) {
      const head = await this.#readHead();
      if (head.status === 101) throw protocolFailure("protocol switched without being asked");
      if (head.status >= 200) return head;
    }
    throw protocolFailure(`more than ${MAX_INTERIM_RESPONSES} interim responses`);
  }

  async #readHead(): Promise<ResponseHead> {
    const { connection } = this;
    for (let scannedBytes = 0;;) {
      const { start, end } = connection;
      const headBytes = findHeadEnd(connection.bytes.subarray(start, end), scannedBytes);
      if (headBytes >= 0) {
        connection.start += headBytes;
        return parseResponseHead(connection.latin1(start, connection.start));
      }
      scannedBytes = end - start;
      if (!(await connection.fill())) throw this.#closedEarly();
      this.hasResponseBytes = true;
    }
  }

  #closedEarly(): UpstreamFailure {
    const what = this.hasResponseBytes ? "inside the field section" : "without a response";
    return new UpstreamFailure("reset", `Cannot read the response: connection closed ${what}`, true);
  }

  #respond(head: ResponseHead): UpstreamResponse {
    const receivedAtMs = this.#options.clock.now();
    const framing = bodyFraming(this.#options.request.method, head);
    this.#framing = framing;
    this.connection.disarm();
    // An upstream that refuses, or is about to close, does not want the rest; another may answer while it still reads.
    if (head.status >= 400 || !framing.isPersistent) this.#upload?.stop();
    return { status: head.status, fields: head.fields, body: openBody(this, framing), receivedAtMs };
  }
}
