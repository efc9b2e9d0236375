import type { BodySource } from "../wire/body_source.ts";
import type { ByteStream } from "../wire/byte_stream.ts";
import { privatePair } from "../wire/private_pair.ts";
import { WireError } from "../wire/wire_error.ts";
import type { ConnectionContext, ServerConnection } from "./_connection_context.ts";
import { type Http2Engine, serveHttp2 } from "./_http2_engine.ts";
import { hasPreface } from "./_http2_preface.ts";
import { checkHttp2Request, contentIfAny, wholeContent } from "./_http2_request.ts";
import { Input } from "./_input.ts";
import { INTERNAL_ERROR, isSource } from "./_reply_head.ts";
import { closeStream, runTunnel } from "./_tunnel.ts";
import type { Waiting } from "./_wheel.ts";
import type { Arrival, ConnectionFacts } from "./arrival.ts";
import { UNCOUNTED } from "./connection_gate.ts";
import { contentOfRequest, replyResponse, requestArrival } from "./fetch_adapter.ts";
import type { Handler, Reply } from "./reply.ts";
import { countRefusal } from "./server_counts.ts";

/** Fewer bytes are keep-alive traffic: they do not show that a client takes content. */
const MIN_CONTENT_BYTES = 256;

/** Most requests of a connection that prolong each other's time limits. */
const MAX_SHARING = 10;

/** Progress of a client in taking a response. */
interface TakeProgress {
  wait: Wait | null;
  /** Times that other responses were taken while this one waited. */
  turns: number;
  isStalled: boolean;
}

/** Options of an {@linkcode Http2Connection}. */
export interface Http2Options {
  readonly stream: ByteStream;
  readonly facts: ConnectionFacts;
  readonly handler: Handler;
  readonly context: ConnectionContext;
}

/**
 * An HTTP/2 connection. Its bytes go through a private pair of sockets to the runtime's HTTP/2, whose requests go to the server's usual
 * handler. The time limits are enforced here, where both directions pass.
 */
export class Http2Connection implements ServerConnection, Waiting {
  addressKey = UNCOUNTED;
  readonly #options: Http2Options;
  #engine: Http2Engine | null = null;
  #near: Deno.TcpConn | null = null;
  /** Requests whose response was not completely passed to the engine. */
  #open = 0;
  /** Those whose client did not take the response in time: the connection may be idle with them. */
  #stalled = 0;
  /** Deadlines of content that the client sends, and of content that it takes. */
  readonly #waits = new Waits();
  #idleDueMs = Infinity;
  /** Deadline of the pending write to the client. */
  #writeDueMs = Infinity;
  /** Time of the last content written to the client. */
  #sentAtMs = -Infinity;
  /** The client has sent its preface. */
  #hasBegun = false;
  #isEnding = false;
  #isClosed = false;
  /** It has had a request. */
  #isMet = false;

  constructor(options: Http2Options) {
    this.#options = options;
    this.#updateIdle();
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
    const { stream, context: { counts } } = this.#options;
    const input = new Input(stream);
    try {
      if (!await hasPreface(input)) {
        if (!this.#isClosed && input.length > 0) countRefusal(counts, 400);
        return;
      }
      this.#hasBegun = true;
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
      // One side has left: the connection ends.
    } finally {
      this.close();
      input.dispose();
    }
  }

  end(closesIdle: boolean): void {
    this.#isEnding = true;
    if (closesIdle && !this.#hasBegun) this.close();
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

  /** Starts the idle timeout, or stops it while a request is being served. */
  #updateIdle(): void {
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
    // The client still takes content that the engine has buffered.
    if (bytes.length < MIN_CONTENT_BYTES) return;
    this.#sentAtMs = wheel.nowMs;
    this.#updateIdle();
  }

  async #answer(request: Request, completed: Promise<void>): Promise<Response> {
    this.#options.context.counts.requests++;
    const taking: TakeProgress = { wait: null, turns: 0, isStalled: false };
    this.#open++;
    this.#updateIdle();
    completed.catch(() => void this.#options.context.counts.abortedRequests++).finally(() => this.#answered(taking));
    const reply = await this.#reply(request);
    const { body } = reply;
    return replyResponse(isSource(body) ? { ...reply, body: this.#watched(body, taking) } : reply, request.method);
  }

  #answered(taking: TakeProgress): void {
    this.#waits.delete(taking.wait);
    this.#open--;
    if (taking.isStalled) this.#stalled--;
    this.#updateIdle();
  }

  async #reply(request: Request): Promise<Reply> {
    const { context, handler } = this.#options;
    try {
      const arrival = await this.#arrivalOf(request);
      if (!this.#isMet) context.peers.note(arrival);
      this.#isMet = true;
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
    const arrival = requestArrival(request, {
      ...facts,
      body: content && this.#timed(wholeContent(content, request.signal)),
    });
    checkHttp2Request(request, arrival, { limits, ownAuthority: this.#ownAuthority });
    if (arrival.body === null || arrival.body.lengthBytes !== null) return arrival;
    return requestArrival(request, { ...facts, body: await contentIfAny(arrival.body) });
  }

  /** The engine's default host, for requests without one. */
  get #ownAuthority(): string {
    return `localhost:${this.#near?.remoteAddr.port}`;
  }

  #after(durationMs: number): number {
    return this.#options.context.wheel.after(durationMs * Math.min(this.#open, MAX_SHARING));
  }

  /** The content of a request, with a deadline for each chunk. */
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

  /** The same content, with a deadline for the client to take each chunk, which the next read shows. */
  #watched(body: BodySource, taking: TakeProgress): BodySource {
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

  #awaitTaking(taking: TakeProgress, body: BodySource): void {
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

/** An event with a deadline. */
interface Wait {
  /** Deadline on the wheel's clock. */
  readonly dueMs: number;
  /** The deadline passed. */
  readonly onDue: () => void;
}

/** The deadlines of one connection. */
class Waits {
  readonly #waits = new Set<Wait>();

  /** The earliest deadline; `Infinity` for none. */
  get firstDueMs(): number {
    let firstMs = Infinity;
    for (const { dueMs } of this.#waits) firstMs = Math.min(firstMs, dueMs);
    return firstMs;
  }

  add(wait: Wait): void {
    this.#waits.add(wait);
  }

  /** Removes one whose event has occurred. */
  delete(wait: Wait | null): void {
    if (wait !== null) this.#waits.delete(wait);
  }

  clear(): void {
    this.#waits.clear();
  }

  /** Expires those that are due. */
  expire(nowMs: number): void {
    for (const wait of [...this.#waits]) {
      if (wait.dueMs > nowMs) continue;
      this.#waits.delete(wait);
      wait.onDue();
    }
  }
}
