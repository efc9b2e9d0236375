import { errorAnswer } from "../deliver/error_answer.ts";
import { GatewayError } from "../errors.ts";
import { refusal } from "../forward/refuse.ts";
import type { Field, Fields } from "../http/fields.ts";
import { RequestFields } from "../http/request_fields.ts";
import { requestTarget, splitKeyedPath } from "../http/target.ts";
import type { RouteTable } from "../listener/route_table.ts";
import { redact } from "../logging/redact.ts";
import type { Answer, MadeAnswer } from "../request/answer.ts";
import type { CacheNote } from "../request/cache_note.ts";
import type { ClientAuth, ClientIdentity } from "../request/client_auth.ts";
import { ByteAccount, type ByteRate } from "../request/byte_rate.ts";
import type { ClientRate } from "../request/client_rate.ts";
import { CLIENT_NAME } from "../request/client_table.ts";
import { Exchange } from "../request/exchange.ts";
import type { Ruling } from "../request/ruling.ts";
import type { Services } from "../request/services.ts";
import type { Tenant } from "../request/snapshot.ts";
import type { Arrival } from "../server/arrival.ts";

/** The worker's services, and the routes of the address that a request came to. */
export interface Entrance {
  readonly services: Services;
  /** `undefined` where the address has just left the configuration. */
  readonly table: RouteTable<Tenant> | undefined;
}

const NO_NAMES: ReadonlySet<string> = new Set();

/** The request with the listener that takes it, without its client's tokens; the error that answers it where none does. */
export function route({ services, table }: Entrance, arrival: Arrival): Exchange | GatewayError {
  const fields = new RequestFields(arrival.fields);
  const target = requestTarget(arrival.target, fields.header("host") ?? "");
  const refused = refusal(arrival, target);
  if (refused !== null || target === null) return refused!;
  const keyed = table?.isKeyed === true ? splitKeyedPath(target.path) : null;
  const routed = keyed === null ? target : { ...target, path: keyed.path };
  const tenant = table?.match(routed.authority, routed.path === "*" ? "/" : routed.path);
  if (tenant === undefined || (routed.path === "*" && tenant.prefix !== "/")) return noListener(routed.path);
  if (table!.isDoubtful(routed.authority, routed.path, tenant)) return doubtful();
  const identity = tenant.auth?.identify({ target: routed, fields, pathToken: keyed?.token ?? null }) ?? null;
  if (identity === null && keyed !== null) fields.hide({ names: NO_NAMES, texts: [keyed.token] });
  const keyPrefix = keyed === null ? "" : `/~${keyed.token}`;
  return new Exchange({ services, tenant, arrival, fields, target: identity?.target ?? routed, identity, keyPrefix });
}

function noListener(path: string): GatewayError {
  const safe = redact(path);
  const shown = safe.length > 100 ? `${safe.slice(0, 100)}…` : safe;
  return new GatewayError("no_listener", `No listener serves "${shown}"`, {
    hint: "The listeners' prefixes and hosts are in the configuration; the admin address shows them at /status",
  });
}

/** Refuses whoever asks: which listener's clients may see the answer depends on how the upstream reads the path. */
function doubtful(): GatewayError {
  return new GatewayError("bad_request", "Read by an upstream, the path may be one of another listener", {
    hint: "Write the path plainly: without needless escapes, empty segments, backslashes and semicolons",
  });
}

/**
 * Admits a request: known clients alone on a closed listener, and each within its quota.
 *
 * @throws {GatewayError} `unauthorized`; `rate_limited` for a client over its quota, or an address that has tried too many wrong tokens
 */
export function admit(exchange: Exchange): void {
  const { tenant, identity } = exchange;
  if (identity !== null) authorize(exchange, tenant.auth!, identity);
  if (tenant.clientRate !== null) takeQuota(exchange, tenant.clientRate);
  if (tenant.byteRate !== null) takeBytes(exchange, tenant.byteRate);
}

/** Refuses a client without a valid token. A browser's preflight carries none and is answered here, so it passes. */
function authorize(exchange: Exchange, auth: ClientAuth, identity: ClientIdentity): void {
  if (isPreflight(exchange)) return;
  const { counts } = exchange.tenant;
  const nowMs = exchange.services.clock.now();
  const blockedSeconds = identity.hasToken ? auth.blockedSeconds(exchange.client, nowMs) : 0;
  if (blockedSeconds > 0) {
    counts.authBlocked++;
    throw new GatewayError("rate_limited", "Too many wrong tokens came from this address", {
      hint: "Wait as long as Retry-After says, and check the client's token",
      retryAfterSeconds: blockedSeconds,
    });
  }
  if (identity.client !== null) return;
  counts.unauthorized++;
  auth.failed(identity.wrong, exchange.client, nowMs);
  throw new GatewayError(
    "unauthorized",
    identity.hasToken ? "The token is not valid here" : "This gateway is closed: a token is needed",
    { hint: "The operator has a token for each client; docs/access.md says where a client can put it" },
  );
}

