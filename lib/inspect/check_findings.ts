import { messageOf } from "../errors.ts";
import { type Clock, schedule } from "../clock.ts";
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
import { upstreamTypes } from "../upstream_type/registry.ts";
import type { UpstreamType } from "../upstream_type/upstream_type.ts";
import { createTransport } from "../gateway/compile_pool.ts";
import { monitoredPools } from "../gateway/health_targets.ts";
import { formatDurationMs } from "../config/yaml/units.ts";
import { mediaTypeOf } from "../http/media_range.ts";
import { redact } from "../logging/redact.ts";
import { type Finding, shownMs } from "./finding.ts";

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
  return upstreamTypes.create(type, { apiKeys: [], keyMode, contentTypes, now: () => clock.now() });
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
        failure = messageOf(error);
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
    schedule,
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

/** Longest reason that is shown, in characters. */
const MAX_FAULT = 200;

/** What the answer to a pool's health check says of an upstream. */
export function httpFinding(answer: CheckAnswer | null, pool: PoolConfig): Finding {
  const check = "http";
  if (answer === null) {
    return { check, state: "skip", text: "health checks are off for this pool: nothing was asked", remedy: null };
  }
  const { result: { verdict, latencyMs }, method, target, status } = answer;
  const asked = redact(`${method} ${target}`);
  const took = shownMs(latencyMs);
  if (verdict === "fail") {
    return { check, state: "fail", text: `${asked}: ${faultOf(answer)}`, remedy: remedyFor(answer) };
  }
  if (status === 429) {
    const remedy = "it limits this address or key: wait, or hold requests back with `max_rps` and `rate_limit`";
    return { check, state: "warn", text: `${asked}: 429 in ${took}`, remedy };
  }
  if (latencyMs > pool.health.check.timeoutMs) {
    const remedy = `raise \`health.timeout\` (${
      formatDurationMs(pool.health.check.timeoutMs)
    }): it would be taken out for this`;
    return { check, state: "warn", text: `${asked}: ${status} only after ${took}`, remedy };
  }
  const note = status === 401 || status === 403 ? ", which says that the host is well" : "";
  return { check, state: "ok", text: `${asked}: ${status} in ${took}${note}`, remedy: null };
}

function faultOf({ status, fields, failure, result: { reason } }: CheckAnswer): string {
  if (status === null) {
    const said = failure === null || reason.startsWith("no answer") ? reason : failure;
    return redact(said).replace(/^Cannot connect: /, "").slice(0, MAX_FAULT);
  }
  const type = mediaTypeOf(fieldValue(fields, "content-type")).slice(0, 60);
  const location = fieldValue(fields, "location");
  const to = location === null ? "" : ` to ${redact(location).slice(0, 120)}`;
  const detail = reason === `status ${status}` ? "" : `, ${reason}`;
  return `status ${status}${type === "" ? "" : ` ${type}`}${to}${detail}`;
}

const FILTERED =
  "something else answers in the upstream's place, such as a filter's page: add `proxy: …`, or pin an address " +
  "with `resolve: ADDRESS`";

/** Why there is no whole answer, although it may have begun. */
const UNFINISHED = /^no answer|timeout|reset|truncated|protocol/;

function remedyFor({ status, fields, result: { reason } }: CheckAnswer): string {
  if (status === null || UNFINISHED.test(reason)) return withoutAnswer(reason);
  const isPage = mediaTypeOf(fieldValue(fields, "content-type")) === "text/html";
  if (status < 300) {
    return isPage ? FILTERED : "it is not what the pool carries: see `content_types` and `health.contains`";
  }
  if (status < 400) return isPage ? FILTERED : "give the address that it leads to as the upstream's `url`";
  if (status === 401 || status === 403) {
    return isPage ? FILTERED : "it wants credentials: give them in `health.fields`, or a `health.path` that needs none";
  }
  if (status < 500) return "give a `health.path` that it has, or the statuses that mean well in `health.status`";
  return "it is in trouble itself: try again later, and give the pool another upstream";
}

function withoutAnswer(reason: string): string {
  if (/^no answer|timeout/.test(reason)) {
    return "it takes the connection and does not answer in time: see that it is not overloaded, and that nothing on the way filters";
  }
  if (reason === "protocol") return "what it says is not HTTP/1.1: see that scheme and port are right";
  if (/reset|truncated/.test(reason)) {
    return "the connection broke: it may be filtered (add `proxy: …`), or the upstream is failing";
  }
  return "see the lines above";
}

/** What the answer to a type's own check says of the one key that went with it. */
export function keyFinding(place: number, answer: CheckAnswer | null, type: UpstreamType): Finding {
  const check = `key ${place}`;
  const status = answer?.status ?? null;
  if (answer === null || status === null) {
    return { check, state: "skip", text: "no upstream answered: nothing is known of it", remedy: null };
  }
  if (status >= 200 && status < 300) return { check, state: "ok", text: "valid", remedy: null };
  const said = type.refusedBecause(answer.text);
  if (status === 429) {
    const remedy =
      "requests with it are over its limit: wait, give another key, or hold requests back with `rate_limit`";
    return { check, state: "warn", text: `limited (429${said === null ? "" : `, ${said}`})`, remedy };
  }
  if (status === 401 || status === 403) {
    const remedy =
      "take a valid one from the account it belongs to into `api_keys`, or leave it out: it is passed over";
    return { check, state: "fail", text: `refused (${status}${said === null ? "" : `, ${said}`})`, remedy };
  }
  return { check, state: "skip", text: `nothing is known of it: status ${status}`, remedy: null };
}
