import { within } from "../clock.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { Exchange } from "../request/exchange.ts";
import { type Attempt, attempt, type AttemptOptions, discard } from "./attempt.ts";

/** A try that a second one beside it may overtake. */
export interface HedgeableAttempt extends AttemptOptions {
  /** Upstreams that were tried; that of the second try is added. */
  readonly tried: Set<Upstream>;
}

/** Asks one upstream, and another one beside it when the first is late, where the pool says so and the request may be sent twice. */
export function attemptHedged(exchange: Exchange, options: HedgeableAttempt): Promise<Attempt> {
  const { hedge } = exchange.tenant.pool;
  if (hedge === null || !isHedgeable(exchange, options)) return attempt(exchange, options);
  const delayMs = hedge.begin();
  const startedAtMs = performance.now();
  const first = new Runner(exchange, options);
  const settled = first.result.finally(() => hedge.record(performance.now() - startedAtMs));
  if (delayMs === null) return settled;
  return within(settled, delayMs, null).then((ended) => ended ?? hedged(exchange, first, options));
}

/** GET requests whose response is no user's own: a second one changes nothing and discloses nothing. */
function isHedgeable(exchange: Exchange, { ask }: AttemptOptions): boolean {
  if (ask.method !== "GET" || ask.body !== null || exchange.private !== null) return false;
  return exchange.header("cookie") === null &&
    (exchange.header("authorization") === null || exchange.sharedAuthorization);
}

/** The first try is late: a second one is made beside it, if it may be. */
async function hedged(exchange: Exchange, first: Runner, options: HedgeableAttempt): Promise<Attempt> {
  const second = secondTry(exchange, options);
  if (second === null) return first.result;
  const { upstream } = second;
  const { counts } = exchange.tenant.pool;
  counts.hedges++;
  options.tried.add(upstream);
  const ended = await firstGood(first, new Runner(exchange, { ...options, ...second, isBeside: true }));
  if (ended.upstream === upstream && isGood(ended)) counts.hedgesWon++;
  return ended;
}

/** Another upstream that may be given a request at once, if one more hedge was earned and a credential has room for it. */
function secondTry(
  exchange: Exchange,
  { upstream, tried }: HedgeableAttempt,
): Pick<AttemptOptions, "upstream" | "outgoing"> | null {
  const { pool: { pool, hedge, keyRoom }, type } = exchange.tenant;
  const taken = new Set(tried).add(upstream);
  // A rule may pin the upstream, and a backup is not asked because another upstream is late.
  const second = exchange.pinned === null ? pool.select(taken, exchange.keyHash, exchange.services.clock.now()) : null;
  if (second === null || second.isBackup || taken.has(second) || keyRoom.size > 0 || !hedge!.take()) return null;
  const outgoing = type.outgoing(exchange);
  if ("waitMs" in outgoing) return null;
  second.begin(exchange.services.clock.now());
  return { upstream: second, outgoing };
}

/** The try that answers well first; the other is cancelled. Where neither does, the one that ended last. */
async function firstGood(one: Runner, other: Runner): Promise<Attempt> {
  const winner = await Promise.race([one.result.then(() => one), other.result.then(() => other)]);
  const loser = winner === one ? other : one;
  const ended = await winner.result;
  if (isGood(ended)) {
    loser.cancel();
    return ended;
  }
  const late = await loser.result;
  winner.cancel();
  return late;
}

function isGood(ended: Attempt): boolean {
  return ended.kind === "answer" && ended.answer.judgement === "ok";
}

/** A try that can be cancelled. */
class Runner {
  readonly result: Promise<Attempt>;
  readonly #abort = new AbortController();

  constructor(exchange: Exchange, options: AttemptOptions) {
    const { signal } = options;
    const follow = () => this.#abort.abort(signal?.reason);
    if (signal?.aborted) follow();
    else signal?.addEventListener("abort", follow, { once: true });
    this.result = attempt(exchange, { ...options, signal: this.#abort.signal });
  }

  /** Ends the try, or gives up its answer. */
  cancel(): void {
    this.#abort.abort();
    this.result.then((ended) => ended.kind === "answer" && discard(ended.answer));
  }
}
