import { textGlob } from "./text_glob.ts";

const STAR = Symbol("*");
const GLOBSTAR = Symbol("**");

type Token = string | typeof STAR | typeof GLOBSTAR;

/** A path glob, compiled. */
export interface PathGlob {
  /** The text before the first wildcard; the whole glob where it has none. */
  readonly literal: string;
  /** How many wildcards it has. */
  readonly wildcards: number;
  test(path: string): boolean;
  /** Texts that the wildcards match, the first as long as possible; at most nine. `null` where the path does not match. */
  match(path: string): readonly string[] | null;
}

/** Wildcards that {@linkcode PathGlob.match} tells of. */
export const MAX_WILDCARDS = 9;

/**
 * Compiles a path glob: `*` stays within a segment, `**` goes across. Not an expression: with several wildcards that would take a
 * time that grows with a power of the path's length, and paths come from clients. This takes steps = path length × parts of the glob.
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
  if (wildcards === 1) return { ...known, ...oneWildcard(literal, tokens) };
  // A fast check with every wildcard crossing segments; few paths pass it without matching the glob.
  const { test: fits } = textGlob(glob.replace(/\*+/g, "*"));
  const test = (path: string) => !tokens.includes(STAR) || placesOfAll(tokens, path)[0]![0] === 1;
  return {
    ...known,
    test: (path) => fits(path) && test(path),
    match: (path) => fits(path) ? generalMatch(tokens, path) : null,
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

/**
 * Where in a path a glob's tokens from one on match all that is left, by what the tokens behind it do: worked out from the end, so that
 * nothing is tried twice.
 */
function placesOf(token: Token, path: string, behind: Uint8Array): Uint8Array {
  const places = new Uint8Array(path.length + 1);
  if (typeof token === "string") {
    for (let at = path.indexOf(token); at >= 0; at = path.indexOf(token, at + 1)) {
      places[at] = behind[at + token.length]!;
    }
    return places;
  }
  const stops = token === STAR ? SLASH : -1;
  places[path.length] = behind[path.length]!;
  for (let at = path.length - 1; at >= 0; at--) {
    const goesOn = path.charCodeAt(at) === stops ? 0 : places[at + 1]!;
    places[at] = behind[at]! | goesOn;
  }
  return places;
}

/** The places of all beginnings of a glob, and of its end. */
function placesOfAll(tokens: readonly Token[], path: string): Uint8Array[] {
  const rows: Uint8Array[] = [new Uint8Array(path.length + 1)];
  rows[0]![path.length] = 1;
  for (const token of tokens.toReversed()) rows.unshift(placesOf(token, path, rows[0]!));
  return rows;
}

function generalMatch(tokens: readonly Token[], path: string): readonly string[] | null {
  const rows = placesOfAll(tokens, path);
  if (rows[0]![0] === 0) return null;
  const taken: string[] = [];
  let at = 0;
  for (const [index, token] of tokens.entries()) {
    if (typeof token === "string") {
      at += token.length;
      continue;
    }
    // As much as leaves the rest a way to match.
    const slash = token === STAR ? path.indexOf("/", at) : -1;
    const end = rows[index + 1]!.lastIndexOf(1, slash < 0 ? path.length : slash);
    taken.push(path.slice(at, end));
    at = end;
  }
  return taken.slice(0, MAX_WILDCARDS);
}

const SLASH = 47;
