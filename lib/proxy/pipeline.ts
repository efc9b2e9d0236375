import { isVaryMarker, selectedKey } from "../cache/variants.ts";
import type { Found } from "../cache/store.ts";
import { evaluate, type Verdict } from "../cache/policy.ts";
import { GatewayError } from "../errors.ts";
import { RequestFields } from "../http/field_source.ts";
import { selectingFields } from "../http/vary.ts";
import type { RouteTable } from "../listener/route_table.ts";
import { forwardNote, hitNote } from "./cache_note.ts";
import { type ConnectionFacts, Exchange } from "./exchange.ts";
import { passThrough } from "./pass_through.ts";
import { refusal } from "./refusal.ts";
import { respondError, respondRefusal, respondStored } from "./respond.ts";
import { fetchShared, revalidateInBackground } from "./shared_fetch.ts";
import type { Services } from "./services.ts";
import type { Tenant } from "./snapshot.ts";
import { splitTarget } from "../http/target.ts";

/** Where a request came in: the worker's services, and the routes of the address. */
export interface Entrance {
  readonly services: Services;
  /** `undefined` where the address has just left the configuration. */
  readonly table: RouteTable<Tenant> | undefined;
}

/**
 * The whole life of a request: route it, look for a stored response, judge it, and answer from the store or from an upstream.
 * With a response in memory nothing is awaited.
 */
export function handle(
  { services, table }: Entrance,
  request: Request,
  connection: ConnectionFacts,
): Response | Promise<Response> {
  const target = splitTarget(request.url);
  const fields = new RequestFields(request);
  const refused = refusal(request, target, fields);
  if (refused !== null || target === null) return refuse(services, refused!);
  const tenant = table?.match(target.authority, target.path);
  if (tenant === undefined) return refuse(services, noListener(target.path));
  const exchange = new Exchange({ services, tenant, request, fields, target, connection });
  try {
    const response = serve(exchange);
    return response instanceof Promise ? response.catch((error) => failed(exchange, error)) : response;
  } catch (error) {
    return failed(exchange, error);
  }
}

/** Serves a routed request: past the cache, or by what it holds. */
export function serve(exchange: Exchange): Response | Promise<Response> {
  const { tenant, services, method } = exchange;
  if (tenant.policy === null) return passThrough(exchange, "bypass", null);
  if (method !== "GET" && method !== "HEAD") return passThrough(exchange, "method", null);
  if (exchange.private !== null) return passThrough(exchange, "bypass", exchange.private);
  const found = services.store.get(exchange.key);
  return found instanceof Promise ? found.then((late) => select(exchange, late)) : select(exchange, found);
}

/** Goes on to the variant that the request selects, where the key has several. */
function select(exchange: Exchange, found: Found | undefined): Response | Promise<Response> {
  if (found === undefined || !isVaryMarker(found.response)) return decide(exchange, found, false);
  const header = (name: string) => exchange.header(name);
  const key = selectedKey(found.response, (names) => selectingFields(names, header));
  const variant = exchange.services.store.get(key);
  return variant instanceof Promise
    ? variant.then((late) => decide(exchange, late, true))
    : decide(exchange, variant, true);
}

function decide(exchange: Exchange, found: Found | undefined, isVariant: boolean): Response | Promise<Response> {
  const context = { options: exchange.tenant.policy!, nowMs: exchange.services.clock.now() };
  const verdict = evaluate(exchange, found?.response, context);
  switch (verdict.kind) {
    case "hit":
      return respondStored(
        exchange,
        found!.response,
        hitNote(exchange, found!.response, found!.tier === "memory" ? "hit_memory" : "hit_disk"),
      );
    case "stale_while_revalidate":
      revalidateInBackground(exchange, found!.response);
      return respondStored(exchange, found!.response, hitNote(exchange, found!.response, "stale"));
    case "bypass":
      return passThrough(exchange, verdict.fwd ?? "bypass", verdict.detail);
    default:
      return fetch(exchange, found, isVariant && found === undefined ? { ...verdict, fwd: "vary-miss" } : verdict);
  }
}

function fetch(exchange: Exchange, found: Found | undefined, verdict: Verdict): Promise<Response> {
  if (verdict.onlyIfCached) {
    throw new GatewayError("only_if_cached", "The request wants a stored response only, and none can be used");
  }
  const fwd = verdict.fwd ?? "miss";
  // A part of what is not stored, and HEAD, go to the upstream as they are: nothing whole comes back that could be stored.
  if (exchange.method === "HEAD" || exchange.header("range") !== null) {
    return passThrough(exchange, fwd, verdict.detail);
  }
  return fetchShared(exchange, { fwd, stale: verdict.kind === "validate" ? found!.response : null });
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
  const shown = path.length > 100 ? `${path.slice(0, 100)}…` : path;
  return new GatewayError("no_listener", `No listener serves "${shown}"`, {
    hint: "The listeners' prefixes and hosts are in the configuration; the admin address shows them at /status",
  });
}
