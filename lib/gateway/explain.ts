import type { Config, ListenAddress, UpstreamConfig } from "../config/config.ts";
import { formatListenAddress } from "../config/addresses.ts";
import { GatewayError } from "../errors.ts";
import { addressKey } from "./compile.ts";
import { type AskedRequest, DryRun, tryOut } from "./dry_run.ts";
import { cacheView, likelyContentType, madeUpAnswer, type RoutedCase, type RuleNames } from "./explain_answers.ts";
import { requestSettings } from "./explain_settings.ts";
import { authorityAt, entrancesOf, listenerVerdicts, nearestListener } from "./explain_routes.ts";
import type { Explanation, RefusedView, ServedView, UpstreamView } from "./explanation.ts";
import { shownFields, shownTarget } from "./shown_request.ts";

/** A request to explain. */
export interface ExplainRequest {
  readonly method: string;
  /** Host and port that it is sent to; `null` where only its path is known. */
  readonly to: { readonly hostname: string; readonly port: number } | null;
  /** `Host` that it names; `null` leaves it to the address. */
  readonly authority: string | null;
  /** Raw path and query. */
  readonly target: string;
  /** Without `host`. */
  readonly fields: AskedRequest["fields"];
}

/** Upstreams of a pool that are shown at most. */
const MAX_UPSTREAMS = 32;
/** Longest answer of the gateway's own that is shown, in characters. */
const MAX_ANSWER = 300;

/** What the gateway would do with a request, found out by doing it, to upstreams that are made up: nothing is sent anywhere. */
export async function explain(config: Config, request: ExplainRequest, ruleNames: RuleNames): Promise<Explanation> {
  const entrances = entrancesOf(config, request.to);
  const [path = ""] = request.target.split("?", 1);
  const routed = { authority: request.authority, path };
  const listeners = listenerVerdicts(config, entrances, routed);
  const found = await Promise.all(entrances.addresses.map((address) => routedCase(config, address, request)));
  const refused = found.find((one) => one instanceof GatewayError);
  const cases = found.flatMap((one) => one === null || one instanceof GatewayError ? [] : [one]);
  return {
    request: {
      method: request.method,
      authority: request.authority,
      target: shownTarget(request.target, keysOf(config)),
    },
    note: entrances.note,
    listeners,
    nearest: cases.length > 0 || refused !== undefined ? null : nearestListener(config, routed),
    refused: refused === undefined ? null : refusedView(refused),
    served: await Promise.all(cases.map((one) => servedView(one, ruleNames))),
  };
}

function keysOf(config: Config): readonly string[] {
  return config.pools.flatMap(({ apiKeys }) => apiKeys);
}

/** The request at an address; `null` where no listener takes it there. */
async function routedCase(
  config: Config,
  address: ListenAddress,
  { method, authority, target, fields }: ExplainRequest,
): Promise<RoutedCase | GatewayError | null> {
  const host = authority ?? authorityAt(address);
  const asked: AskedRequest = { method, url: `http://${host}${target}`, fields: [...fields, ["host", host]] };
  await using dry = new DryRun(config, madeUpAnswer(200, "text/plain"));
  const exchange = dry.exchange(addressKey(address), asked);
  if (exchange === null || exchange instanceof GatewayError) return exchange;
  const pool = config.pools.find(({ name }) => name === exchange.tenant.pool.name)!;
  const contentType = likelyContentType(exchange.tenant.type, exchange.path);
  return { config, address: addressKey(address), asked, exchange, pool, contentType };
}

function refusedView({ status, code, message, hint }: GatewayError): RefusedView {
  return { status, code, message, hint: hint ?? null };
}

async function servedView(one: RoutedCase, ruleNames: RuleNames): Promise<ServedView> {
  const { exchange: { tenant, class: routeClass }, pool } = one;
  const listener = one.config.listeners.find(({ name }) => name === tenant.name)!;
  const outcome = await tryOut(one, madeUpAnswer(200, one.contentType));
  return {
    listener: tenant.name,
    address: formatListenAddress(listener.listen),
    pool: pool.name,
    type: pool.type,
    class: routeClass.name,
    private: routeClass.private,
    own_answer: outcome.sent.length > 0 ? null : { status: outcome.status, text: outcome.text.slice(0, MAX_ANSWER) },
    cache: await cacheView(one, ruleNames),
    upstreams: await Promise.all(pool.upstreams.slice(0, MAX_UPSTREAMS).map((each) => upstreamView(one, each))),
    settings: Object.fromEntries(
      requestSettings({ listener, pool, storing: tenant.storing, contentType: one.contentType }),
    ),
  };
}

/** The request as one upstream of the pool would get it: what becomes of it where the pool has no other. */
async function upstreamView(one: RoutedCase, upstream: UpstreamConfig): Promise<UpstreamView> {
  const { config, pool, contentType } = one;
  const alone = { ...pool, upstreams: [upstream] };
  const narrowed = { ...config, pools: config.pools.map((each) => each === pool ? alone : each) };
  const { sent: [request] } = await tryOut({ ...one, config: narrowed }, madeUpAnswer(200, contentType));
  return {
    id: upstream.id,
    weight: upstream.weight,
    proxy: upstream.proxy === null ? null : withoutUser(upstream.proxy),
    resolve: upstream.resolve,
    request: request === undefined ? null : {
      method: request.method,
      target: shownTarget(request.target, pool.apiKeys),
      fields: shownFields(request.fields, pool.apiKeys),
    },
  };
}

function withoutUser(proxy: string): string {
  const { protocol, host } = new URL(proxy);
  return `${protocol}//${host}`;
}
