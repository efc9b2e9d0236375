import type { Fill } from "../cache/flights/fill.ts";
import { GatewayError } from "../errors.ts";
import { besideChanged } from "../http/field_changes.ts";
import { type Fields, fieldValue } from "../http/fields.ts";
import type { ByteRange } from "../http/ranges.ts";
import type { Answer, FillingAnswer, MadeAnswer, StoredAnswer, StreamingAnswer } from "../request/answer.ts";
import type { CacheNote } from "../request/cache_note.ts";
import { asFailure } from "../request/client_error.ts";
import type { Exchange } from "../request/exchange.ts";
import type { BodyError } from "../request/termination.ts";
import { pacedReply } from "../server/paced_reply.ts";
import type { Reply, ReplyEnd } from "../server/reply.ts";
import type { BodySource } from "../wire/body_source.ts";
import { fieldLines } from "../wire/head_writer.ts";
import { fillingFields } from "./choose_coding.ts";
import { serverTimingLine } from "./server_timing.ts";
import { fixedLines, ruledFields, sentFields } from "./sent_fields.ts";
import { lendChunk } from "../upstream_client/transport.ts";

/** Statuses whose responses have no content (RFC 9110 §6.4.1). */
const NO_CONTENT: ReadonlySet<number> = new Set([204, 205, 304]);
/** Fields that the server writes itself. */
const FRAMING: ReadonlySet<string> = new Set([
  "content-length",
  "transfer-encoding",
  "connection",
  "trailer",
]);

/** The reply of an answer, with the fields of its listener and of this request, at the listener's pace. A whole body counts as sent. */
export function replyOf(exchange: Exchange, answer: Answer): Reply {
  const { paceBytes } = exchange.tenant;
  const reply = unpacedReply(exchange, answer);
  const hasContent = exchange.method !== "HEAD" && !NO_CONTENT.has(reply.status);
  return paceBytes === null || !hasContent ? reply : pacedReply(reply, paceBytes);
}

function unpacedReply(exchange: Exchange, answer: Answer): Reply {
  switch (answer.kind) {
    case "stored":
      return storedReply(exchange, answer);
    case "made":
      return madeReply(exchange, answer);
    case "filling":
      return fillingReply(exchange, answer);
    case "streaming":
      return streamingReply(exchange, answer);
  }
}

function storedReply(exchange: Exchange, { response, note }: StoredAnswer): Reply {
  const { status, body } = response;
  const { bytes: fixed, hasDate } = fixedLines(response, exchange, note);
  const isEmpty = exchange.method === "HEAD" || NO_CONTENT.has(status);
  exchange.finish({
    status,
    bytes: isEmpty ? 0 : body.byteLength,
    note,
    aborted: exchange.hasLeft,
  });
  const lines = requestLines(exchange, note);
  const lane = exchange.tenant.name;
  return { status, fixed, lines, hasDate, lengthBytes: body.byteLength, body, lane, onEnd: null };
}

function madeReply(exchange: Exchange, answer: MadeAnswer): Reply {
  const { status, fields, body, note, error, isUnheard, ownFields = [] } = answer;
  const lengthBytes = lengthOf(body);
  exchange.finish({
    status,
    bytes: isUnheard === true || exchange.method === "HEAD" || NO_CONTENT.has(status) ? 0 : lengthBytes,
    note,
    error,
    aborted: isUnheard ?? false,
  });
  const head = headOf(exchange, { status, fields, note });
  // A 304 does not state the length of its representation.
  const isKnown = status !== 304;
  return {
    ...head,
    lines: head.lines + fieldLines(ownFields),
    lengthBytes: isKnown ? lengthBytes : null,
    body,
    onEnd: null,
  };
}

