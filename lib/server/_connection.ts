import type { Fields } from "../http/fields.ts";
import type { ByteStream } from "../wire/byte_stream.ts";
import { fieldLines, statusLine } from "../wire/head_writer.ts";
import { parseRequestHead } from "../wire/request_head.ts";
import { WireError } from "../wire/wire_error.ts";
import { ClientWatch, HALF_CLOSED_SILENCE_MS, type Wait, type WatchLink } from "./_client_watch.ts";
import type { ConnectionContext, ConnectionOptions, ServerConnection } from "./_connection_context.ts";
import { Exchange, type ExchangeLink } from "./_exchange.ts";
import { Input } from "./_input.ts";
import { DRAIN_MS, linger, LINGER_MS, MAX_DRAIN_BYTES } from "./_linger.ts";
import { faultOf, INTERNAL_ERROR, isDelimitedByClose, isSource } from "./_reply_head.ts";
import { BrokenBody, ReplyWriter, type WriterLink } from "./_reply_writer.ts";
import type { RequestBody } from "./_request_body.ts";
import { abortStream, closeStream, runTunnel } from "./_tunnel.ts";
import type { Waiting } from "./_wheel.ts";
import type { ConnectionFacts } from "./arrival.ts";
import { UNCOUNTED } from "./connection_gate.ts";
import { takeProxyHeader } from "./proxy_header.ts";
import type { Handler, HandOver, Reply, ReplyEnd, Tunnel } from "./reply.ts";
import { countRefusal } from "./server_counts.ts";

type Ending = Omit<ReplyEnd, "bytes">;

const COMPLETE: Ending = { aborted: false, error: null };
const ABORTED: Ending = { aborted: true, error: null };

/** A connection to a client: serves its requests one after the other, from its first byte to its close. */
export class Connection implements ServerConnection, Waiting, ExchangeLink, WatchLink, WriterLink {
  readDueMs = Infinity;
  writeDueMs = Infinity;
  addressKey = UNCOUNTED;
  facts: ConnectionFacts;
  readonly input: Input;
  readonly #stream: ByteStream;
  readonly #writer: ReplyWriter;
  readonly watch: ClientWatch;
  readonly #context: ConnectionContext;
  readonly #handler: Handler;
  readonly #hasProxyHeader: boolean;
  wait: Wait = "nothing";
  #exchange: Exchange | null = null;
  #reply: Reply | null = null;
  /** Content of the last request, perhaps unread. */
  #body: RequestBody | null = null;
  /** The connection closes after the next reply. */
  #isEnding = false;
  /** No further request is awaited, even on a connection that the last reply kept alive. */
  #endsIdle = false;
  #isClosed = false;
  /** It has had a request. */
  #isMet = false;
  /** The last reply has not been sent as a whole. */
  #hasBrokenOff = false;
  #lateRefusal: Promise<void> | null = null;

  constructor({ stream, facts, handler, context, hasProxyHeader }: ConnectionOptions) {
    this.#stream = stream;
    this.facts = facts;
    this.#handler = handler;
    this.#context = context;
    this.#hasProxyHeader = hasProxyHeader;
    this.input = new Input(stream);
    this.watch = new ClientWatch(this.input, context, this);
    this.#writer = new ReplyWriter(stream, this, context.unsent);
  }

