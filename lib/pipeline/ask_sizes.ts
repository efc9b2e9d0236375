import { discard, type UpstreamAnswer } from "../forward/attempt.ts";
import { type AskOptions, askUpstreams } from "../forward/forward.ts";
import type { Ask } from "../forward/outgoing.ts";
import type { Field } from "../http/fields.ts";
import type { Exchange } from "../request/exchange.ts";

/**
 * Asks upstreams; where they do not have a picture in the asked size, and its listener falls back, for larger sizes until they have
 * one. `Content-Location` then names what came (RFC 9110 §8.7). A picture that is gone in every size is a 404 as before.
 *
 * @throws {GatewayError} as {@linkcode askUpstreams}, also for a larger size: that the picture is gone is not known then
 */
export async function askSizes(exchange: Exchange, ask: Ask, options: AskOptions = {}): Promise<UpstreamAnswer> {
  const { sizing } = exchange.tenant;
  exchange.largerPath = null;
  const answer = await askUpstreams(exchange, ask, options);
  const larger = sizing === null ? null : sizing.larger;
  if (larger === null || !isMissing(answer) || !mayFallBack(exchange, ask)) return answer;
  return await askLarger(exchange, { ask, options, missing: answer }, larger(exchange.path));
}

interface MissingSize {
  readonly ask: Ask;
  readonly options: AskOptions;
  /** The 404 for the asked size. */
  readonly missing: UpstreamAnswer;
}

async function askLarger(
  exchange: Exchange,
  { ask, options, missing }: MissingSize,
  paths: readonly string[],
): Promise<UpstreamAnswer> {
  let answer = missing;
  for (const path of paths) {
    if (options.isWanted?.() === false || options.signal?.aborted === true) return answer;
    discard(answer);
    exchange.largerPath = path;
    answer = await askUpstreams(exchange, ask, { ...options, avoid: undefined });
    if (!isMissing(answer)) return located(exchange, answer, path);
  }
  // It speaks of the asked picture, in whatever size it came.
  exchange.largerPath = null;
  return answer;
}

function isMissing({ response: { status } }: UpstreamAnswer): boolean {
  return status === 404;
}

/** Content is sent once, and what is private or changes something is asked as the client asks. */
function mayFallBack(exchange: Exchange, { method, body }: Ask): boolean {
  return (method === "GET" || method === "HEAD") && body === null && exchange.private === null;
}

/** The answer with the path of its picture: as the upstream has it where fields are led back to the listener, else as the listener has it. */
function located(exchange: Exchange, answer: UpstreamAnswer, path: string): UpstreamAnswer {
  const { response, upstream } = answer;
  const { wayBack, pool } = exchange.tenant;
  const named = wayBack === null ? path : pool.endpoints.get(upstream.id)!.basePath + path;
  const fields = response.fields.filter(([name]) => name !== "content-location");
  return answer.with({ ...response, fields: [...fields, ["content-location", named] as Field] });
}
