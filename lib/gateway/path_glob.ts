import type { PathPattern } from "../cache/policy_options.ts";

const STAR = Symbol("*");
const GLOBSTAR = Symbol("**");

/**
 * A path glob, compiled: `*` stays within a segment, `**` goes across. Not an expression: with several wildcards that would take a
 * time that grows with a power of the path's length, and paths come from clients. This takes steps = path length × glob length.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { pathGlob } from "./path_glob.ts";
 * assert.equal(pathGlob("/t/**.jpg").test("/t/p/w92/x.jpg"), true);
 * assert.equal(pathGlob("/t/*").test("/t/p/w92"), false);
 * ```
 */
export function pathGlob(glob: string): PathPattern {
  const parts = glob.match(/\*\*|[^]/g) ?? [];
  const tokens = parts.map((part) => part === "**" ? GLOBSTAR : part === "*" ? STAR : part);
  const firstWildcard = glob.indexOf("*");
  const prefix = firstWildcard < 0 ? glob : glob.slice(0, firstWildcard);
  return { test: (path) => path.startsWith(prefix) && matches(tokens, path) };
}

type Token = string | typeof STAR | typeof GLOBSTAR;

/** Follows all ways to match at once: `reached[n]` says that the first `n` tokens match what has been read. */
function matches(tokens: readonly Token[], path: string): boolean {
  let reached = passed(tokens, [true]);
  for (let at = 0; at < path.length; at++) {
    const next: boolean[] = [];
    for (let count = 0; count < tokens.length; count++) {
      if (!reached[count]) continue;
      const token = tokens[count];
      if (token === GLOBSTAR || token === STAR && path[at] !== "/") next[count] = true;
      else if (token === path[at]) next[count + 1] = true;
    }
    if (next.length === 0) return false;
    reached = passed(tokens, next);
  }
  return reached[tokens.length] === true;
}

/** Adds what is reached without reading: a wildcard also stands for nothing. */
function passed(tokens: readonly Token[], reached: boolean[]): boolean[] {
  for (let count = 0; count < tokens.length; count++) {
    if (reached[count] && typeof tokens[count] === "symbol") reached[count + 1] = true;
  }
  return reached;
}
