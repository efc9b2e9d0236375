import type { Clock } from "../clock.ts";
import type { Config } from "../config/config.ts";
import type { PoolConfig } from "../config/pool.ts";
import type { UpstreamConfig } from "../config/upstream.ts";
import {
  type CheckResponse,
  type CheckResult,
  type CheckSpec,
  type CheckTransport,
  runCheck,
} from "../health/check.ts";
import { type Fields, fieldValue } from "../http/fields.ts";
import { parseHttpDate } from "../http/http_date.ts";
import { createUpstreamType } from "../upstream_type/registry.ts";
import type { UpstreamType } from "../upstream_type/upstream_type.ts";
import { createTransport } from "../gateway/compile_pool.ts";
import { monitoredPools } from "../gateway/health_targets.ts";

/** Which upstream is asked, and for how long. */
export interface CheckOrder {
  readonly config: Config;
  readonly pool: PoolConfig;
  readonly upstream: UpstreamConfig;
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** What one health check brought. */
export interface CheckAnswer {
  readonly result: CheckResult;
  readonly method: string;
  /** Path and query, without what the type adds. */
  readonly target: string;
  /** `null` where there was no response. */
  readonly status: number | null;
  readonly fields: Readonly<Fields>;
  /** At most 64 KiB of its body. */
  readonly text: string;
  /** What went wrong below HTTP, in the transport's words; `null` where nothing did. */
  readonly failure: string | null;
  /** Milliseconds by which this machine's clock is ahead of the upstream's; `null` where that gave no time. */
  readonly aheadMs: number | null;
}

/** Sends one upstream the health check of its pool, as the health worker does; `null` where the pool has none. Never throws. */
export async function askCheck(order: CheckOrder): Promise<CheckAnswer | null> {
  const { config, pool, upstream, clock } = order;
  const transport = createTransport(upstream, clock);
  try {
    const alone = { ...config, pools: [{ ...pool, upstreams: [upstream] }] };
    const [monitored] = monitoredPools(alone, { clock, transportOf: () => transport });
    const { check, transport: way } = monitored!.upstreams[0]!;
    return check === null ? null : await ask(check, way, order);
  } finally {
    transport.close();
  }
}

/** The type of a pool, for what it says of paths and bodies. */
export function typeOfPool({ type, keyMode, contentTypes }: PoolConfig, clock: Clock): UpstreamType {
  return createUpstreamType(type, { apiKeys: [], keyMode, contentTypes, now: () => clock.now() });
}

/**
 * The pool with a check that reads nothing of a user's and changes nothing: its type's own where the configured path is not known to be
 * so.
 */
export function withSafeCheck(pool: PoolConfig, clock: Clock): PoolConfig {
  const { path: given } = pool.health;
  if (given === null) return pool;
  const [path = "", query = ""] = given.split("?", 2);
  const routeClass = typeOfPool(pool, clock).classify({ method: "GET", path, query, header: () => null });
  return routeClass.private === null ? pool : withDefaultCheck(pool);
}

/** The pool with its type's own check. */
export function withDefaultCheck(pool: PoolConfig): PoolConfig {
  const check = { ...pool.health.check, contains: null };
  const health = { ...pool.health, method: null, path: null, fields: {}, status: null, check };
  return { ...pool, health };
}

async function ask(check: CheckSpec, way: CheckTransport, { timeoutMs, clock }: CheckOrder): Promise<CheckAnswer> {
  let response: CheckResponse | null = null;
  let failure: string | null = null;
  let text = "";
  const observed: CheckTransport = {
    async send(request, options) {
      try {
        return response = await way.send(request, options);
      } catch (error) {
        failure = error instanceof Error ? error.message : String(error);
        throw error;
      }
    },
  };
  const judge: CheckSpec["judge"] = (status, fields, bodyText) => {
    text = bodyText;
    return check.judge!(status, fields, bodyText);
  };
  const result = await runCheck({ ...check, timeoutMs, judge }, observed, {
    now: () => performance.now(),
    schedule(call, delayMs) {
      const timer = setTimeout(call, delayMs);
      return () => clearTimeout(timer);
    },
  });
  const { status, fields } = (response ?? { status: null, fields: [] }) as { status: number | null; fields: Fields };
  const aheadMs = aheadOf(fields, clock.now());
  return { result, method: check.method, target: check.target, status, fields, text, failure, aheadMs };
}

/** A response from a cache on the way is as old as its `Age` says (RFC 9111 §5.1). */
function aheadOf(fields: Readonly<Fields>, nowMs: number): number | null {
  const dateMs = parseHttpDate(fieldValue(fields, "date") ?? "", nowMs);
  if (dateMs === null) return null;
  const ageSeconds = Number(/^\s*(\d{1,9})/.exec(fieldValue(fields, "age") ?? "")?.[1] ?? 0);
  return nowMs - dateMs - ageSeconds * 1000;
}
