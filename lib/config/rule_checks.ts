import { type FieldAct, requestFieldRefusal, responseFieldRefusal } from "../field_rights.ts";
import { speaksForProxy } from "../forwarded_fields.ts";
import { linearPattern, PatternError } from "../pattern/linear_pattern.ts";
import { MAX_WILDCARDS, pathGlob } from "../pattern/path_glob.ts";
import { template } from "../pattern/template.ts";
import type { ListenerContext } from "./listener_context.ts";
import { isReachable } from "./rewriting.ts";
import type { FieldChangeValues, RuleValues } from "./rules.ts";
import { upstreamIds } from "./upstream.ts";
import type { Path } from "./yaml/located.ts";
import type { Problems } from "./yaml/problems.ts";

/** Names that a message lists at most. */
const MAX_LISTED = 10;

/** A listener as far as its rules depend on it. */
interface RuledListener {
  readonly pool?: string | undefined;
  readonly prefix: string;
  readonly strip_prefix: boolean;
  readonly rules: readonly RuleValues[];
}

/** Checks the rules of a listener. */
export function checkRules(listener: RuledListener, context: ListenerContext): void {
  const { problems, path } = context;
  for (const [index, rule] of listener.rules.entries()) {
    const at = [...path, "rules", index];
    checkDeeds(rule, at, problems);
    if (rule.request !== undefined) checkFields(rule.request, [...at, "request"], problems);
    if (rule.response !== undefined) checkFields(rule.response, [...at, "response"], problems);
    checkBodies(rule, at, problems);
    checkRequestTexts(rule, [...at, "request"], problems);
    checkRedirect(rule, [...at, "redirect", "to"], problems);
    checkAsked(rule, { own: listener.pool, at }, context);
    const glob = rule.when.path;
    if (glob !== undefined && !listener.strip_prefix && !isReachable(glob, listener.prefix)) {
      const because = `it matches no path of this listener: they begin with ${listener.prefix}`;
      problems.warn([...at, "when", "path"], because);
    }
  }
}

/** What a rule can do; of some of them it does one only. */
const DEEDS = ["request", "response", "redirect", "respond", "pool", "upstream"] as const;

/** A rule has to do something, and of what decides about a request one thing. */
function checkDeeds(rule: RuleValues, path: Path, problems: Problems): void {
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
    problems.atKey([...path, deciding[1]!], `found ${deciding[1]} beside ${deciding[0]} expected one of them`);
  } else if (rule.request !== undefined && (rule.redirect ?? rule.respond) !== undefined) {
    problems.warn([...path, "request"], "it has no effect: no upstream gets the request", { atKey: true });
  }
}

/** No rule may set what frames messages, or what decides whose answer it is. */
function checkFields({ set, add, remove }: FieldChangeValues, at: Path, problems: Problems): void {
  const isRequest = at.at(-1) === "request";
  const refusal = isRequest ? requestFieldRefusal : responseFieldRefusal;
  const check = (act: FieldAct, name: string, path: Path) => {
    if (name.endsWith("*")) return;
    const isProxys = isRequest && act === "add" && speaksForProxy(name.toLowerCase());
    const reason = refusal(act, name.toLowerCase()) ??
      (isProxys ? "upstreams would believe the client's own too: set it" : null);
    if (reason === null) return;
    problems.atKey(path, `found ${JSON.stringify(name)} expected a field that rules may ${act}: ${reason}`);
  };
  for (const name of Object.keys(set)) check("set", name, [...at, "set", name]);
  for (const name of Object.keys(add)) check("add", name, [...at, "add", name]);
  for (const [index, name] of remove.entries()) check("remove", name, [...at, "remove", index]);
}

/** Bodies need a status that has one, and ranges of statuses an order. */
function checkBodies({ respond, response }: RuleValues, path: Path, problems: Problems): void {
  if (respond?.body !== undefined && respond.body !== "" && (respond.status === 204 || respond.status === 205)) {
    problems.expect([...path, "respond", "body"], `no body: a response with status ${respond.status} has none`);
  }
  for (const range of Object.keys(response?.status ?? {})) {
    const [from = "", to = from] = range.split("-");
    if (from <= to) continue;
    problems.atKey([...path, "response", "status", range], `found ${range} expected ${to}-${from}`);
  }
}

