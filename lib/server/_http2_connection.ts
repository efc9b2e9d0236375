import type { BodySource } from "../wire/body_source.ts";
import type { ByteStream } from "../wire/byte_stream.ts";
import { WireError } from "../wire/wire_error.ts";
import type { ConnectionContext, ServerConnection } from "./_connection_context.ts";
import { type Http2Engine, privatePair, serveHttp2 } from "./_http2_engine.ts";
import { checkHttp2Request, contentIfAny } from "./_http2_request.ts";
import { Input } from "./_input.ts";
import { INTERNAL_ERROR, isSource } from "./_reply_head.ts";
import { closeStream, runTunnel } from "./_tunnel.ts";
import type { Waiting } from "./_wheel.ts";
import type { Arrival, ConnectionFacts } from "./arrival.ts";
import { UNCOUNTED } from "./connection_gate.ts";
import { contentOfRequest, replyResponse, requestArrival } from "./fetch_adapter.ts";
import type { Handler, Reply } from "./reply.ts";
import { countRefusal } from "./server_counts.ts";

/** Less is what keeps a connection up: it shows nothing of a client that takes content. */
const MIN_CONTENT_BYTES = 256;

/** Requests share a connection, and so each has more time; for so many of them at most. */
const MAX_SHARING = 10;

