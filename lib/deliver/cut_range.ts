import { rangeApplies } from "../http/conditional.ts";
import { type ByteRange, parseRange, rangeReply } from "../http/ranges.ts";
import type { Answer, FillingAnswer } from "../request/answer.ts";
import type { Exchange } from "../request/exchange.ts";

/** Cuts the ranges that a request asks for out of a stored response, or of one whose body is still coming in (RFC 9110 §14). */
export function cutRange(exchange: Exchange, answer: Answer): Answer {
  if (exchange.isPlain) return answer;
  if (answer.kind === "filling") {
    const range = rangeOf(exchange, answer);
    return range === null ? answer : { ...answer, range };
  }
  if (answer.kind !== "stored" || answer.isPart) return answer;
  const reply = rangeReply(exchange, answer.response, exchange.services.nextRequestId());
  if (reply === null) return answer;
  return { kind: "made", note: answer.note, status: reply.status, fields: reply.fields, body: reply.chunks };
}

/** The one range that a client wants of a body that is still coming in; `null` sends the whole (RFC 9110 §14.2). */
function rangeOf(exchange: Exchange, { head, fill }: FillingAnswer): ByteRange | null {
  const asked = exchange.header("range");
  if (asked === null || exchange.method !== "GET" || head.status !== 200) return null;
  if (!rangeApplies(exchange.header("if-range"), head)) return null;
  const parsed = parseRange(asked, fill.lengthBytes);
  return parsed.kind === "ranges" && parsed.ranges.length === 1 ? parsed.ranges[0]! : null;
}
