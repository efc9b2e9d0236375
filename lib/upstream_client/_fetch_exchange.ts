import type { Clock } from "../clock.ts";
import type { Fields } from "../http/fields.ts";
import type { BodySource } from "../wire/body_source.ts";
import { loopTurns } from "../wire/loop_turns.ts";
import {
  type ContentMeter,
  type FailureKind,
  type SendOptions,
  type UpstreamBody,
  UpstreamFailure,
  type UpstreamRequest,
  type UpstreamResponse,
} from "./transport.ts";

/** One request by `fetch`. */
export interface FetchExchangeOptions extends SendOptions {
  readonly client: Deno.HttpClient;
  readonly url: string;
  /** Host and port, for messages. */
  readonly authority: string;
  readonly request: UpstreamRequest;
  readonly clock: Clock;
  /** Called once, when the exchange is over. */
  readonly onEnd: () => void;
}

/** The failure for an error of `fetch`. Its message holds the URL, which may hold a key: only its beginning is used. */
function meaningOf(error: unknown): { kind: FailureKind; what: string; requestSent: boolean } {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : "";
  const text = error instanceof Error ? `${error.message} ${cause}` : "";
  if (!text.includes("client error (Connect)")) return { kind: "reset", what: "connection reset", requestSent: true };
  if (text.includes("dns error")) return { kind: "resolve", what: "name not resolved", requestSent: false };
  const isTls = /certificate|handshake|alert|tls/i.test(text.slice(text.indexOf("client error (Connect)")));
  return isTls
    ? { kind: "tls", what: "handshake failed", requestSent: false }
    : { kind: "connect", what: "no connection", requestSent: false };
}

/** Fields that are not passed on: `fetch` takes the host from the URL. */
const CHOSEN_HERE: ReadonlySet<string> = new Set(["host", "accept-encoding"]);

const EMPTY: UpstreamBody = {
  lengthBytes: 0,
  read: () => Promise.resolve(null),
  readAll: () => Promise.resolve(new Uint8Array(0)),
  cancel: () => {},
};

function announcedBytes(headers: Headers): number | null {
  const value = headers.get("content-length");
  return value !== null && /^\d{1,15}$/.test(value) ? Number(value) : null;
}

/** Sends one request and reads its response. */
export class FetchExchange implements FetchBodyOwner {
  readonly meter: ContentMeter | undefined;
  readonly lane: string;
  readonly #options: FetchExchangeOptions;
  readonly #controller = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ended: UpstreamFailure | "well" | null = null;

  constructor(options: FetchExchangeOptions) {
    this.#options = options;
    this.meter = options.meter;
    this.lane = options.lane ?? "";
  }

  /** @throws {UpstreamFailure} */
  async run(): Promise<UpstreamResponse> {
    const { signal, deadlines, clock, request } = this.#options;
    signal?.addEventListener("abort", this.#onAbort);
    if (request.body === null) this.#armFor("first_byte_timeout", deadlines.connectMs + deadlines.firstByteMs);
    try {
      const response = await this.#fetch();
      this.disarm();
      const fields: Fields = [...response.headers];
      return { status: response.status, fields, body: this.#body(response), receivedAtMs: clock.now() };
    } catch (error) {
      throw this.fail(error);
    }
  }

  arm(): void {
    this.#armFor("idle_timeout", this.#options.deadlines.idleMs);
  }

  disarm(): void {
    clearTimeout(this.#timer);
  }

  finish(): void {
    if (this.#ended === null) this.#end("well");
  }

  fail(error: unknown): UpstreamFailure {
    if (this.#ended instanceof UpstreamFailure) return this.#ended;
    const failure = error instanceof UpstreamFailure ? error : this.#failureOf(error);
    if (this.#ended === null) this.#end(failure);
    this.#controller.abort(failure);
    return failure;
  }

  #fetch(): Promise<Response> {
    const { client, url, request } = this.#options;
    const headers = request.fields.filter(([name]) => !CHOSEN_HERE.has(name.toLowerCase()));
    // Without this the client would ask for any coding, decode the content, and keep the old coding and length fields.
    headers.push(["accept-encoding", "identity"]);
    return fetch(url, {
      client,
      method: request.method,
      headers,
      body: request.body === null ? null : this.#checkedBody(request.body),
      redirect: "manual",
      signal: this.#controller.signal,
    });
  }

  #body(response: Response): UpstreamBody {
    const isEmpty = this.#options.request.method === "HEAD" || response.status === 204 || response.status === 304;
    if (!isEmpty && response.body !== null) return new FetchBody(this, response.body, announcedBytes(response.headers));
    response.body?.cancel().catch(() => {});
    this.finish();
    return EMPTY;
  }

  /** HTTP/2 sends no length here: a body that ends early would look complete. */
  #checkedBody(body: BodySource): ReadableStream<Uint8Array> {
    const { lengthBytes } = body;
    let takenBytes = 0;
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        // Waiting for the client is not the upstream's time.
        this.#armFor("aborted", this.#options.deadlines.idleMs);
        let chunk: Uint8Array | null;
        try {
          // A chunk is only lent, and must not be empty for the stream's reader.
          do chunk = await body.read(); while (chunk !== null && chunk.length === 0);
        } catch (error) {
          throw this.#bodyFailure("its source failed", error);
        }
        takenBytes += chunk?.length ?? 0;
        const isWrong = lengthBytes !== null &&
          (chunk === null ? takenBytes < lengthBytes : takenBytes > lengthBytes);
        if (isWrong) throw this.#bodyFailure(`not of its ${lengthBytes} bytes`);
        if (chunk !== null) {
          this.arm();
          return controller.enqueue(chunk.slice());
        }
        controller.close();
        this.#armFor("first_byte_timeout", this.#options.deadlines.firstByteMs);
      },
      cancel: () => body.cancel(),
    }, { highWaterMark: 0 });
  }

