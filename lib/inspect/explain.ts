import type { ListenAddress } from "../config/addresses.ts";
import type { Config } from "../config/config.ts";
import type { Loaded } from "../config/load.ts";
import type { ListenerConfig } from "../config/listener.ts";
import { GatewayError } from "../errors.ts";
import { addressKey } from "../gateway/compile.ts";
import { type AskedRequest, DryRun } from "./dry_run.ts";
import { likelyContentType, madeUpAnswer, type RoutedCase, type RuleNames } from "./explain_answers.ts";
import { authorityAt, entrancesOf, listenerVerdicts, nearestListener } from "./explain_routes.ts";
import { servedView } from "./explain_served.ts";
import type { Explanation, RefusedView } from "./explanation.ts";
import { shownTarget, withoutTokens } from "./shown_request.ts";

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

/** Calls a cache rule by its place and its line in the file that the configuration was read from. */
export function ruleNamesOf({ placeOf }: Pick<Loaded, "placeOf">): RuleNames {
  return (listener, rule) => `rule ${rule + 1}, line ${placeOf(["listeners", listener, "cache", "rules", rule]).line}`;
}

/** What the gateway would do with a request, found out by doing it, to upstreams that are made up: nothing is sent anywhere. */
export async function explain(config: Config, request: ExplainRequest, ruleNames: RuleNames): Promise<Explanation> {
  const entrances = entrancesOf(config, request.to);
  const [path = ""] = request.target.split("?", 1);
  const routed = { authority: request.authority, path };
  const listeners = listenerVerdicts(config, entrances, routed);
  // One after the other, here and below: a gateway is made for each, and not all are to be there at once.
  const found = await Array.fromAsync(entrances.addresses, (address) => {
    const taker = config.listeners.find(({ listen }, place) =>
      listeners[place]!.takes && addressKey(listen) === addressKey(address)
    );
    return routedCase(narrowed(config, taker), address, request);
  });
  const refused = found.find((one) => one instanceof GatewayError);
  const cases = found.flatMap((one) => one === null || one instanceof GatewayError ? [] : [one]);
  return {
    request: {
      method: request.method,
      authority: request.authority,
      target: shownTarget(withoutTokens(request.target, config.listeners), keysOf(config)),
    },
    note: entrances.note,
    listeners,
    nearest: cases.length > 0 || refused !== undefined ? null : nearestListener(config, routed),
    refused: refused === undefined ? null : refusedView(refused),
    served: await Array.fromAsync(cases, (one) => servedView(one, ruleNames)),
  };
}

/** The configuration without what makes no difference to a request of one listener: a gateway is made of it for each answer that is tried out. */
function narrowed(config: Config, listener: ListenerConfig | undefined): Config {
  const pools = new Set([listener?.pool, ...listener?.rules.map(({ pool }) => pool) ?? []]);
  return {
    ...config,
    pools: config.pools.map((pool) => pools.has(pool.name) ? pool : { ...pool, upstreams: pool.upstreams.slice(0, 1) }),
    listeners: config.listeners.map((each) =>
      each === listener ? each : { ...each, rules: [], cache: { ...each.cache, rules: [] } }
    ),
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
