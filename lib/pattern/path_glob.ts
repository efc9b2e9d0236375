import { linearPattern } from "./linear_pattern.ts";

const STAR = Symbol("*");
const GLOBSTAR = Symbol("**");

type Token = string | typeof STAR | typeof GLOBSTAR;

/** A path glob, compiled. */
export interface PathGlob {
  /** What stands before the first wildcard; the whole glob where it has none. */
  readonly literal: string;
  /** How many wildcards it has. */
  readonly wildcards: number;
  test(path: string): boolean;
  /** What the wildcards take of a path, the first as much as it can; at most nine of them. `null` where it does not match. */
  match(path: string): readonly string[] | null;
}

/** Wildcards that {@linkcode PathGlob.match} tells of. */
export const MAX_WILDCARDS = 9;

/**
 * Compiles a path glob: `*` stays within a segment, `**` goes across. Not an expression: with several wildcards that would take a
 * time that grows with a power of the path's length, and paths come from clients. This takes steps = path length × glob length.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { pathGlob } from "./path_glob.ts";
 * assert.equal(pathGlob("/t/**.jpg").test("/t/p/w92/x.jpg"), true);
 * assert.equal(pathGlob("/t/*").test("/t/p/w92"), false);
 * assert.deepEqual(pathGlob("/t/*" + "/p/**").match("/t/w92/p/a/b"), ["w92", "a/b"]);
 * ```
 */
export function pathGlob(glob: string): PathGlob {
  const parts = glob.match(/\*\*|\*|[^*]+/g) ?? [];
  const tokens = parts.map((part): Token => part === "**" ? GLOBSTAR : part === "*" ? STAR : part);
  const literal = typeof tokens[0] === "string" ? tokens[0] : "";
  const wildcards = tokens.filter((token) => typeof token === "symbol").length;
  const known = { literal, wildcards };
  if (wildcards === 0) {
    return { ...known, test: (path) => path === glob, match: (path) => path === glob ? [] : null };
  }
  const last = tokens.at(-1)!;
  if (wildcards === 1) return { ...known, ...oneWildcard(literal, tokens) };
  const end = typeof last === "string" ? last : "";
  const test = generalTest(tokens);
  const fits = (path: string) => path.startsWith(literal) && path.endsWith(end);
  return {
    ...known,
    test: (path) => fits(path) && test(path),
    match: (path) => fits(path) ? generalMatch(tokens)(path) : null,
  };
}

/** The usual glob: a beginning, one wildcard, an end. */
function oneWildcard(start: string, tokens: readonly Token[]): Pick<PathGlob, "test" | "match"> {
  const end = typeof tokens.at(-1) === "string" ? tokens.at(-1) as string : "";
  const isAcross = tokens.includes(GLOBSTAR);
  const test = (path: string) => {
    if (path.length < start.length + end.length || !path.startsWith(start) || !path.endsWith(end)) return false;
    if (isAcross) return true;
    const slash = path.indexOf("/", start.length);
    return slash < 0 || slash >= path.length - end.length;
  };
  return { test, match: (path) => test(path) ? [path.slice(start.length, path.length - end.length)] : null };
}

/** Compiled when it is first needed: most globs are only asked whether they match. */
const matchers = new WeakMap<readonly Token[], PathGlob["match"]>();

function generalMatch(tokens: readonly Token[]): PathGlob["match"] {
  const known = matchers.get(tokens);
  if (known !== undefined) return known;
  let count = 0;
  const pieces = tokens.map((token) => {
    if (typeof token === "string") return token.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&");
    const any = token === STAR ? "[^/]*" : "[^]*";
    return ++count <= MAX_WILDCARDS ? `(${any})` : any;
  });
  const pattern = linearPattern(`^${pieces.join("")}$`);
  const match = (path: string) => pattern.exec(path)?.groups ?? null;
  matchers.set(tokens, match);
  return match;
}

/** Follows all ways to match at once: `reached[n]` says that the first `n` tokens match what has been read. */
function generalTest(parts: readonly Token[]): (path: string) => boolean {
  const tokens = parts.flatMap((part): Token[] => typeof part === "string" ? part.split("") : [part]);
  return (path) => {
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
  };
}

/** Adds what is reached without reading: a wildcard also stands for nothing. */
function passed(tokens: readonly Token[], reached: boolean[]): boolean[] {
  for (let count = 0; count < tokens.length; count++) {
    if (reached[count] && typeof tokens[count] === "symbol") reached[count + 1] = true;
  }
  return reached;
}
