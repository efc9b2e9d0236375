import { evaluate } from "../cache/policy.ts";
import type { Found } from "../cache/store.ts";
import { isVaryMarker, leadsTo, selectedKey } from "../cache/variants.ts";
import { GatewayError } from "../errors.ts";
import { forwardNote, hitNote } from "../request/cache_note.ts";
import { type ConnectionFacts, Exchange } from "../request/exchange.ts";
import type { Services } from "../request/services.ts";
import type { Tenant } from "../request/snapshot.ts";
import { refusal } from "../forward/refusal.ts";
import { RequestFields } from "../http/field_source.ts";
import { splitKeyedPath } from "../http/keyed_path.ts";
import { splitTarget } from "../http/target.ts";
import { selectingFields } from "../http/vary.ts";
import type { RouteTable } from "../listener/route_table.ts";
import { redact } from "../logging/redact.ts";
import { respondError, respondRefusal } from "../deliver/respond.ts";
import { needsOrigin, respondForm } from "../deliver/respond_form.ts";
import { admit } from "./admit.ts";
import { deriveMissing } from "./derive_missing.ts";
import { limitClient } from "./limit_client.ts";
import { fetchMissing } from "./miss.ts";
import { passThrough } from "./pass_through.ts";
import { isPreflight, respondPreflight } from "./preflight.ts";
import { revalidateInBackground } from "./shared_fetch.ts";

/** Where a request came in: the worker's services, and the routes of the address. */
export interface Entrance {
  readonly services: Services;
  /** `undefined` where the address has just left the configuration. */
  readonly table: RouteTable<Tenant> | undefined;
}

const NO_NAMES: ReadonlySet<string> = new Set();

/**
 * The whole life of a request: route it, look for a stored response, judge it, and answer from the store or from an upstream.
 * With a response in memory nothing is awaited.
 */
export function handle(
  entrance: Entrance,
  request: Request,
  connection: ConnectionFacts,
): Response | Promise<Response> {
  const exchange = route(entrance, request, connection);
  if (exchange instanceof GatewayError) return refuse(entrance.services, exchange);
  const { tenant, visitor } = exchange;
  exchange.begin();
  try {
    if (visitor !== null) admit(exchange, tenant.auth!, visitor);
    if (tenant.clientRate !== null) limitClient(exchange, tenant.clientRate);
    const response = serve(exchange);
    return response instanceof Promise ? response.catch((error) => failed(exchange, error)) : response;
  } catch (error) {
    return failed(exchange, error);
  }
}

/** The request with the listener that takes it, without its client's tokens; the error that answers it where none does. */
export function route(
  { services, table }: Entrance,
  request: Request,
  connection: ConnectionFacts,
): Exchange | GatewayError {
  const target = splitTarget(request.url);
  const fields = new RequestFields(request);
  const refused = refusal(request, target, fields);
  if (refused !== null || target === null) return refused!;
  const keyed = table?.isKeyed === true ? splitKeyedPath(target.path) : null;
  const routed = keyed === null ? target : { ...target, path: keyed.path };
  const tenant = table?.match(routed.authority, routed.path);
  if (tenant === undefined) return noListener(routed.path);
  const visitor = tenant.auth?.identify({ target: routed, fields, pathToken: keyed?.token ?? null }) ?? null;
  if (visitor === null && keyed !== null) fields.hide({ names: NO_NAMES, texts: [keyed.token] });
  const keyPrefix = keyed === null ? "" : `/~${keyed.token}`;
  const kept = visitor?.target ?? routed;
  return new Exchange({ services, tenant, request, fields, target: kept, connection, visitor, keyPrefix });
}