/** How the client takes a response. */
interface Taking {
  wait: Wait | null;
  /** How often others had their turn while it was waited for. */
  turns: number;
  isStalled: boolean;
}

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
  addressKey = UNCOUNTED;
  readonly #options: Http2Options;
  #engine: Http2Engine | null = null;
  #near: Deno.TcpConn | null = null;
  /** Requests whose response the engine has not got as a whole. */
  #open = 0;
  /** Of those, the ones whose client has not taken their response in time: they keep no connection from being idle. */
  #stalled = 0;
  /** Each of content that a client is to send, and of content that it is to take. */
  readonly #waits = new Waits();
  #idleDueMs = Infinity;
  /** Of a write to the client that is under way. */
  #writeDueMs = Infinity;
  /** When content went to the client last. */
  #sentAtMs = -Infinity;
  #isEnding = false;
  #isClosed = false;

  constructor(options: Http2Options) {
    this.#options = options;
    this.#rest();
  }

  get facts(): ConnectionFacts {
    return this.#options.facts;
  }

  get readDueMs(): number {
    return Math.min(this.#idleDueMs, this.#waits.firstDueMs);
  }

  get writeDueMs(): number {
    return this.#writeDueMs;
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
        onMoved: () => {},
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
    this.#idleDueMs = this.#writeDueMs = Infinity;
    this.#waits.clear();
    closeStream(this.#options.stream);
    if (this.#near !== null) closeStream(this.#near);
    this.#options.context.onClosed(this);
  }

  expire(nowMs: number): void {
    const { counts } = this.#options.context;
    if (this.#writeDueMs <= nowMs) counts.sendTimeouts++;
    else if (this.#idleDueMs <= nowMs) counts.idleTimeouts++;
    else return this.#waits.expire(nowMs);
    this.close();
  }

  #shutdown(): void {
    this.#engine?.shutdown().catch(() => {});
  }

  /** Is idle from now on, unless a request is there that is being served. */
  #rest(): void {
    const { wheel, limits } = this.#options.context;
    const isServing = this.#open > this.#stalled || this.#isClosed;
    this.#idleDueMs = isServing ? Infinity : wheel.after(limits.idleTimeoutMs);
  }

  async #send(bytes: Uint8Array): Promise<void> {
    const { context: { wheel, limits }, stream } = this.#options;
    for (let rest = bytes; rest.length > 0;) {
      this.#writeDueMs = wheel.after(limits.sendTimeoutMs);
      rest = rest.subarray(await stream.write(rest));
    }
    this.#writeDueMs = Infinity;
    // The engine still has content of responses that it got as a whole, and the client takes it.
    if (bytes.length < MIN_CONTENT_BYTES) return;
    this.#sentAtMs = wheel.nowMs;
    this.#rest();
  }

  async #answer(request: Request, completed: Promise<void>): Promise<Response> {
    this.#options.context.counts.requests++;
    const taking: Taking = { wait: null, turns: 0, isStalled: false };
    this.#open++;
    this.#rest();
    completed.catch(() => void this.#options.context.counts.abortedRequests++).finally(() => this.#answered(taking));
    const reply = await this.#reply(request);
    const { body } = reply;
    return replyResponse(isSource(body) ? { ...reply, body: this.#watched(body, taking) } : reply, request.method);
  }

  #answered(taking: Taking): void {
    this.#waits.delete(taking.wait);
    this.#open--;
    if (taking.isStalled) this.#stalled--;
    this.#rest();
  }

  async #reply(request: Request): Promise<Reply> {
    const { context, handler } = this.#options;
    try {
      const arrival = await this.#arrivalOf(request);
      return await handler(arrival);
    } catch (error) {
      if (error instanceof WireError) {
        countRefusal(context.counts, error.status);
        return context.refuse(error);
      }
      if (!request.signal.aborted) this.#fault(error);
      return INTERNAL_ERROR;
    }
  }

  async #arrivalOf(request: Request): Promise<Arrival> {
    const { limits } = this.#options.context;
    const facts = { connection: this.facts, minor: 2 };
    const content = contentOfRequest(request);
    const arrival = requestArrival(request, { ...facts, body: content && this.#timed(content) });
    checkHttp2Request(request, arrival, { limits, ownAuthority: this.#ownAuthority });
    if (arrival.body === null || arrival.body.lengthBytes !== null) return arrival;
    return requestArrival(request, { ...facts, body: await contentIfAny(arrival.body) });
  }

  /** What the engine takes for the host of requests that name none. */
  get #ownAuthority(): string {
    return `localhost:${this.#near?.remoteAddr.port}`;
  }

  #after(durationMs: number): number {
    return this.#options.context.wheel.after(durationMs * Math.min(this.#open, MAX_SHARING));
  }

  /** The content of a request, each chunk of which has to come in time. */
  #timed(body: BodySource): BodySource {
    const { limits, counts } = this.#options.context;
    const read = () => {
      const { promise, resolve, reject } = Promise.withResolvers<Uint8Array | null>();
      const onDue = () => {
        counts.bodyTimeouts++;
        reject(new WireError(408, "The content did not come in time"));
        body.cancel();
      };
      const wait = { dueMs: this.#after(limits.bodyTimeoutMs), onDue };
      this.#waits.add(wait);
      body.read().then(resolve, reject).finally(() => this.#waits.delete(wait));
      return promise;
    };
    return { lengthBytes: body.lengthBytes, read, cancel: () => body.cancel() };
  }

  /** The same content. What has been read of it the client has to take in time, which shows by the next read. */
  #watched(body: BodySource, taking: Taking): BodySource {
    const read = async () => {
      this.#waits.delete(taking.wait);
      if (taking.isStalled) throw new Error("The client did not take the content in time");
      const chunk = await body.read();
      taking.turns = 0;
      if (chunk !== null && !this.#isClosed) this.#awaitTaking(taking, body);
      return chunk;
    };
    return { lengthBytes: body.lengthBytes, read, cancel: () => (this.#waits.delete(taking.wait), body.cancel()) };
  }

  #awaitTaking(taking: Taking, body: BodySource): void {
    const { wheel, limits: { sendTimeoutMs }, counts } = this.#options.context;
    const onDue = () => {
      const areOthersSent = wheel.nowMs - this.#sentAtMs < sendTimeoutMs;
      if (areOthersSent && ++taking.turns < Math.min(this.#open, MAX_SHARING)) return this.#awaitTaking(taking, body);
      counts.sendTimeouts++;
      taking.isStalled = true;
      this.#stalled++;
      body.cancel();
      if (this.#open === this.#stalled) this.close();
    };
    taking.wait = { dueMs: wheel.after(sendTimeoutMs), onDue };
    this.#waits.add(taking.wait);
  }

  #fault(error: unknown): void {
    this.#options.context.counts.faults++;
    this.#options.context.onFault(error);
  }
}

/** Something that has to happen in time. */
interface Wait {
  /** On the clock of the wheel. */
  readonly dueMs: number;
  /** It has not happened. */
  readonly onDue: () => void;
}

/** What is waited for on one connection at the same time. */
class Waits {
  readonly #waits = new Set<Wait>();

  /** When the first of them is due; `Infinity` where there is none. */
  get firstDueMs(): number {
    let firstMs = Infinity;
    for (const { dueMs } of this.#waits) firstMs = Math.min(firstMs, dueMs);
    return firstMs;
  }

  add(wait: Wait): void {
    this.#waits.add(wait);
  }

  /** It has happened. */
  delete(wait: Wait | null): void {
    if (wait !== null) this.#waits.delete(wait);
  }

  clear(): void {
    this.#waits.clear();
  }

  /** Ends those that are due. */
  expire(nowMs: number): void {
    for (const wait of [...this.#waits]) {
      if (wait.dueMs > nowMs) continue;
      this.#waits.delete(wait);
      wait.onDue();
    }
  }
}
