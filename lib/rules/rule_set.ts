import { carefulPath, escapedPath } from "../http/careful_path.ts";
import type { FieldChange } from "../http/field_changes.ts";
import { type Template, template } from "../pattern/template.ts";
import type {
  ErrorPage,
  RequestChange,
  ResponseChange,
  RuledReply,
  RuledRequest,
  Rules,
  Ruling,
} from "../request/ruling.ts";
import { Condition, Facts, type RuleCondition } from "./condition.ts";
import { type CompiledRequest, compileRequest, RequestChanges, type RequestRule } from "./request_change.ts";
import { RuleIndex } from "./rule_index.ts";

/** One rule of a listener. */
export interface RuleOptions {
  readonly when: RuleCondition;
  readonly request: RequestRule | null;
  readonly response: { readonly fields: readonly FieldChange[]; readonly errors: readonly ErrorPage[] } | null;
  readonly redirect: { readonly to: string; readonly status: number } | null;
  readonly respond: {
    readonly status: number;
    /** `null` where the gateway words an error itself. */
    readonly body: string | null;
    readonly contentType: string;
  } | null;
  readonly pool: string | null;
  readonly upstream: string | null;
}

/** A rule, compiled. */
interface Rule {
  readonly options: RuleOptions;
  readonly condition: Condition;
  readonly request: CompiledRequest | null;
  readonly redirect: Template | null;
  /** It gives an answer, or chooses pool or upstream: of several such rules the first decides. */
  readonly isDeciding: boolean;
  /** It answers before token and quota are checked. */
  readonly isFirst: boolean;
  /** It has a place for a match of the path's wildcards. */
  readonly needsMatch: boolean;
}

/** The result of a combination of rules, as far as it is the same for all requests. */
interface Combination {
  readonly applied: readonly number[];
  /** The rule that decides, where one does. */
  readonly decider: Rule | null;
  /** Place of it. */
  readonly deciding: number;
  /** Rules that change requests. */
  readonly changing: readonly Rule[];
  /** Their changes, where those are the same for all requests; `undefined` where not. */
  readonly change: RequestChange | null | undefined;
  readonly response: ResponseChange | null;
}

/** Combinations that are remembered. */
const MAX_COMBINATIONS = 1_024;
const NO_MATCH: readonly string[] = [];

/** The rules of one listener. Every rule that applies to a request takes effect, in their order. */
export class RuleSet implements Rules {
  readonly #rules: readonly Rule[];
  readonly #index: RuleIndex;
  readonly #asksForFields: boolean;
  /** By a hash of the rules' places. */
  readonly #combinations = new Map<number, Combination>();

  /** @throws {PatternError} an expression cannot be used */
  constructor(options: readonly RuleOptions[]) {
    this.#rules = options.map(compileRule);
    this.#asksForFields = options.some(({ when }) => when.fields.length > 0);
    this.#index = new RuleIndex(this.#rules.map(({ condition }) => condition));
  }

