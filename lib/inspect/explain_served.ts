import { hash } from "node:crypto";
import { formatListenAddress } from "../config/addresses.ts";
import type { ListenerConfig } from "../config/listener.ts";
import type { UpstreamConfig } from "../config/upstream.ts";
import { STEPS } from "../deliver/deliver.ts";
import type { Field } from "../http/fields.ts";
import { redact } from "../logging/redact.ts";
import type { RuleOptions } from "../rules/rule_set.ts";
import type { Exchange } from "../request/exchange.ts";
import { tryOut } from "./dry_run.ts";
import { cacheView, madeUpAnswer, type RoutedCase, type RuleNames } from "./explain_answers.ts";
import { requestSettings } from "./explain_settings.ts";
import type { RuleView, ServedView, UpstreamView } from "./explanation.ts";
import { shownFields, shownTarget } from "./shown_request.ts";

/** Upstreams of a pool that are shown at most. */
const MAX_UPSTREAMS = 32;
/** Longest answer of the gateway's own that is shown, in characters. */
const MAX_ANSWER = 300;

/** What the listener that takes a request does with it. */
export async function servedView(one: RoutedCase, ruleNames: RuleNames): Promise<ServedView> {
  const { exchange: { tenant, class: routeClass }, pool } = one;
  const listener = one.config.listeners.find(({ name }) => name === tenant.name)!;
  const outcome = await tryOut(one, madeUpAnswer(200, one.contentType));
  const inside = withToken(one, listener);
  return {
    listener: tenant.name,
    address: formatListenAddress(listener.listen),
    pool: pool.name,
    type: pool.type,
    class: routeClass.name,
    private: routeClass.private,
    own_answer: outcome.sent.length > 0
      ? null
      : { status: outcome.status, text: redact(outcome.text).slice(0, MAX_ANSWER) },
    cache: await cacheView(inside, ruleNames),
    upstreams: await Array.fromAsync(pool.upstreams.slice(0, MAX_UPSTREAMS), (each) => upstreamView(inside, each)),
    rules: ruleViews(one.exchange, listener.rules),
    delivery: STEPS.filter(({ concerns }) => concerns(tenant)).map(({ name }) => name),
    settings: Object.fromEntries(
      requestSettings({ listener, pool, exchange: one.exchange, contentType: one.contentType }),
    ),
  };
}

/**
 * The same request by a client that is let in, where this one is not: with a token that is made up, and so not known to anybody. What
 * else a closed listener does to it is then seen as well.
 */
function withToken(one: RoutedCase, listener: ListenerConfig): RoutedCase {
  const { auth } = listener;
  if (auth === null || one.exchange.clientName !== null) return one;
  const token = crypto.randomUUID();
  const tokens = [{ client: "any", sha256: hash("sha256", token) }];
  const closed = { ...listener, auth: { ...auth, tokens } };
  const listeners = one.config.listeners.map((each) => each === listener ? closed : each);
  const fields = [...one.asked.fields.filter(([name]) => name !== auth.header), [auth.header, token] as Field];
  return { ...one, config: { ...one.config, listeners }, asked: { ...one.asked, fields } };
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
    backup: upstream.backup,
    proxy: upstream.proxy === null ? null : withoutUser(upstream.proxy),
    resolve: upstream.resolve,
    request: request === undefined ? null : {
      method: request.method,
      target: shownTarget(request.target, pool.apiKeys),
      fields: shownFields(request.fields, pool.apiKeys).map(([name, value]): Field =>
        // It may be a secret, and where it comes from is what is asked.
        isPut(one, name) ? [name, "[set by a rule]"] : [name, value]
      ),
    },
  };
}

function isPut({ exchange }: RoutedCase, name: string): boolean {
  const changes = exchange.ruling?.request?.fields ?? [];
  return changes.some((change) => change.kind !== "remove" && change.name === name);
}

function withoutUser(proxy: string): string {
  const { protocol, host } = new URL(proxy);
  return `${protocol}//${host}`;
}

/** What each rule of a listener makes of a request: why it does not apply, or what it does. */
export function ruleViews(exchange: Exchange, rules: readonly RuleOptions[]): readonly RuleView[] {
  const unmet = exchange.tenant.rules?.unmet(exchange.asSent) ?? [];
  const decider = exchange.ruling?.reply?.rule ?? null;
  return rules.map((rule, place) => ({
    rule: place + 1,
    unmet: unmet[place] ?? null,
    does: unmet[place] == null ? deedsOf(rule, exchange, decider === null || decider === place) : [],
  }));
}

/** In words. Values are not shown: they may be secrets. */
function deedsOf(rule: RuleOptions, exchange: Exchange, isDecider: boolean): string[] {
  const { request, response, redirect, respond, pool, upstream } = rule;
  const { ruling, tenant, pinned } = exchange;
  const decides = isDecider ? "" : " (another rule decides)";
  return [
    ...(request === null ? [] : [
      ...request.fields.map(({ kind, name }) => `${kind}s request field ${name}`),
      ...(request.rewrite === null ? [] : [rewriting(exchange)]),
      ...request.query.remove.map((name) => `removes parameter ${name}`),
      ...request.query.set.map(([name]) => `sets parameter ${name}`),
    ]),
    ...(response === null ? [] : [
      ...response.fields.map(({ kind, name }) => `${kind}s response field ${name}`),
      ...response.errors.map(({ status: [from, to] }) =>
        `has a body for status ${from === to ? from : `${from} to ${to}`}`
      ),
    ]),
    ...(redirect === null ? [] : [
      `redirects with ${redirect.status} to ${
        isDecider ? redact(ruling?.reply?.location ?? "") : redirect.to
      }${decides}`,
    ]),
    ...(respond === null ? [] : [`answers with ${respond.status}${decides}`]),
    ...(pool === null
      ? []
      : [tenant.pool.name === pool ? `asks pool ${pool}` : `would ask pool ${pool}, another rule decides`]),
    ...(upstream === null
      ? []
      : [pinned === upstream ? `asks ${upstream} only` : `would ask ${upstream}, another rule decides`]),
  ];
}

function rewriting({ path, asSent, ruling }: Exchange): string {
  if (ruling?.reply != null) return "would rewrite the path, but no upstream is asked";
  return path === asSent.path
    ? "leaves the path: its expression does not match"
    : `rewrites the path to ${redact(path)}`;
}
