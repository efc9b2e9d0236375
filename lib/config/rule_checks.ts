import { type FieldAct, requestFieldRefusal, responseFieldRefusal } from "../field_rights.ts";
import { speaksForProxy } from "../forwarded_fields.ts";
import { linearPattern, PatternError } from "../pattern/linear_pattern.ts";
import { MAX_WILDCARDS, pathGlob } from "../pattern/path_glob.ts";
import { template } from "../pattern/template.ts";
import { upstreamId } from "./build_connection.ts";
import type { Path } from "./yaml/located.ts";
import type { DraftValues } from "./schema.ts";
import type { ValidationContext } from "./validation_context.ts";
import { isReachable } from "./validate_rewriting.ts";

type DraftListener = DraftValues["listeners"][number];
type DraftRule = DraftListener["rules"][number];
type DraftPool = DraftValues["pools"][string];

/** What a rule can do; of some of them it does one only. */
const DEEDS = ["request", "response", "redirect", "respond", "pool", "upstream"] as const;

/** A rule has to do something, and of what decides about a request one thing. */
function validateDeeds(rule: DraftRule, path: Path, { problems }: ValidationContext): void {
  const given = DEEDS.filter((deed) => rule[deed] !== undefined);
  if (given.length === 0 && !problems.has(path)) {
    problems.expect(path, `a rule that does something: one of ${DEEDS.join(", ")}`);
  }
  const deciding = [
    ...(rule.redirect === undefined ? [] : ["redirect"]),
    ...(rule.respond === undefined ? [] : ["respond"]),
    ...(rule.pool === undefined && rule.upstream === undefined ? [] : [rule.pool === undefined ? "upstream" : "pool"]),
  ];
  if (deciding.length > 1) {
    problems.add([...path, deciding[1]!], `found ${deciding[1]} beside ${deciding[0]} expected one of them`, {
      atKey: true,
    });
  } else if (rule.request !== undefined && (rule.redirect ?? rule.respond) !== undefined) {
    problems.warn([...path, "request"], "it has no effect: no upstream gets the request", { atKey: true });
  }
}

/** No rule may set what frames messages, or what decides whose answer it is. */
function validateFields(
  fields: { readonly set: object; readonly add: object; readonly remove: readonly string[] },
  at: Path,
  { problems, original }: ValidationContext,
): void {
  const isRequest = at.at(-1) === "request";
  const refusal = isRequest ? requestFieldRefusal : responseFieldRefusal;
  const check = (act: FieldAct, name: string, path: Path) => {
    const isProxys = isRequest && act === "add" && speaksForProxy(name.toLowerCase());
    const reason = name.endsWith("*")
      ? null
      : refusal(act, name.toLowerCase()) ?? (isProxys ? "upstreams would believe the client's own too: set it" : null);
    if (reason !== null) {
      problems.add(path, `found ${JSON.stringify(name)} expected a field that rules may ${act}: ${reason}`, {
        atKey: true,
      });
    }
  };
  for (const act of ["set", "add"] as const) {
    for (const name of Object.keys(fields[act])) check(act, name, [...at, act, name]);
  }
  fields.remove.forEach((name, index) => check("remove", name, original([...at, "remove", index])));
}

/** Bodies need a status that has one, and ranges of statuses an order. */
function validateBodies({ respond, response }: DraftRule, path: Path, { problems }: ValidationContext): void {
  if (respond?.body !== undefined && respond.body !== "" && (respond.status === 204 || respond.status === 205)) {
    problems.expect([...path, "respond", "body"], `no body: a response with status ${respond.status} has none`);
  }
  for (const range of Object.keys(response?.status ?? {})) {
    const [from = "", to = from] = range.split("-");
    if (from <= to) continue;
    problems.add([...path, "response", "status", range], `found ${range} expected ${to}-${from}`, { atKey: true });
  }
}

/** Texts must not name what nothing is matched for. */
function validatePlaces(text: string, most: number, path: Path, { problems }: ValidationContext): void {
  const { highest } = template(text);
  if (highest <= most) return;
  const matched = most === 0
    ? "nothing of the path is matched"
    : most === 1
    ? "only one part of the path is matched"
    : `only ${most} parts of the path are matched`;
  problems.expect(path, `no $${highest}: ${matched} (write $$ for a dollar sign)`);
}