  /**
   * Serves requests in order until the connection ends; never rejects. It is one function, because each suspended async function costs an
   * idle connection half a kilobyte.
   */
  async run(): Promise<void> {
    const { input } = this;
    const writer = this.#writer;
    const context = this.#context;
    try {
      if (this.#hasProxyHeader && !await this.#readProxyHeader()) return;
      for (;;) {
        let headEnd = input.headEnd(context.limits);
        while (headEnd < 0) {
          if (input.isEnded) return;
          if (this.#endsIdle && input.length === 0) return await this.#linger();
          this.#awaitHead();
          if (!input.took(await input.read())) return;
          if (this.#lateRefusal !== null) return await this.#lateRefusal;
          headEnd = input.headEnd(context.limits);
        }
        this.setWait("nothing", Infinity);
        const exchange = this.#beginExchange(headEnd);
        const given = this.#handle(exchange);
        const reply = this.#validated(given instanceof Promise ? await this.#awaitReply(given) : given, exchange);
        if (this.#isClosed) return;
        if (writer.interims !== null) await writer.interims;
        const closes = this.#closesAfter(reply, exchange);
        const isWhole = writer.begin(reply, exchange, closes, context.date.text());
        const unsent = isWhole ? writer.wrote(await writer.write()) : this.#sendRest(reply, exchange);
        if (unsent !== null) await unsent;
        if (reply.tunnel !== undefined) {
          return await ("address" in reply.tunnel ? this.#handOver(reply.tunnel) : this.#tunnel(reply.tunnel));
        }
        this.#endExchange(COMPLETE);
        if (closes) return this.#needsLinger(exchange) ? await this.#linger() : undefined;
        if (exchange.body !== null && !await this.#drain(exchange.body)) return await this.#linger();
      }
    } catch (error) {
      await this.#fail(error);
    } finally {
      this.close();
    }
  }

  end(closesIdle: boolean): void {
    this.#isEnding = true;
    if (!closesIdle) return;
    this.#endsIdle = true;
    if (this.wait === "idle" || this.wait === "proxy") this.close();
  }

  /** Ends both directions at once. The only place where the socket is closed. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.readDueMs = this.writeDueMs = Infinity;
    if (this.#hasBrokenOff || this.#reply !== null) abortStream(this.#stream);
    else closeStream(this.#stream);
    this.#exchange?.leave();
    this.#endExchange(ABORTED);
    this.input.dispose();
    this.#writer.dispose();
    this.#context.onClosed(this);
  }

  expire(nowMs: number): void {
    const { counts } = this.#context;
    if (this.writeDueMs <= nowMs) {
      counts.sendTimeouts++;
      return this.close();
    }
    this.readDueMs = Infinity;
    if (this.wait === "head") {
      counts.headTimeouts++;
      const refused = this.#refuse(new WireError(408, "The request did not come in time"));
      this.#lateRefusal = refused.catch(() => {}).finally(() => this.close());
    } else if (this.wait === "body") {
      counts.bodyTimeouts++;
      this.#body?.fail(new WireError(408, "The content did not come in time"));
    } else if (this.wait === "reply") {
      this.#exchange?.leave();
    } else {
      if (this.wait === "idle") counts.idleTimeouts++;
      else if (this.wait === "proxy") counts.headTimeouts++;
      else if (this.wait === "tunnel") counts.tunnelTimeouts++;
      this.close();
    }
  }

  /** Sets the event that the receiving side waits for, and its deadline. */
  setWait(wait: Wait, dueMs: number): void {
    this.wait = wait;
    this.readDueMs = dueMs;
  }

  #awaitHead(): void {
    const { limits, wheel } = this.#context;
    if (this.input.length === 0) this.setWait("idle", wheel.after(limits.idleTimeoutMs));
    else if (this.wait !== "head") this.setWait("head", wheel.after(limits.headTimeoutMs));
    this.input.prepareHead(limits);
  }

  #beginExchange(headEnd: number): Exchange {
    const { input } = this;
    const head = parseRequestHead(input.memory.buffer, input.start, headEnd, this.#context.limits);
    input.use(headEnd - input.start);
    this.#context.counts.requests++;
    const exchange = this.#exchange = new Exchange(head, this);
    if (!this.#isMet) {
      this.#isMet = true;
      this.#context.peers.note(exchange);
    }
    this.#body = exchange.body;
    return exchange;
  }

  #handle(exchange: Exchange): Reply | Promise<Reply> {
    try {
      return this.#handler(exchange);
    } catch (error) {
      return this.#failureReply(error);
    }
  }

  /** Waits for a handler, and watches for the client's end meanwhile. */
  async #awaitReply(given: Promise<Reply>): Promise<Reply> {
    this.watch.start(this.#body !== null);
    try {
      return await given;
    } catch (error) {
      return this.#failureReply(error);
    } finally {
      this.watch.stop();
      if (this.wait === "reply") this.setWait("nothing", Infinity);
    }
  }

  /** The reply where a handler threw. Broken request content is the client's fault. */
  #failureReply(error: unknown): Reply {
    if (error instanceof WireError) return { ...this.#refusal(error), closes: true };
    // A handler that throws because its client left is not at fault.
    if (!this.#isClosed && !this.#exchange?.isGone) this.#fault(error);
    return INTERNAL_ERROR;
  }

  #fault(error: unknown): void {
    this.#context.counts.faults++;
    this.#context.onFault(error);
  }

  /** Takes the reply to send; an invalid one is replaced by 500. */
  #validated(reply: Reply, exchange: Exchange): Reply {
    this.#reply = reply;
    if (this.#isClosed) this.#endExchange(ABORTED);
    const fault = faultOf(reply, exchange);
    if (fault === null || this.#isClosed) return reply;
    const error = new Error(`Cannot send a reply: ${fault}`);
    this.#fault(error);
    this.#endReply({ aborted: false, error });
    return this.#reply = INTERNAL_ERROR;
  }

  #closesAfter(reply: Reply, exchange: Exchange): boolean {
    if (!exchange.keepsAlive || reply.closes === true || this.#isEnding) return true;
    if (exchange.minor === 0 && isDelimitedByClose(reply, exchange.isHead)) return true;
    const { body } = exchange;
    if (body === null || body.isComplete) return false;
    // A client that still waits for `100 Continue` may send its content or the next request: the two cannot be told apart.
    return body.isBroken || exchange.expectsContinue ||
      (body.restBytes !== Infinity && body.restBytes > MAX_DRAIN_BYTES);
  }

  async #sendRest(reply: Reply, exchange: Exchange): Promise<void> {
    if (isSource(reply.body)) this.watch.start(exchange.body !== null);
    const te = exchange.fields.header("te");
    await this.#writer.rest(reply, te !== null && /(?:^|,)[ \t]*trailers[ \t]*(?:,|$)/i.test(te));
    this.watch.stop();
  }

  /** Ends the exchange: its reply was written, or cannot be. */
  #endExchange(end: Ending): void {
    this.#endReply(end);
    this.#exchange = null;
    this.watch.stop();
    if (this.#body === null) return;
    // The handler may not read on, but may keep the chunk it was lent.
    this.#body.cancel();
    if (this.#body.isLent) this.input.renounce();
  }

  #endReply({ aborted, error }: Ending): void {
    const reply = this.#reply;
    if (reply === null) return;
    this.#reply = null;
    if (isSource(reply.body)) reply.body.cancel();
    if (reply.tunnel !== undefined && "stream" in reply.tunnel) closeStream(reply.tunnel.stream);
    // A reply that is written to a client that has half-closed and gone meets no error.
    if (aborted || this.#exchange?.isGone === true) this.#context.counts.abortedRequests++;
    try {
      reply.onEnd?.({ bytes: this.#writer.contentBytes, aborted, error });
    } catch (fault) {
      this.#fault(fault);
    }
  }

  #refusal(error: WireError): Reply {
    countRefusal(this.#context.counts, error.status);
    try {
      return this.#context.refuse(error);
    } catch (fault) {
      this.#fault(fault);
      return INTERNAL_ERROR;
    }
  }

  /** Answers a malformed message; the connection ends after it. */
  async #refuse(error: WireError): Promise<void> {
    this.setWait("end", Infinity);
    const reply = this.#reply = this.#refusal(error);
    const isWhole = this.#writer.begin(reply, { minor: 1, isHead: false }, true, this.#context.date.text());
    await (isWhole ? this.#writer.flush() : this.#writer.rest(reply, false));
    this.#endReply(COMPLETE);
  }

  async #tunnel(tunnel: Tunnel): Promise<void> {
    const { counts, wheel } = this.#context;
    counts.openTunnels++;
    try {
      await runTunnel(tunnel.stream, {
        input: this.input,
        send: (bytes) => this.#writer.send(bytes),
        endSending: () => this.#stream.closeWrite(),
        onMoved: () => this.setWait("tunnel", wheel.after(tunnel.idleMs)),
      });
      this.#endExchange(COMPLETE);
    } finally {
      counts.openTunnels--;
    }
  }

  /** Leaves the connection to another address of the server. */
  async #handOver({ address }: HandOver): Promise<void> {
    this.#endExchange(COMPLETE);
    this.setWait("proxy", this.#context.wheel.after(this.#context.limits.handshakeTimeoutMs));
    const first = await this.input.takeRest();
    if (first === null || this.#isClosed) return;
    this.#isClosed = true;
    this.readDueMs = this.writeDueMs = Infinity;
    this.#writer.dispose();
    this.#context.onHandedOver(this, { stream: this.#stream, facts: this.facts, first, address });
  }

  /** Reports a broken reply body, or answers a malformed message. All other errors mean that the connection is gone. */
  async #fail(error: unknown): Promise<void> {
    if (error instanceof BrokenBody) {
      this.#hasBrokenOff = true;
      this.#endExchange({ aborted: false, error: error.cause ?? error });
    }
    if (!(error instanceof WireError)) return;
    try {
      await this.#refuse(error);
      await this.#linger();
    } catch {
      // The client left.
    }
  }

  /** Skips unread content. Answers whether another request can follow. */
  async #drain(body: RequestBody): Promise<boolean> {
    if (body.isComplete) return true;
    this.setWait("end", this.#context.wheel.after(DRAIN_MS));
    return await body.drain(MAX_DRAIN_BYTES);
  }

  /** Whether the client may still be sending: it expects to go on, or its content is unread. */
  #needsLinger({ keepsAlive, body }: Exchange): boolean {
    if (this.input.isEnded) return false;
    return keepsAlive || this.input.length > 0 || (body !== null && !body.isComplete);
  }

  async #linger(): Promise<void> {
    this.setWait("end", this.#context.wheel.after(LINGER_MS));
    await linger(this.#stream, this.input, this.#body);
  }

  async #readProxyHeader(): Promise<boolean> {
    const { limits, wheel, counts } = this.#context;
    this.setWait("proxy", wheel.after(limits.headTimeoutMs));
    const header = await takeProxyHeader(this.input, counts);
    if (header === null) return false;
    if (header.address !== null) this.facts = { ...this.facts, peer: header.address };
    const key = this.#context.enterAddress(this.facts.peer);
    if (key !== null) this.addressKey = key;
    return key !== null;
  }

  sendDue(): number {
    return this.#context.wheel.after(this.#context.limits.sendTimeoutMs);
  }

  silenceDue(): number {
    const { wheel, limits } = this.#context;
    return wheel.after(Math.min(HALF_CLOSED_SILENCE_MS, limits.sendTimeoutMs));
  }

  get isReplying(): boolean {
    return this.#reply !== null;
  }

  onBroken(): void {
    if (this.#exchange !== null) this.close();
  }

  /** A handler reads content for which the client waits for `100 Continue`. */
  onWanted(): void {
    const exchange = this.#exchange;
    if (exchange === null || !exchange.expectsContinue) return;
    exchange.expectsContinue = false;
    // A client that sends already does not wait (RFC 9110 §10.1.1).
    if (this.#reply === null && this.input.length === 0) this.#writer.interim(`${statusLine(100)}\r\n`);
  }

  awaitSource(isAwaited: boolean): void {
    this.writeDueMs = this.watch.awaitSource(isAwaited) ? this.silenceDue() : Infinity;
  }

  sendInterim(exchange: Exchange, status: number, fields: Readonly<Fields>): void {
    if (exchange !== this.#exchange || this.#reply !== null || exchange.minor !== 1) return;
    if (status < 100 || status > 199 || status === 101) return;
    this.#writer.interim(`${statusLine(status)}${fieldLines(fields)}\r\n`);
  }
}