/** Texts must not name what nothing is matched for. */
function checkPlaces(text: string, most: number, path: Path, problems: Problems): void {
  const { highest } = template(text);
  if (highest <= most) return;
  const matched = most === 0
    ? "nothing of the path is matched"
    : most === 1
    ? "only one part of the path is matched"
    : `only ${most} parts of the path are matched`;
  problems.expect(path, `no $${highest}: ${matched} (write $$ for a dollar sign)`);
}

function checkRequestTexts({ request, when }: RuleValues, path: Path, problems: Problems): void {
  if (request === undefined) return;
  const wildcards = wildcardsOf(when.path);
  const texts = [
    ...Object.entries(request.set).map(([name, value]) => ({ value, at: ["set", name] })),
    ...Object.entries(request.add).map(([name, value]) => ({ value, at: ["add", name] })),
    ...Object.entries(request.query.set).map(([name, value]) => ({ value, at: ["query", "set", name] })),
  ];
  for (const { value, at } of texts) checkPlaces(value, wildcards, [...path, ...at], problems);
  if (request.rewrite === undefined) return;
  const { from, to } = request.rewrite;
  const groups = from === undefined ? wildcards : groupsOf(from, [...path, "rewrite", "from"], problems);
  if (groups !== null) checkPlaces(to, groups, [...path, "rewrite", "to"], problems);
}

/** Wildcards of a glob whose matches have a place. */
function wildcardsOf(glob: string | undefined): number {
  return glob === undefined ? 0 : Math.min(MAX_WILDCARDS, pathGlob(glob).wildcards);
}

function checkRedirect({ redirect, when }: RuleValues, at: Path, problems: Problems): void {
  if (redirect === undefined) return;
  checkPlaces(redirect.to, wildcardsOf(when.path), at, problems);
  if (/^https?:\/\/[^/?#]*(?:\$[1-9]|$)/i.test(redirect.to) && redirect.to.includes("$")) {
    problems.expect(at, "a URL whose host is followed by /: what was matched must not become part of the host");
  }
  const isSame = when.path !== undefined && template(redirect.to).highest === 0 &&
    pathGlob(when.path).test(redirect.to);
  if (isSame && Object.entries(when).every(([key, condition]) => key === "path" || isOpen(condition))) {
    problems.warn(at, "it leads to itself: clients would go round in circles");
  }
}

function isOpen(condition: unknown): boolean {
  return condition === undefined || Object.keys(condition as object).length === 0;
}

/** How many groups an expression has; `null` where it cannot be used, which is said. */
function groupsOf(source: string, path: Path, problems: Problems): number | null {
  try {
    return linearPattern(source).groups;
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    problems.expect(path, error.message);
    return null;
  }
}

/** The pool and the upstream that a rule names must be there, and carry the same; `own` is the listener's pool. */
function checkAsked(
  rule: RuleValues,
  { own, at }: { readonly own: string | undefined; readonly at: Path },
  { problems, pools }: ListenerContext,
): void {
  const poolOf = (name: string | undefined) =>
    name !== undefined && Object.hasOwn(pools, name) ? pools[name] : undefined;
  const asked = poolOf(rule.pool ?? own);
  if (rule.pool !== undefined) {
    const place = [...at, "pool"];
    const [ownType, type] = [poolOf(own)?.type, asked?.type];
    if (asked === undefined && !problems.has(["pools", rule.pool])) {
      const known = Object.keys(pools);
      problems.expect(place, `the name of a pool: ${known.slice(0, MAX_LISTED).join(", ")}`, known);
    } else if (ownType !== undefined && type !== undefined && ownType !== type) {
      problems.expect(place, `a pool of type ${ownType}, as the listener's own: ${rule.pool} is of type ${type}`);
    } else if (rule.pool === own && rule.upstream === undefined) {
      problems.warn(place, "it has no effect: it is the listener's own pool");
    }
  }
  if (rule.upstream === undefined || asked === undefined) return;
  const ids = upstreamIds(asked.upstreams ?? []);
  if (ids.includes(rule.upstream)) return;
  const listed = ids.slice(0, MAX_LISTED).join(", ");
  problems.expect([...at, "upstream"], `an upstream of pool ${rule.pool ?? own}: ${listed}`, ids);
}
