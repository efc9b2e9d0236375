import type { FieldChangeConfig, RuleConfig, RulesConfig } from "./rules_config.ts";
import type { FileValues } from "./schema.ts";

type ListenerValues = FileValues["listeners"][number];
type RuleValues = ListenerValues["rules"][number];
type FieldValues = Pick<NonNullable<RuleValues["request"]>, "set" | "add" | "remove">;

/** The rules of a listener's values. */
export function buildRules({ rules, redirects }: ListenerValues): RulesConfig {
  return { rules: rules.map(buildRule), redirects };
}

function buildRule({ when, request, response, redirect, respond, pool, upstream }: RuleValues): RuleConfig {
  return {
    when: {
      path: when.path ?? null,
      methods: when.method,
      query: Object.entries(when.query),
      fields: Object.entries(when.header).map(([name, value]) => [name.toLowerCase(), value]),
      clients: when.client.flat(),
      scheme: when.scheme ?? null,
    },
    request: request === undefined ? null : {
      fields: fieldChanges(request),
      rewrite: request.rewrite === undefined ? null : { from: request.rewrite.from ?? null, to: request.rewrite.to },
      query: { remove: request.query.remove, set: Object.entries(request.query.set) },
    },
    response: response === undefined ? null : {
      fields: fieldChanges(response),
      errors: Object.entries(response.status).map(([status, page]) => ({
        status: statusOf(status),
        body: page.body,
        contentType: page.content_type,
      })),
    },
    redirect: redirect ?? null,
    respond: respond === undefined ? null : {
      status: respond.status,
      body: respond.body ?? defaultBody(respond.status),
      contentType: respond.content_type,
    },
    pool: pool ?? null,
    upstream: upstream ?? null,
  };
}

/** The gateway words errors itself. */
function defaultBody(status: number): string | null {
  return status < 400 ? "" : null;
}

/** In the order in which they are made: what is removed may be set again. */
function fieldChanges({ set, add, remove }: FieldValues): FieldChangeConfig[] {
  return [
    ...remove.map((name) => ({ kind: "remove" as const, name: name.toLowerCase() })),
    ...Object.entries(set).map(([name, value]) => ({ kind: "set" as const, name: name.toLowerCase(), value })),
    ...Object.entries(add).map(([name, value]) => ({ kind: "add" as const, name: name.toLowerCase(), value })),
  ];
}

function statusOf(text: string): readonly [from: number, to: number] {
  const [from = "", to = from] = text.split("-");
  return [Number(from), Number(to)];
}