/** What tells clients apart, by name. */
function identifying(exchange: Exchange): (name: string) => string | null {
  return (name) => name === CLIENT_NAME ? exchange.clientName : exchange.header(name);
}

/** Counts a request against its client's quota; the response states what is left (`RateLimit`, `RateLimit-Policy`). */
function takeQuota(exchange: Exchange, rate: ClientRate): void {
  const verdict = rate.take(exchange.client, identifying(exchange), exchange.services.clock.now());
  exchange.quotaFields = [["ratelimit-policy", rate.policyField], ["ratelimit", rate.field(verdict)]];
  if (verdict.allowed) return;
  exchange.tenant.counts.rateLimited++;
  throw new GatewayError("rate_limited", "Too many requests", {
    hint: "Wait as long as Retry-After says; the operator's limit is rate_limit of the listener",
    retryAfterSeconds: verdict.resetSeconds,
  });
}

/** Refuses a client that was sent more than its quota; what this response holds is counted as it is sent. */
function takeBytes(exchange: Exchange, rate: ByteRate): void {
  const key = rate.keyOf(exchange.client, identifying(exchange));
  const verdict = rate.look(key, exchange.services.clock.now());
  const [policy, state] = exchange.quotaFields ?? [];
  const joined = (before: Field | undefined, member: string) =>
    before === undefined ? member : `${before[1]}, ${member}`;
  exchange.quotaFields = [
    ["ratelimit-policy", joined(policy, rate.policyField)],
    ["ratelimit", joined(state, rate.field(verdict))],
  ];
  if (verdict.allowed) {
    exchange.byteAccount = new ByteAccount(rate, key, exchange.services.clock);
    return;
  }
  exchange.tenant.counts.rateLimited++;
  throw new GatewayError("rate_limited", "Too many bytes were sent to this client", {
    hint: "Wait as long as Retry-After says; the operator's limit is rate_limit.bytes of the listener",
    retryAfterSeconds: verdict.resetSeconds,
  });
}

/** The ruling of the listener's rules on a request; `null` where none applies. */
export function judge(exchange: Exchange): Ruling | null {
  const { tenant: { rules } } = exchange;
  return rules === null ? null : rules.judge(exchange);
}

/**
 * The request as its listener's rules change it, also where one of them answers it: for requests of the gateway's own, and for `explain`.
 *
 * @throws {GatewayError} as {@linkcode Rules.judge}
 */
export function ruled(exchange: Exchange): Exchange {
  exchange.ruling = judge(exchange);
  const change = exchange.ruling?.request ?? null;
  return change === null ? exchange : exchange.changed(change);
}

/** The answer that a rule gives; `null` where none does, and for a preflight, which rules do not answer. */
export function ruledAnswer(exchange: Exchange): MadeAnswer | null {
  const { ruling, tenant, keyPrefix } = exchange;
  const reply = ruling === null ? null : ruling.reply;
  if (reply === null || (!ruling!.isFirst && isPreflight(exchange))) return null;
  const { status, location, body, contentType, rule } = reply;
  if (body === null && status >= 400) {
    const error = new GatewayError("refused_by_rule", "A rule of this listener refuses the request", {
      status,
      hint: `The operator finds it as rule ${rule + 1} of listener ${tenant.name}`,
    });
    return errorAnswer(exchange, error);
  }
  const prefix = tenant.stripPrefix && tenant.prefix !== "/" ? tenant.prefix : "";
  const target = location?.startsWith("/") === true ? keyPrefix + prefix + location : location;
  return {
    kind: "made",
    note: NO_NOTE,
    status,
    // The rule may answer another client otherwise.
    fields: [["cache-control", "no-store"], ...(body === "" ? [] : [["content-type", contentType] as Field])],
    ownFields: target === null ? [] : [["location", target]],
    body: new TextEncoder().encode(body ?? ""),
  };
}

const NO_NOTE: CacheNote = { result: "none", status: "", ageSeconds: null };

/** Whether a request is a CORS preflight to a listener that answers those itself (Fetch standard, CORS-preflight request). */
export function isPreflight(exchange: Exchange): boolean {
  return exchange.method === "OPTIONS" && exchange.tenant.cors !== null &&
    exchange.asSent.header("access-control-request-method") !== null;
}

/** Answers a preflight without an upstream, whose CORS fields would be dropped anyway. */
export function preflightAnswer(exchange: Exchange): Answer {
  const cors = exchange.tenant.cors!;
  const ownFields = cors.preflightFields((name) => exchange.asSent.header(name));
  const fields: Fields = [["vary", `${cors.isByOrigin ? "Origin, " : ""}Access-Control-Request-Headers`]];
  return { kind: "made", note: NO_NOTE, status: 204, fields, ownFields, body: null };
}
