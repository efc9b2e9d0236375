import { deliver } from "../deliver/deliver.ts";
import { errorAnswer, refusalReply } from "../deliver/error_answer.ts";
import { replyOf } from "../deliver/reply_of.ts";
import { replaceError } from "../deliver/sent_fields.ts";
import { GatewayError } from "../errors.ts";
import type { Answer } from "../request/answer.ts";
import type { Exchange } from "../request/exchange.ts";
import type { Services } from "../request/services.ts";
import type { Arrival } from "../server/arrival.ts";
import type { Reply } from "../server/reply.ts";
import { admit, type Entrance, judge, route, ruledAnswer } from "./arrive.ts";
import { obtain } from "./obtain.ts";

/**
 * The whole life of a request: `route` finds the listener and takes the client's tokens out, `judge` asks its rules, `admit` checks the
 * client's token and quota, `obtain` gives the answer from the store or from an upstream, `deliver` turns it into the reply. With a
 * response in memory nothing is awaited.
 */
export function handle(entrance: Entrance, arrival: Arrival): Reply | Promise<Reply> {
  const routed = route(entrance, arrival);
  if (routed instanceof GatewayError) {
    return isAboutServer(arrival, routed) ? NOTHING : refuse(entrance.services, routed);
  }
  let exchange = routed;
  exchange.begin();
  try {
    if (exchange.tenant.rules !== null) exchange.ruling = judge(exchange);
    const early = exchange.ruling?.isFirst === true ? ruledAnswer(exchange) : null;
    if (early === null) admit(exchange);
    const own = early ?? ruledAnswer(exchange);
    const change = exchange.ruling?.request ?? null;
    if (own === null && change !== null) exchange = exchange.changed(change);
    const answer = own ?? obtain(exchange);
    if (answer instanceof Promise) return deliverLate(exchange, answer);
    const reply = deliver(exchange, answer);
    return reply instanceof Promise ? reply.catch((error) => fail(exchange, error)) : reply;
  } catch (error) {
    return fail(exchange, error);
  }
}

async function deliverLate(exchange: Exchange, answer: Promise<Answer>): Promise<Reply> {
  try {
    const made = await answer;
    // What is whole waits for nobody but the gateway from here on.
    if (made.kind === "stored" && exchange.phases !== null && !exchange.hasLeft) exchange.enter("own");
    return await deliver(exchange, made);
  } catch (error) {
    return fail(exchange, error);
  }
}

/** Answers with an error; one that is a bug goes to the log with its cause. */
function fail(exchange: Exchange, thrown: unknown): Reply {
  const error = thrown instanceof GatewayError
    ? thrown
    : new GatewayError("internal", "The gateway failed", { cause: thrown });
  if (error.code === "internal") {
    exchange.services.logger.in("request").error("A request failed inside the gateway", {
      id: exchange.requestId,
      listener: exchange.tenant.name,
      cause: thrown instanceof Error ? thrown.stack ?? thrown.message : String(thrown),
    });
  }
  return replyOf(exchange, replaceError(exchange, errorAnswer(exchange, error)));
}

/** `OPTIONS *` asks about the server itself, as a ping does: it needs no listener (RFC 9110 §9.3.7). */
function isAboutServer({ method, target }: Arrival, { code }: GatewayError): boolean {
  return method === "OPTIONS" && target === "*" && code === "no_listener";
}

const NOTHING: Reply = {
  status: 204,
  fixed: null,
  lines: "",
  hasDate: false,
  lengthBytes: null,
  body: null,
  onEnd: null,
};

/** Answers a request that belongs to no listener. */
export function refuse(services: Services, error: GatewayError): Reply {
  return refusalReply(error, services.nextRequestId(), services.settings.name);
}
