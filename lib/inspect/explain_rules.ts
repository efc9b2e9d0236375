import { redact } from "../logging/redact.ts";
import type { Exchange } from "../request/exchange.ts";
import type { RuleOptions } from "../rules/rule_options.ts";
import type { RuleView } from "./explanation.ts";

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
