import { beginningInOneSpelling, inOneSpelling, patternInOneSpelling } from "../../http/target.ts";
import { KEY_SEPARATOR } from "../key.ts";
import type { StoredHead } from "../stored_response.ts";
import { positionAt } from "./purge_clock.ts";

/** The responses that a purge names. A `listener` of `null` is every listener. */
export type PurgeScope =
  /** One target, as in the cache key, on any host, with all its variants. */
  | { readonly kind: "url"; readonly listener: string | null; readonly target: string }
  /** Targets that begin so. */
  | { readonly kind: "prefix"; readonly listener: string | null; readonly prefix: string }
  /**
   * Targets that match: `*` within a segment, `**` across; a pattern without `?` is held against the path alone. `base` is put
   * before the target, where a listener strips it from what clients ask for.
   */
  | { readonly kind: "glob"; readonly listener: string | null; readonly pattern: string; readonly base?: string }
  /** Responses with this tag. */
  | { readonly kind: "tag"; readonly listener: string | null; readonly tag: string }
  /** Responses with one of these tags: one rule for many, as a list of changes brings them. */
  | { readonly kind: "tags"; readonly listener: string | null; readonly tags: readonly string[] }
  /** Everything of a listener, or everything. */
  | { readonly kind: "all"; readonly listener: string | null };

/** One purge: what was asked for before it is stale from then on (soft), or gone (hard). */
export interface PurgeRule {
  readonly id: string;
  readonly scope: PurgeScope;
  readonly soft: boolean;
  /** When it was made, by the local clock: a response that has no position is held against it, and stale windows begin there. */
  readonly timeMs: number;
  /**
   * Its place among all purges, by which no clock is trusted: it purges what was asked for where only smaller ones were in force. See
   * {@linkcode PurgeClock}.
   * @default that of `timeMs`, for a rule of an earlier version
   */
  readonly position?: number;
}

/** The place of a rule among all purges. */
export function positionOf({ position, timeMs }: PurgeRule): number {
  return position ?? positionAt(timeMs);
}

/** The result of the rules for a stored response: unchanged, stale since `atMs`, or removed. */
export type PurgeVerdict =
  | { readonly kind: "keep" }
  | { readonly kind: "stale"; readonly atMs: number }
  | { readonly kind: "gone" };

/** Rules held and saved at most, by their weight; see {@linkcode foldRules}. */
export const MAX_RULES = 10_000;

/** Prefix of the ids of folded rules. */
export const FOLDED = "folded ";

/** Prefix of the ids of merged rules. */
const MERGED = "merged ";

const KEEP: PurgeVerdict = { kind: "keep" };
const GONE: PurgeVerdict = { kind: "gone" };
const NEVER = { softMs: -Infinity, hardMs: -Infinity, softAt: -Infinity, hardAt: -Infinity };

/** Times and positions of the newest soft and hard rule of one scope. */
interface Mark {
  softMs: number;
  hardMs: number;
  softAt: number;
  hardAt: number;
}

interface Pattern extends Mark {
  readonly listener: string | null;
  readonly matches: (target: string) => boolean;
}

/** Rules compiled for looking responses up in them. Adding one costs nothing that grows with their number. */
export class PurgeRules {
  readonly #targets = new Map<string, Mark>();
  readonly #tags = new Map<string, Mark>();
  readonly #listeners = new Map<string, Mark>();
  readonly #patterns = new Map<string, Pattern>();
  #newestMs = -Infinity;
  #newestAt = -Infinity;

  constructor(rules: Iterable<PurgeRule> = []) {
    for (const rule of rules) this.add(rule);
  }

  /** Adds a rule. */
  add(rule: PurgeRule): void {
    const at = positionOf(rule);
    for (const mark of this.#marksOf(rule.scope)) {
      if (rule.soft) {
        mark.softMs = Math.max(mark.softMs, rule.timeMs);
        mark.softAt = Math.max(mark.softAt, at);
      } else {
        mark.hardMs = Math.max(mark.hardMs, rule.timeMs);
        mark.hardAt = Math.max(mark.hardAt, at);
      }
    }
    this.#newestMs = Math.max(this.#newestMs, rule.timeMs);
    this.#newestAt = Math.max(this.#newestAt, at);
  }

