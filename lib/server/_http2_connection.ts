import type { BodySource } from "../wire/body_source.ts";
import type { ByteStream } from "../wire/byte_stream.ts";
import { WireError } from "../wire/wire_error.ts";
import type { ConnectionContext, ServerConnection } from "./_connection_context.ts";
import { type Http2Engine, privatePair, serveHttp2 } from "./_http2_engine.ts";
import { Input } from "./_input.ts";
import { INTERNAL_ERROR, isSource } from "./_reply_head.ts";
import { closeStream, runTunnel } from "./_tunnel.ts";
import type { Waiting } from "./_wheel.ts";
import type { Arrival, ConnectionFacts } from "./arrival.ts";
import { UNCOUNTED } from "./connection_gate.ts";
import { replyResponse, requestArrival } from "./fetch_adapter.ts";
import type { Handler, Reply } from "./reply.ts";
import { countRefusal } from "./server_counts.ts";
import type { ServerLimits } from "./server_limits.ts";

/** What an HTTP/2 connection is made of. */
export interface Http2Options {
  readonly stream: ByteStream;
  readonly facts: ConnectionFacts;
  readonly handler: Handler;
  readonly context: ConnectionContext;
}

/**
 * A connection on which HTTP/2 was agreed on. Its bytes go through a private pair of sockets to the runtime's HTTP/2, and the requests
 * that this finds go to the same handler as all others. The limits on silence are kept here, where both directions pass.
 */
export class Http2Connection implements ServerConnection, Waiting {
  readDueMs = Infinity;
  addressKey = UNCOUNTED;
  readonly #options: Http2Options;
  #engine: Http2Engine | null = null;
  #near: Deno.TcpConn | null = null;
  /** Requests whose response has not been sent as a whole. */
  #open = 0;
  /** Of those, the ones whose content is being read, and whose response waits for content itself. */
  #readingContent = 0;
  #awaitingSource = 0;
  /** Of a write to the client that is under way. */
  #writeDueMs = Infinity;
  /** Of the next sign that some response goes on. */
  #stallDueMs = Infinity;
  #isEnding = false;
  #isClosed = false;

  constructor(options: Http2Options) {
    this.#options = options;
    this.#rest();
  }

  get facts(): ConnectionFacts {
    return this.#options.facts;
  }