/** Serves a routed request: past the cache, or by what it holds. */
export function serve(exchange: Exchange): Response | Promise<Response> {
  const { tenant, services, method } = exchange;
  if (method === "OPTIONS" && isPreflight(exchange)) return respondPreflight(exchange);
  if (tenant.policy === null) return passThrough(exchange, { fwd: "bypass", detail: null });
  if (method !== "GET" && method !== "HEAD") return passThrough(exchange, { fwd: "method", detail: null });
  if (exchange.private !== null) return passThrough(exchange, { fwd: "bypass", detail: exchange.private });
  const found = services.store.get(exchange.key);
  return found instanceof Promise ? found.then((late) => select(exchange, late)) : select(exchange, found);
}

/** Goes on to the variant that the request selects, where the key has several. */
function select(exchange: Exchange, found: Found | undefined): Response | Promise<Response> {
  if (found === undefined || !isVaryMarker(found.response)) return decide(exchange, valid(exchange, found), false);
  const marker = found.response;
  exchange.variantsSinceMs = marker.requestTimeMs;
  const header = (name: string) => exchange.header(name);
  const key = selectedKey(marker, (names) => selectingFields(names, header));
  const go = (variant: Found | undefined) =>
    decide(
      exchange,
      variant !== undefined && leadsTo(marker, variant.response) ? valid(exchange, variant) : undefined,
      true,
    );
  const variant = exchange.services.store.get(key);
  return variant instanceof Promise ? variant.then(go) : go(variant);
}

/** What was found, unless an unsafe request has changed it since, in any worker (RFC 9111 §4.4). */
function valid(exchange: Exchange, found: Found | undefined): Found | undefined {
  if (found === undefined) return undefined;
  const { key, requestTimeMs } = found.response;
  return exchange.services.invalidations.since(key, requestTimeMs) ? undefined : found;
}

function decide(exchange: Exchange, found: Found | undefined, isVariant: boolean): Response | Promise<Response> {
  const context = { options: exchange.tenant.policy!, nowMs: exchange.services.clock.now() };
  const verdict = evaluate(exchange, found?.response, context);
  if (verdict.kind === "bypass") {
    return passThrough(exchange, { fwd: verdict.fwd ?? "bypass", detail: verdict.detail });
  }
  if (verdict.kind !== "hit" && verdict.kind !== "stale_while_revalidate") {
    const isVaryMiss = isVariant && found === undefined;
    const fetch = () => fetchMissing(exchange, found, isVaryMiss ? { ...verdict, fwd: "vary-miss" } : verdict);
    const { deriver } = exchange.tenant;
    return deriver === null ? fetch() : deriveMissing(exchange, deriver, fetch);
  }
  const { response, tier } = found!;
  if (needsOrigin(exchange, response)) return passThrough(exchange, { fwd: "request", detail: "precondition" });
  if (verdict.kind === "hit") {
    return respondForm(exchange, response, hitNote(exchange, response, tier === "memory" ? "hit_memory" : "hit_disk"));
  }
  revalidateInBackground(exchange, response);
  return respondForm(exchange, response, hitNote(exchange, response, "stale"));
}

function failed(exchange: Exchange, thrown: unknown): Response {
  const error = thrown instanceof GatewayError
    ? thrown
    : new GatewayError("internal", "The gateway failed", { cause: thrown });
  const { logger } = exchange.services;
  if (error.code === "internal") {
    const cause = thrown instanceof Error ? thrown.stack ?? thrown.message : String(thrown);
    logger.error("A request failed inside the gateway", {
      id: exchange.requestId,
      listener: exchange.tenant.name,
      cause,
    });
  }
  return respondError(exchange, error, forwardNote(exchange, { fwd: "miss", result: "none", detail: error.code }));
}

function refuse(services: Services, error: GatewayError): Response {
  return respondRefusal(error, services.nextRequestId(), services.settings.name);
}

function noListener(path: string): GatewayError {
  const safe = redact(path);
  const shown = safe.length > 100 ? `${safe.slice(0, 100)}…` : safe;
  return new GatewayError("no_listener", `No listener serves "${shown}"`, {
    hint: "The listeners' prefixes and hosts are in the configuration; the admin address shows them at /status",
  });
}
