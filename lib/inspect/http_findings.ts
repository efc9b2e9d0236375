import type { PoolConfig } from "../config/pool.ts";
import { formatDurationMs } from "../config/yaml/units.ts";
import { fieldValue } from "../http/fields.ts";
import { mediaTypeOf } from "../http/media_range.ts";
import { redact } from "../logging/redact.ts";
import type { UpstreamType } from "../upstream_type/upstream_type.ts";
import type { CheckAnswer } from "./ask_check.ts";
import type { Finding } from "./finding.ts";
import { shownMs } from "./way_findings.ts";

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
  const said = type.refusedBecause?.(answer.text) ?? null;
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
