import {
  FOLDED,
  foldRules,
  MAX_RULES,
  type PurgeRule,
  PurgeRules,
  type PurgeScope,
  type PurgeVerdict,
  staleSince,
  weightOf,
} from "./purge_rules.ts";
import type { StoredHead } from "../stored_response.ts";

/**
 * Prefixes and patterns held at most: a response is held against each of them, once after each purge, and 256 patterns take some
 * 50 microseconds. URLs and tags are found by a look-up, however many there are.
 */
const MAX_PATTERNS = 256;

/** The purges that one worker knows of. Its `generation` tells whether there are any since a response was last looked up. */
export class PurgeTable {
  #byId = new Map<string, PurgeRule>();
  #compiled = new PurgeRules();
  #generation = 0;
  #patterns = 0;
  #weight = 0;

  constructor(rules: Iterable<PurgeRule> = []) {
    for (const rule of rules) this.add(rule);
  }

  /** Changes with every rule. */
  get generation(): number {
    return this.#generation;
  }

  /** Rules held. */
  get size(): number {
    return this.#byId.size;
  }

  /** Takes a rule; from now on no look-up answers what it purges. One that is known already changes nothing. */
  add(rule: PurgeRule): void {
    if (this.#byId.has(rule.id)) return;
    this.#byId.set(rule.id, rule);
    this.#generation++;
    if (isPattern(rule)) this.#patterns++;
    this.#weight += weightOf(rule);
    if (this.#weight <= MAX_RULES && this.#patterns <= MAX_PATTERNS) return this.#compiled.add(rule);
    const rules = [...this.#byId.values()];
    // Folded rules of before are folded again with them: there is one a listener.
    const [patterns, others] = [rules.filter(mayFoldEarly), rules.filter((kept) => !mayFoldEarly(kept))];
    this.#compile(foldRules([...others, ...foldRules(patterns, MAX_PATTERNS)], MAX_RULES));
  }

  #compile(rules: readonly PurgeRule[]): void {
    this.#byId = new Map(rules.map((kept) => [kept.id, kept]));
    this.#patterns = rules.filter(isPattern).length;
    this.#weight = rules.reduce((sum, rule) => sum + weightOf(rule), 0);
    this.#compiled = new PurgeRules(rules);
  }

  /** The response as the rules leave it; `undefined` where it is gone. */
  apply<Stored extends StoredHead>(response: Stored): Stored | undefined {
    const verdict: PurgeVerdict = this.#compiled.verdict(response);
    if (verdict.kind === "keep") return response;
    return verdict.kind === "stale" ? staleSince(response, verdict.atMs) : undefined;
  }
}

function isPattern({ scope }: PurgeRule): boolean {
  return scope.kind === "prefix" || scope.kind === "glob";
}

function mayFoldEarly(rule: PurgeRule): boolean {
  return isPattern(rule) || rule.id.startsWith(FOLDED);
}

/** A new rule over what was asked for until now. */
export function newPurge(scope: PurgeScope, options: { readonly soft: boolean; readonly nowMs: number }): PurgeRule {
  return { id: crypto.randomUUID(), scope, soft: options.soft, timeMs: options.nowMs };
}