function lengthOf(body: MadeAnswer["body"]): number {
  if (body === null) return 0;
  return body instanceof Uint8Array ? body.byteLength : body.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

function fillingReply(exchange: Exchange, { head, fill, range, note }: FillingAnswer): Reply {
  const status = range === undefined ? head.status : 206;
  const fields = fillingFields(exchange, head, fill.lengthBytes);
  if (range !== undefined) fields.push(["content-range", `bytes ${range.first}-${range.last}/${fill.lengthBytes}`]);
  const sent = headOf(exchange, { status, fields, note });
  const lengthBytes = range === undefined ? fill.lengthBytes : range.last - range.first + 1;
  if (exchange.method === "HEAD" || NO_CONTENT.has(status)) {
    // A response without content is complete with its fields.
    fill.reader();
    fill.leave();
    return withoutContent(exchange, { ...sent, lengthBytes }, note);
  }
  exchange.byteAccount?.settle(lengthBytes);
  return {
    ...sent,
    lengthBytes,
    body: new FillSource(exchange, fill, range ?? null),
    lane: exchange.tenant.name,
    onEnd: finisher(exchange, status, note),
  };
}

function streamingReply(exchange: Exchange, answer: StreamingAnswer): Reply {
  const { status, fields, body, note, tunnel } = answer;
  if (tunnel !== undefined) return tunnelReply(exchange, answer);
  if (status < 200 || status > 599) {
    throw new GatewayError("upstream_invalid_response", `The upstream answered with status ${status}`);
  }
  const sent = headOf(exchange, { status, fields, note });
  if (exchange.method === "HEAD" || NO_CONTENT.has(status)) {
    answer.body.cancel();
    answer.onEnd();
    const stated = fieldValue(fields, "content-length");
    const lengthBytes = stated !== null && /^\d+$/.test(stated) ? Number(stated) : null;
    return withoutContent(exchange, { ...sent, lengthBytes }, note);
  }
  const hasTrailers = exchange.wantsTrailers && body.trailers != null;
  const whole = answer.read === undefined && !hasTrailers ? body.whole ?? null : null;
  if (whole !== null) {
    answer.onEnd();
    exchange.finish({ status, bytes: whole.byteLength, note });
    return { ...sent, lengthBytes: whole.byteLength, body: whole, onEnd: null };
  }
  exchange.byteAccount?.settle(body.lengthBytes ?? 0);
  const source = new StreamSource(exchange, answer);
  return { ...sent, lengthBytes: body.lengthBytes, body: source, onEnd: finisher(exchange, status, note) };
}

function tunnelReply(exchange: Exchange, answer: StreamingAnswer): Reply {
  const { status, fields, note } = answer;
  const { tunnelIdleMs } = exchange.tenant.pool;
  const ended = finisher(exchange, status, note);
  return {
    ...headOf(exchange, { status, fields, note }),
    lengthBytes: null,
    body: null,
    tunnel: { protocol: "websocket", stream: answer.tunnel!, idleMs: tunnelIdleMs },
    onEnd(end) {
      answer.onEnd(end.error === null ? undefined : asFailure(end.error));
      ended(end);
    },
  };
}

/** A reply that ends with its fields. */
function withoutContent(exchange: Exchange, sent: Omit<Reply, "body" | "onEnd">, note: CacheNote): Reply {
  exchange.finish({ status: sent.status, bytes: 0, note });
  return { ...sent, body: null, onEnd: null };
}

/** Counts and logs the request when its reply has ended. */
function finisher(exchange: Exchange, status: number, note: CacheNote): (end: ReplyEnd) => void {
  return ({ bytes, aborted, error }) =>
    exchange.finish({
      status,
      bytes,
      note,
      aborted,
      error: error === null || aborted ? undefined : brokenOff(error),
    });
}

/** Whether the upstream took too long with its content, or broke off. */
function brokenOff(error: unknown): BodyError {
  return asFailure(error).kind === "idle_timeout" ? "body_timed_out" : "body_broke_off";
}

type ReplyHead = Pick<Reply, "status" | "fixed" | "lines" | "hasDate">;

/** Status and field lines of a response whose fields are a list. */
function headOf(
  exchange: Exchange,
  { status, fields, note }: { readonly status: number; readonly fields: Fields; readonly note: CacheNote },
): ReplyHead {
  const kept = sentFields(exchange, ruledFields(exchange, fields, note)).filter(([name]) => !FRAMING.has(name));
  const hasDate = kept.some(([name]) => name === "date");
  const lines = fieldLines(kept) + fieldLines(exchange.tenant.responseFields) + requestLines(exchange, note);
  return { status, fixed: null, lines, hasDate };
}

/** The field lines of this request alone. */
function requestLines(exchange: Exchange, note: CacheNote): string {
  const { tenant: { cors, serverTiming }, quotaFields, requestId } = exchange;
  const { ageSeconds, status } = note;
  let lines = `x-request-id: ${requestId}\r\n`;
  if (status !== "") lines = `cache-status: ${status}\r\n${lines}`;
  if (ageSeconds !== null) lines = `age: ${ageSeconds}\r\n${lines}`;
  if (cors !== null && cors.isByOrigin) {
    const origin = cors.originFor((name) => exchange.asSent.header(name));
    if (origin !== null) lines += `access-control-allow-origin: ${origin}\r\n`;
  }
  if (serverTiming !== "off") lines += serverTimingLine(exchange, note);
  return quotaFields === null ? lines : lines + fieldLines(quotaFields);
}

/** The content of an upstream's answer, read for the client; calls the answer's `onEnd` or `onLeave` once. */
class StreamSource implements BodySource {
  readonly lengthBytes: number | null;
  readonly #exchange: Exchange;
  readonly #answer: StreamingAnswer;
  #isOver = false;

  constructor(exchange: Exchange, answer: StreamingAnswer) {
    this.#exchange = exchange;
    this.#answer = answer;
    this.lengthBytes = answer.body.lengthBytes;
    exchange.enter("send");
  }

  get trailers(): BodySource["trailers"] {
    const trailers = this.#answer.body.trailers ?? null;
    return trailers === null ? null : besideChanged(trailers, this.#exchange.ruling?.response?.fields ?? []);
  }

  async read(): Promise<Uint8Array | null> {
    const { body, read, onEnd } = this.#answer;
    this.#exchange.enter("body");
    try {
      const chunk = await (read === undefined ? lendChunk(body) : read());
      if (chunk === null && !this.#isOver) {
        this.#isOver = true;
        onEnd();
      }
      this.#exchange.enter("send");
      return chunk;
    } catch (error) {
      if (!this.#isOver) {
        this.#isOver = true;
        onEnd(asFailure(error));
      }
      throw error;
    }
  }

  cancel(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#answer.onLeave();
  }
}

/** A body that is being stored, or one range of it: the part that has come, then the rest as it comes. */
class FillSource implements BodySource {
  readonly lengthBytes: number;
  readonly #exchange: Exchange;
  readonly #fill: Fill;
  readonly #next: () => Promise<Uint8Array | null>;
  readonly #range: ByteRange | null;
  #at = 0;
  #isOver = false;

  constructor(exchange: Exchange, fill: Fill, range: ByteRange | null) {
    this.#exchange = exchange;
    this.#fill = fill;
    this.#range = range;
    this.#next = fill.reader();
    this.lengthBytes = range === null ? fill.lengthBytes : range.last - range.first + 1;
    exchange.enter("send");
  }

  async read(): Promise<Uint8Array | null> {
    this.#exchange.enter("body");
    const chunk = await this.#read();
    this.#exchange.enter("send");
    return chunk;
  }

  async #read(): Promise<Uint8Array | null> {
    const range = this.#range;
    if (range === null) return await this.#next();
    while (this.#at <= range.last) {
      const chunk = await this.#next();
      if (chunk === null) return null;
      const part = chunk.subarray(Math.max(0, range.first - this.#at), range.last + 1 - this.#at);
      this.#at += chunk.byteLength;
      if (part.byteLength > 0) return part;
    }
    // This range is complete before the body's end: it leaves, since all other readers may leave, too.
    this.cancel();
    return null;
  }

  cancel(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#fill.leave();
  }
}