function validateTexts(rule: DraftRule, path: Path, context: ValidationContext): void {
  const { request, redirect, when } = rule;
  const { problems } = context;
  const wildcards = when.path === undefined ? 0 : Math.min(MAX_WILDCARDS, pathGlob(when.path).wildcards);
  for (const act of ["set", "add"] as const) {
    for (const [name, value] of Object.entries(request?.[act] ?? {})) {
      validatePlaces(value, wildcards, [...path, "request", act, name], context);
    }
  }
  for (const [name, value] of Object.entries(request?.query.set ?? {})) {
    validatePlaces(value, wildcards, [...path, "request", "query", "set", name], context);
  }
  if (request?.rewrite !== undefined) {
    const { from, to } = request.rewrite;
    const at = [...path, "request", "rewrite"];
    const groups = from === undefined ? wildcards : groupsOf(from, [...at, "from"], context);
    if (groups !== null) validatePlaces(to, groups, [...at, "to"], context);
  }
  if (redirect === undefined) return;
  const at = [...path, "redirect", "to"];
  validatePlaces(redirect.to, wildcards, at, context);
  if (/^https?:\/\/[^/?#]*(?:\$[1-9]|$)/i.test(redirect.to) && redirect.to.includes("$")) {
    problems.expect(at, "a URL whose host is followed by /: what was matched must not become part of the host");
  }
  const isSame = when.path !== undefined && template(redirect.to).highest === 0 &&
    pathGlob(when.path).test(redirect.to);
  if (isSame && Object.keys(when).every((key) => key === "path" || isOpen(when[key as keyof typeof when]))) {
    problems.warn(at, "it leads to itself: clients would go round in circles");
  }
}

function isOpen(condition: unknown): boolean {
  return condition === undefined || Object.keys(condition as object).length === 0;
}

/** How many groups an expression has; `null` where it cannot be used, which is said. */
function groupsOf(source: string, path: Path, { problems }: ValidationContext): number | null {
  try {
    return linearPattern(source).groups;
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    problems.expect(path, error.message);
    return null;
  }
}

/** The pool and the upstream that a rule names must be there, and carry the same. */
function validateWho(rule: DraftRule, listener: DraftListener, path: Path, context: ValidationContext): void {
  const { problems, values } = context;
  const poolOf = (name: string | undefined): DraftPool | undefined =>
    name !== undefined && Object.hasOwn(values.pools, name) ? values.pools[name] : undefined;
  const own = poolOf(listener.pool);
  const named = rule.pool === undefined ? own : poolOf(rule.pool);
  if (rule.pool !== undefined) {
    const at = [...path, "pool"];
    const known = Object.keys(values.pools);
    if (named === undefined && !problems.has(["pools", rule.pool])) {
      problems.expect(at, `the name of a pool: ${known.slice(0, 10).join(", ")}`, known);
    } else if (own?.type !== undefined && named?.type !== undefined && own.type !== named.type) {
      problems.expect(at, `a pool of type ${own.type}, as the listener's own: ${rule.pool} is of type ${named.type}`);
    } else if (rule.pool === listener.pool && rule.upstream === undefined) {
      problems.warn(at, "it has no effect: it is the listener's own pool");
    }
  }
  if (rule.upstream === undefined || named === undefined) return;
  const upstreams = (named.upstreams ?? []).flatMap((upstream) =>
    upstream.url === undefined ? [] : [{ ...upstream, url: upstream.url }]
  );
  const ids = upstreams.map((upstream) => upstreamId(upstream, upstreams));
  if (!ids.includes(rule.upstream)) {
    problems.expect(
      [...path, "upstream"],
      `an upstream of pool ${rule.pool ?? listener.pool}: ${ids.slice(0, 10).join(", ")}`,
      ids,
    );
  }
}

/** Checks the rules of the listeners. */
export function validateRules(context: ValidationContext): void {
  for (const [index, listener] of context.values.listeners.entries()) {
    for (const [place, rule] of listener.rules.entries()) {
      const path = context.original(["listeners", index, "rules", place]);
      validateDeeds(rule, path, context);
      if (rule.request !== undefined) validateFields(rule.request, [...path, "request"], context);
      if (rule.response !== undefined) validateFields(rule.response, [...path, "response"], context);
      validateBodies(rule, path, context);
      validateTexts(rule, path, context);
      validateWho(rule, listener, path, context);
      const { path: glob } = rule.when;
      if (glob !== undefined && !listener.strip_prefix && !isReachable(glob, listener.prefix)) {
        context.problems.warn(
          [...path, "when", "path"],
          `it matches no path of this listener: they begin with ${listener.prefix}`,
        );
      }
    }
  }
}
