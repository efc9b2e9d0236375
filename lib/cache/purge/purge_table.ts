import { type Clock, systemClock } from "../../clock.ts";
import {
  FOLDED,
  foldRules,
  MAX_RULES,
  positionOf,
  type PurgeRule,
  PurgeRules,
  type PurgeScope,
  type PurgeVerdict,
  staleSince,
  weightOf,
} from "./purge_rules.ts";
import { positionAt } from "./purge_clock.ts";
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
  #position: number;
  readonly #clock: Clock;

  /** `position` is the newest of all that were made before, those that are not kept any more included. */
  constructor(rules: Iterable<PurgeRule> = [], position = 1, clock: Clock = systemClock) {
    this.#position = position;
    this.#clock = clock;
    for (const rule of rules) this.add(rule);
  }

  /** The position of the newest purge in force here: what is asked for from now on is not touched by it, or by any before. */
  get position(): number {
    return this.#position;
  }

  /** Changes with every rule. */
  get generation(): number {
    return this.#generation;
  }

  /** Rules held. */
  get size(): number {
    return this.#byId.size;
  }

  /** Takes a rule; from now on no look-up answers what it purges. One that is known already, at its position or later, changes nothing. */
  add(rule: PurgeRule): void {
    const known = this.#byId.get(rule.id);
    if (known !== undefined && positionOf(known) >= positionOf(rule)) return;
    this.#byId.set(rule.id, rule);
    this.#generation++;
    this.#position = Math.max(this.#position, positionOf(rule));
    if (known === undefined) {
      if (isPattern(rule)) this.#patterns++;
      this.#weight += weightOf(rule);
    }
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
    // The rule may be another machine's, or from before a clock was put back.
    return verdict.kind === "stale" ? staleSince(response, Math.min(verdict.atMs, this.#clock.now())) : undefined;
  }
}

function isPattern({ scope }: PurgeRule): boolean {
  return scope.kind === "prefix" || scope.kind === "glob";
}

function mayFoldEarly(rule: PurgeRule): boolean {
  return isPattern(rule) || rule.id.startsWith(FOLDED);
}

/** A new rule over what was asked for until now; the position is by default that of `nowMs`. */
export function newPurge(
  scope: PurgeScope,
  { soft, nowMs, position = positionAt(nowMs) }: {
    readonly soft: boolean;
    readonly nowMs: number;
    readonly position?: number;
  },
): PurgeRule {
  return { id: crypto.randomUUID(), scope, soft, timeMs: nowMs, position };
}