  judge(request: RuledRequest): Ruling | null {
    const facts = new Facts(request, carefulPath(request.path));
    const candidates = this.#index.candidates(facts);
    let applied: number[] | null = null;
    let hash = 0;
    for (const place of candidates) {
      if (!this.#rules[place]!.condition.holds(facts)) continue;
      (applied ??= []).push(place);
      hash = Math.imul(hash, 31) + place + 1 | 0;
    }
    if (applied === null) return null;
    const { decider, deciding, changing, change, response } = this.#combined(applied, hash);
    const reply = decider === null ? null : replyOf(decider, deciding, facts);
    return {
      applied,
      reply,
      isFirst: decider !== null && decider.isFirst,
      request: reply !== null ? null : change === undefined ? changeBy(changing, decider, facts) : change,
      response,
    };
  }

  variesBy(request: RuledRequest): readonly string[] {
    if (!this.#asksForFields) return NO_MATCH;
    const facts = new Facts(request, carefulPath(request.path));
    const names = this.#rules.flatMap(({ condition }) => condition.fieldsAsked(facts));
    // The authority is part of the URL.
    return [...new Set(names)].filter((name) => name !== "host");
  }

  unmet(request: RuledRequest): readonly (string | null)[] {
    const facts = new Facts(request, carefulPath(request.path));
    return this.#rules.map(({ condition }) => condition.unmet(facts));
  }

  #combined(applied: readonly number[], hash: number): Combination {
    const known = this.#combinations.get(hash);
    if (known !== undefined && isSame(known.applied, applied)) return known;
    const deciding = applied.find((place) => this.#rules[place]!.isFirst) ??
      applied.find((place) => this.#rules[place]!.isDeciding) ?? -1;
    const decider = this.#rules[deciding] ?? null;
    const rules = applied.map((place) => this.#rules[place]!);
    const changing = rules.filter(({ request }) => request !== null);
    const isFixed = changing.every(({ request }) => request!.isFixed);
    const responses = rules.flatMap(({ options: { response } }) => response ?? []);
    const made: Combination = {
      applied,
      decider,
      deciding,
      changing,
      change: isFixed ? changeBy(changing, decider, null) : undefined,
      response: responses.length === 0 ? null : {
        fields: responses.flatMap(({ fields }) => fields),
        errors: responses.flatMap(({ errors }) => errors),
      },
    };
    if (this.#combinations.size >= MAX_COMBINATIONS) this.#combinations.clear();
    this.#combinations.set(hash, made);
    return made;
  }
}

function isSame(one: readonly number[], other: readonly number[]): boolean {
  if (one.length !== other.length) return false;
  for (let index = 0; index < one.length; index++) if (one[index] !== other[index]) return false;
  return true;
}

/** The changes that rules make in a request; `facts` are `null` where the changes do not depend on its target. */
function changeBy(changing: readonly Rule[], decider: Rule | null, facts: Facts | null): RequestChange | null {
  const making = new RequestChanges(facts?.path ?? "", facts?.request.query ?? "");
  for (const { request, needsMatch, condition } of changing) {
    making.apply(request!, needsMatch && facts !== null ? condition.path!.match(facts.path)! : NO_MATCH);
  }
  return making.finish(decider?.options.pool ?? null, decider?.options.upstream ?? null);
}

function compileRule(options: RuleOptions): Rule {
  const { when, redirect, respond, pool, upstream } = options;
  const request = options.request === null ? null : compileRequest(options.request);
  const to = redirect === null ? null : template(redirect.to);
  const answers = redirect !== null || respond !== null;
  const condition = new Condition(when);
  return {
    options,
    condition,
    request,
    redirect: to,
    isDeciding: answers || pool !== null || upstream !== null,
    isFirst: answers && condition.hasClients,
    needsMatch: condition.path !== null && (to?.isFixed === false || request?.needsMatch === true),
  };
}

function replyOf({ options, redirect, condition, needsMatch }: Rule, rule: number, facts: Facts): RuledReply | null {
  const { respond } = options;
  if (redirect !== null) {
    const matched = needsMatch ? condition.path!.match(facts.path)! : [];
    const location = withQuery(safeTarget(redirect.fill(matched, escapedPath)), facts.request.query);
    return { rule, status: options.redirect!.status, location, body: "", contentType: "text/plain" };
  }
  return respond === null ? null : { rule, location: null, ...respond };
}

/** `//host/…` would lead to another host, and `\` is read as `/`. */
function safeTarget(target: string): string {
  return target.startsWith("/") ? `/${target.replace(/^[/\\]+/, "")}` : target;
}

function withQuery(target: string, query: string): string {
  if (query === "" || target.includes("?")) return target;
  const [path = "", ...fragment] = target.split("#");
  return `${path}?${query}${fragment.length === 0 ? "" : `#${fragment.join("#")}`}`;
}