  /**
   * Judges a response by the purges that were in force when its request was sent, or by the time of that where it has no position. What was
   * being fetched when the purge was made is purged too.
   */
  verdict(response: StoredHead): PurgeVerdict {
    const { purgePosition, requestTimeMs } = response;
    const hasPosition = purgePosition > 0;
    if (hasPosition ? purgePosition >= this.#newestAt : requestTimeMs > this.#newestMs) return KEEP;
    const isBefore = (at: number, timeMs: number) => hasPosition ? purgePosition < at : requestTimeMs <= timeMs;
    let softMs = -Infinity;
    for (const mark of this.#marksFor(response)) {
      if (isBefore(mark.hardAt, mark.hardMs)) return GONE;
      if (isBefore(mark.softAt, mark.softMs)) softMs = Math.max(softMs, mark.softMs);
    }
    return softMs === -Infinity ? KEEP : { kind: "stale", atMs: softMs };
  }

  *#marksFor(response: StoredHead): Generator<Mark> {
    const [listener = "", , asked = ""] = response.key.split(KEY_SEPARATOR, 3);
    const target = inOneSpelling(asked);
    for (const owner of [listener, null]) {
      yield* present(this.#listeners.get(scoped(owner, "")));
      yield* present(this.#targets.get(scoped(owner, target)));
      if (this.#tags.size === 0) continue;
      for (const tag of response.tags) yield* present(this.#tags.get(scoped(owner, tag)));
    }
    for (const pattern of this.#patterns.values()) {
      if ((pattern.listener === null || pattern.listener === listener) && pattern.matches(target)) yield pattern;
    }
  }

  #marksOf(scope: PurgeScope): Mark[] {
    if (scope.kind !== "tags") return [this.#markOf(scope)];
    return scope.tags.map((tag) => markIn(this.#tags, scoped(scope.listener, tag)));
  }

  #markOf(scope: Exclude<PurgeScope, { kind: "tags" }>): Mark {
    switch (scope.kind) {
      case "all":
        return markIn(this.#listeners, scoped(scope.listener, ""));
      case "url":
        return markIn(this.#targets, scoped(scope.listener, inOneSpelling(scope.target)));
      case "tag":
        return markIn(this.#tags, scoped(scope.listener, scope.tag));
      case "prefix":
        return this.#prefixOf(scope);
      case "glob":
        return this.#globOf(scope);
    }
  }

  #prefixOf({ listener, prefix }: Extract<PurgeScope, { kind: "prefix" }>): Mark {
    const spelled = beginningInOneSpelling(prefix);
    return this.#patternOf(`prefix ${prefix}`, listener, (target) => target.startsWith(spelled));
  }

  #globOf({ listener, pattern, base = "" }: Extract<PurgeScope, { kind: "glob" }>): Mark {
    const spelledBase = inOneSpelling(base);
    const matches = globMatcher(patternInOneSpelling(pattern));
    return this.#patternOf(`glob ${base} ${pattern}`, listener, (target) => matches(spelledBase + target));
  }

  #patternOf(name: string, listener: string | null, matches: Pattern["matches"]): Mark {
    const id = scoped(listener, name);
    const known = this.#patterns.get(id);
    if (known !== undefined) return known;
    const pattern: Pattern = { listener, matches, ...NEVER };
    this.#patterns.set(id, pattern);
    return pattern;
  }
}

/**
 * A response as a soft purge leaves it: stale since then. Its stale windows begin there (RFC 5861), its validators stay.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { staleSince } from "./purge_rules.ts";
 * import { storedResponse } from "../stored_response.ts";
 * const freshness = {
 *   initialAgeMs: 50, lifetimeMs: 60_000, staleWhileRevalidateMs: 0, staleIfErrorMs: 0, mustRevalidate: false, alwaysValidate: false,
 * };
 * const stored = storedResponse({
 *   key: "api\0\0/", status: 200, fields: [], body: new Uint8Array(), requestTimeMs: 900, responseTimeMs: 1000, freshness,
 *   selectedBy: [], tags: [], tiers: { memory: true, disk: true },
 * });
 * assert.equal(staleSince(stored, 3000).freshness.lifetimeMs, 2050);
 * ```
 */
export function staleSince<Stored extends StoredHead>(response: Stored, atMs: number): Stored {
  const { freshness } = response;
  const ageThenMs = freshness.initialAgeMs + Math.max(0, atMs - response.responseTimeMs);
  if (freshness.lifetimeMs > ageThenMs) {
    return response.with({ freshness: { ...freshness, lifetimeMs: ageThenMs }, isPurged: true }) as Stored;
  }
  return response.isPurged ? response : response.with({ isPurged: true }) as Stored;
}

/** Tags of one rule that weigh as much as a rule of another kind. */
const TAGS_A_RULE = 20;

/**
 * The weight of a rule against the limit of rules: a rule over many tags counts as several.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { weightOf } from "./purge_rules.ts";
 * const scope = { kind: "tags", listener: null, tags: Array.from({ length: 41 }, String) } as const;
 * assert.equal(weightOf({ id: "1", scope, soft: true, timeMs: 0 }), 3);
 * ```
 */
export function weightOf({ scope }: PurgeRule): number {
  return scope.kind === "tags" ? Math.max(1, Math.ceil(scope.tags.length / TAGS_A_RULE)) : 1;
}

/**
 * Rules of a weight of at most `max` that purge at least what these do. Where there are more, those over many tags become one for each
 * day; if that does not help enough, the older half becomes one rule for each of their listeners, over all that it holds, hard where
 * one of them was.
 */
export function foldRules(rules: readonly PurgeRule[], max: number): readonly PurgeRule[] {
  if (totalWeight(rules) <= max) return rules;
  const merged = mergedByDay(rules);
  let weight = totalWeight(merged);
  // With less room than that the next rules would have all of this done again.
  if (weight <= max * MERGED_SHARE) return merged;
  const inOrder = merged.sort((a, b) => positionOf(a) - positionOf(b));
  let count = 0;
  while (weight > Math.floor(max / 2)) weight -= weightOf(inOrder[count++]!);
  const folded = inOrder.splice(0, count);
  const listeners = new Map<string, PurgeRule>();
  for (const rule of folded) {
    const { listener } = rule.scope;
    const id = FOLDED + scoped(listener, "");
    const before = listeners.get(id);
    const soft = rule.soft && (before?.soft ?? true);
    listeners.set(id, { id, scope: { kind: "all", listener }, soft, ...newestOf([before ?? rule, rule]) });
  }
  if (listeners.size <= max / 2) return [...listeners.values(), ...inOrder];
  const soft = folded.every((rule) => rule.soft);
  return [{ id: FOLDED, scope: { kind: "all", listener: null }, soft, ...newestOf(folded) }, ...inOrder];
}

/** When the newest of some rules was made. */
function newestOf(rules: readonly PurgeRule[]): Required<Pick<PurgeRule, "timeMs" | "position">> {
  return {
    timeMs: Math.max(...rules.map(({ timeMs }) => timeMs)),
    position: Math.max(...rules.map(positionOf)),
  };
}

function totalWeight(rules: readonly PurgeRule[]): number {
  return rules.reduce((sum, rule) => sum + weightOf(rule), 0);
}

/** Part of the room that merged rules may take. */
const MERGED_SHARE = 0.75;
/** Tags of one rule, at most: it has to fit into one value of Deno KV. */
const MAX_TAGS = 1_000;
const DAY_MS = 24 * 3_600_000;

/** Rules over many tags of one listener and one day made one, as of the last of them: what was stored in between goes once more. */
function mergedByDay(rules: readonly PurgeRule[]): PurgeRule[] {
  const days = Map.groupBy(rules, ({ scope, soft, timeMs }) => {
    if (scope.kind !== "tags") return "";
    return `${MERGED}${soft ? "soft" : "hard"} ${Math.floor(timeMs / DAY_MS)} ${scope.listener ?? ""}`;
  });
  return [...days].flatMap(([id, day]) => {
    if (id === "") return day;
    const tags = [...new Set(day.flatMap(({ scope }) => scope.kind === "tags" ? scope.tags : []))];
    const [{ scope: { listener }, soft }] = day as [PurgeRule];
    const newest = newestOf(day);
    return Array.from({ length: Math.ceil(tags.length / MAX_TAGS) }, (_, part): PurgeRule => ({
      id: `${id} ${part}`,
      scope: { kind: "tags", listener, tags: tags.slice(part * MAX_TAGS, (part + 1) * MAX_TAGS) },
      soft,
      ...newest,
    }));
  });
}

/**
 * A function that tells whether a target matches a pattern: `*` stands for any characters but `/` and `?`, `**` for any at all.
 * Its time grows with the length of the target times that of the pattern, never faster.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { globMatcher } from "./purge_rules.ts";
 * assert.ok(globMatcher("/3/movie/*")("/3/movie/550?language=de"));
 * assert.ok(!globMatcher("/3/movie/*")("/3/movie/550/images"));
 * assert.ok(globMatcher("/t/p/**")("/t/p/w500/a.jpg"));
 * ```
 */
export function globMatcher(pattern: string): (target: string) => boolean {
  const tokens = tokensOf(pattern);
  const withQuery = pattern.includes("?");
  return (target) => {
    const end = withQuery ? -1 : target.indexOf("?");
    return matchTokens(tokens, end < 0 ? target : target.slice(0, end));
  };
}

const WITHIN = "*";
const ACROSS = "**";

function tokensOf(pattern: string): string[] {
  const tokens: string[] = [];
  for (const part of pattern.split(/(\*+)/)) {
    if (part.startsWith("*")) tokens.push(part.length > 1 ? ACROSS : WITHIN);
    else tokens.push(...part);
  }
  return tokens;
}

/** Follows all ways through the tokens at once, so that no target can make it go back and forth. */
function matchTokens(tokens: readonly string[], text: string): boolean {
  let states = reachable(tokens, new Set([0]));
  for (const character of text) {
    const next = new Set<number>();
    for (const state of states) {
      const token = tokens[state];
      if (token === ACROSS || (token === WITHIN && character !== "/" && character !== "?")) next.add(state);
      else if (token === character) next.add(state + 1);
    }
    if (next.size === 0) return false;
    states = reachable(tokens, next);
  }
  return states.has(tokens.length);
}

/** A wildcard may stand for nothing. */
function reachable(tokens: readonly string[], states: Set<number>): Set<number> {
  for (const state of states) if (tokens[state] === WITHIN || tokens[state] === ACROSS) states.add(state + 1);
  return states;
}

function scoped(listener: string | null, name: string): string {
  return listener === null ? `${KEY_SEPARATOR}${name}` : `${listener}${KEY_SEPARATOR}${name}`;
}

function markIn(marks: Map<string, Mark>, name: string): Mark {
  let mark = marks.get(name);
  if (mark === undefined) marks.set(name, mark = { ...NEVER });
  return mark;
}

function present(mark: Mark | undefined): Mark[] {
  return mark === undefined ? [] : [mark];
}