  get writeDueMs(): number {
    return Math.min(this.#writeDueMs, this.#stallDueMs);
  }

  /** Serves until it ends; never rejects. */
  async run(): Promise<void> {
    const { stream } = this.#options;
    const input = new Input(stream);
    try {
      const [near, far] = await privatePair();
      this.#near = near;
      if (this.#isClosed) return far.close();
      this.#engine = serveHttp2!(
        far,
        // Never aborted: it ends with its end of the pair, and an abort after that throws (Deno 2.9.6).
        new AbortController().signal,
        (request, info) => this.#answer(request, info.completed),
        (error) => (this.#fault(error), new Response(null, { status: 500 })),
        () => {},
      );
      this.#engine.finished.catch(() => {});
      if (this.#isEnding) this.#shutdown();
      await runTunnel(near, {
        input,
        send: (bytes) => this.#send(bytes),
        endSending: () => stream.closeWrite(),
        onMoved: () => this.#moved(),
      });
    } catch {
      // Either side has left: all that there was ends with it.
    } finally {
      this.close();
      input.dispose();
    }
  }

  end(): void {
    this.#isEnding = true;
    this.#shutdown();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.readDueMs = this.#writeDueMs = this.#stallDueMs = Infinity;
    closeStream(this.#options.stream);
    if (this.#near !== null) closeStream(this.#near);
    this.#options.context.onClosed(this);
  }

  expire(nowMs: number): void {
    const { counts } = this.#options.context;
    if (this.#writeDueMs <= nowMs) counts.sendTimeouts++;
    else if (this.#stallDueMs <= nowMs) {
      // Whoever waits for an upstream is not to blame.
      if (this.#open <= this.#awaitingSource) return this.#goesOn();
      counts.sendTimeouts++;
    } else if (this.#readingContent > 0) counts.bodyTimeouts++;
    else counts.idleTimeouts++;
    this.close();
  }

  #shutdown(): void {
    this.#engine?.shutdown().catch(() => {});
  }

  /** No request is there. */
  #rest(): void {
    const { wheel, limits } = this.#options.context;
    this.readDueMs = wheel.after(limits.idleTimeoutMs);
  }

  #moved(): void {
    const { wheel, limits } = this.#options.context;
    if (this.#readingContent > 0) this.readDueMs = wheel.after(limits.bodyTimeoutMs);
  }

  #goesOn(): void {
    const { wheel, limits } = this.#options.context;
    this.#stallDueMs = this.#isClosed ? Infinity : wheel.after(limits.sendTimeoutMs);
  }

  async #send(bytes: Uint8Array): Promise<void> {
    const { context: { wheel, limits }, stream } = this.#options;
    for (let rest = bytes; rest.length > 0;) {
      this.#writeDueMs = wheel.after(limits.sendTimeoutMs);
      rest = rest.subarray(await stream.write(rest));
    }
    this.#writeDueMs = Infinity;
  }

  async #answer(request: Request, completed: Promise<void>): Promise<Response> {
    const { context: { counts } } = this.#options;
    counts.requests++;
    if (this.#open++ === 0) this.readDueMs = Infinity;
    completed.catch(() => void counts.abortedRequests++).finally(() => this.#answered());
    const reply = await this.#reply(
      requestArrival(request, { connection: this.facts, minor: 2, watched: (body) => this.#timed(body) }),
    );
    this.#goesOn();
    const { body } = reply;
    return replyResponse(isSource(body) ? { ...reply, body: this.#watched(body) } : reply, request.method);
  }

  #answered(): void {
    if (this.#isClosed) return;
    if (--this.#open > 0) return this.#goesOn();
    this.#stallDueMs = Infinity;
    this.#rest();
  }

  async #reply(arrival: Arrival): Promise<Reply> {
    const { context, handler } = this.#options;
    try {
      const refused = breach(arrival, context.limits);
      if (refused !== null) throw refused;
      return await handler(arrival);
    } catch (error) {
      if (error instanceof WireError) {
        countRefusal(context.counts, error.status);
        return context.refuse(error);
      }
      if (!arrival.isGone) this.#fault(error);
      return INTERNAL_ERROR;
    }
  }

  /** The content of a request, which has to come in time. */
  #timed(body: BodySource): BodySource {
    const { context: { wheel, limits } } = this.#options;
    const read = async () => {
      this.#readingContent++;
      this.readDueMs = wheel.after(limits.bodyTimeoutMs);
      try {
        return await body.read();
      } finally {
        if (--this.#readingContent === 0 && !this.#isClosed) this.readDueMs = Infinity;
      }
    };
    return { lengthBytes: body.lengthBytes, read, cancel: () => body.cancel() };
  }

  /** The same content; that it is asked for shows that the client takes it. */
  #watched(body: BodySource): BodySource {
    const read = async () => {
      this.#goesOn();
      this.#awaitingSource++;
      try {
        return await body.read();
      } finally {
        this.#awaitingSource--;
        this.#goesOn();
      }
    };
    return { lengthBytes: body.lengthBytes, read, cancel: () => body.cancel() };
  }

  #fault(error: unknown): void {
    this.#options.context.counts.faults++;
    this.#options.context.onFault(error);
  }
}

/** The limit of HTTP/1.1 requests that a request breaks; `null` where it keeps them all. */
function breach({ target, fields }: Arrival, limits: ServerLimits): WireError | null {
  if (target.length > limits.targetBytes) return new WireError(414, `The target is over ${limits.targetBytes} bytes`);
  const list = fields.list();
  if (list.length > limits.maxFields) return new WireError(431, `There are over ${limits.maxFields} fields`);
  let bytes = 0;
  for (const [name, value] of list) bytes += name.length + value.length + 4;
  return bytes > limits.fieldsBytes ? new WireError(431, `The fields are over ${limits.fieldsBytes} bytes`) : null;
}
