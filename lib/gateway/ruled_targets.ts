import type { ListenerConfig } from "../config/listener.ts";
import { GatewayError } from "../errors.ts";
import { inOneSpelling } from "../http/target.ts";
import { template } from "../pattern/template.ts";
import type { RuleCondition } from "../rules/condition.ts";
import type { RuleOptions } from "../rules/rule_set.ts";
import { RuleSet } from "../rules/rule_set.ts";
import type { TypedRequest } from "../upstream_type/upstream_type.ts";

/** Open for every request; the path is left. */
const ANYBODY: Omit<RuleCondition, "path"> = { methods: [], query: [], fields: [], clients: [], scheme: null };

/**
 * What rules may make of a request, of whose client no more is known: all that apply to it, all whose path it has, and each of these alone.
 * The target that is asked for is left out, unless a rule changes nothing in it.
 */
export function ruledRequests({ rules }: ListenerConfig, asked: TypedRequest, authority: string): TypedRequest[] {
  const open = rules.filter(isRewriting).map(opened);
  if (open.length === 0) return [];
  return [rules, open, ...open.map((rule) => [rule])].map((set) => ruledRequest(set, asked, authority));
}

/**
 * The paths that rules may make of those that begin so: what they make of the beginning itself, and where what they write begins, for rules
 * about paths below it.
 */
export function ruledBeginnings(listener: ListenerConfig, beginning: string): string[] {
  const asked = { method: "GET", path: beginning, query: "", header: () => null };
  const below = listener.rules.flatMap(({ when: { path }, request }) => {
    const isBelow = path === null ? beginning === "/" : path.replace(/\*.*/s, "").startsWith(beginning);
    if (!isBelow || request?.rewrite == null) return [];
    const { to } = request.rewrite;
    return [template(to).highest === 0 ? to : to.slice(0, to.search(/\$[1-9]/))];
  });
  const made = [...ruledRequests(listener, asked, "").map(({ path }) => path), ...below];
  return [...new Set(made)].filter((path) => path !== beginning);
}

function isRewriting({ request }: RuleOptions): boolean {
  return request !== null &&
    (request.rewrite !== null || request.query.remove.length > 0 || request.query.set.length > 0);
}

function opened(rule: RuleOptions): RuleOptions {
  return { ...rule, when: { ...ANYBODY, path: rule.when.path }, redirect: null, respond: null };
}

function ruledRequest(rules: readonly RuleOptions[], asked: TypedRequest, authority: string): TypedRequest {
  const facts = { ...asked, publicScheme: "http", authority, client: "" } as const;
  try {
    const change = new RuleSet(rules).judge(facts)?.request;
    return { ...asked, path: inOneSpelling(change?.path ?? asked.path), query: change?.query ?? asked.query };
  } catch (error) {
    // What rules make no request of is not stored by them.
    if (error instanceof GatewayError) return asked;
    throw error;
  }
}