  #bodyFailure(what: string, cause?: unknown): UpstreamFailure {
    this.#options.request.body?.cancel();
    return this.fail(new UpstreamFailure("aborted", `Cannot send the request body: ${what}`, true, { cause }));
  }

  #armFor(kind: FailureKind, durationMs: number): void {
    clearTimeout(this.#timer);
    if (this.#ended !== null) return;
    const message = `Cannot complete the request to ${this.#options.authority}: no progress in time`;
    this.#timer = setTimeout(() => this.fail(new UpstreamFailure(kind, message, true)), durationMs);
  }

  #failureOf(error: unknown): UpstreamFailure {
    const { kind, what, requestSent } = meaningOf(error);
    return new UpstreamFailure(kind, `Cannot complete the request to ${this.#options.authority}: ${what}`, requestSent);
  }

  #end(how: UpstreamFailure | "well"): void {
    this.#ended = how;
    this.disarm();
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#options.onEnd();
  }

  readonly #onAbort = () => {
    this.fail(new UpstreamFailure("aborted", "Request aborted", true, { cause: this.#options.signal?.reason }));
  };
}

/** The exchange that a body belongs to. */
export interface FetchBodyOwner {
  readonly meter?: ContentMeter;
  readonly lane?: string;
  /** Sets the deadline of the next chunk. */
  arm(): void;
  disarm(): void;
  /** Ends the exchange. */
  finish(): void;
  /** Ends the exchange and returns the failure for `error`. */
  fail(error: unknown): UpstreamFailure;
}

function failure(kind: "truncated" | "too_large" | "aborted", message: string): UpstreamFailure {
  return new UpstreamFailure(kind, `Cannot read the response body: ${message}`, true);
}

/** The body of a response by `fetch`, counted against its announced length. */
export class FetchBody implements UpstreamBody {
  readonly #owner: FetchBodyOwner;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  #receivedBytes = 0;
  #isEnded = false;
  #failure: UpstreamFailure | null = null;

  constructor(
    owner: FetchBodyOwner,
    stream: ReadableStream<Uint8Array<ArrayBuffer>>,
    readonly lengthBytes: number | null,
  ) {
    this.#owner = owner;
    this.#reader = stream.getReader();
  }

  async read(): Promise<Uint8Array<ArrayBuffer> | null> {
    if (this.#failure !== null) throw this.#failure;
    if (this.#isEnded) return null;
    this.#owner.arm();
    try {
      const { done, value } = await this.#reader.read();
      this.#owner.disarm();
      if (!done) await loopTurns.step(this.#owner.lane ?? "", value.length);
      return done ? this.#end() : this.#count(value);
    } catch (error) {
      throw this.#fail(error);
    }
  }

  async readAll(limitBytes: number): Promise<Uint8Array<ArrayBuffer>> {
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    for (let chunk = await this.read(); chunk !== null; chunk = await this.read()) {
      if (this.#receivedBytes > limitBytes) throw this.#fail(failure("too_large", `over ${limitBytes} bytes`));
      chunks.push(chunk);
    }
    return new Uint8Array(await new Blob(chunks).arrayBuffer());
  }

  cancel(): void {
    if (!this.#isEnded && this.#failure === null) this.#fail(failure("aborted", "given up by its reader"));
  }

  #count(chunk: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    this.#receivedBytes += chunk.length;
    if (this.#owner.meter !== undefined) this.#owner.meter.receivedBytes += chunk.length;
    // A body that was decoded but kept its old length would show here too.
    if (this.lengthBytes !== null && this.#receivedBytes > this.lengthBytes) {
      throw failure("truncated", `more than its ${this.lengthBytes} bytes`);
    }
    return chunk;
  }

  #end(): null {
    const { lengthBytes } = this;
    if (lengthBytes !== null && this.#receivedBytes < lengthBytes) {
      throw failure("truncated", `${lengthBytes - this.#receivedBytes} of ${lengthBytes} bytes missing`);
    }
    this.#isEnded = true;
    this.#owner.finish();
    return null;
  }

  #fail(error: unknown): UpstreamFailure {
    this.#failure ??= this.#owner.fail(error);
    // An unread body would hold its connection's flow-control window.
    this.#reader.cancel().catch(() => {});
    return this.#failure;
  }
}
