import { parseWeighted, splitList } from "./list.ts";

const MAX_CODINGS = 32;

/** Old names that mean the same (RFC 9110 §8.4.1). */
const ALIASES: Readonly<Record<string, string>> = { "x-gzip": "gzip", "x-compress": "compress" };

/**
 * The coding to answer with: of `offered`, the one the client gives most weight, the earlier one where several are equal
 * (RFC 9110 §12.5.3). `identity` counts as offered last where it is not named. `null` says that the client accepts none of
 * them, which a server may overrule by sending `identity`.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { negotiateCoding } from "./content_coding.ts";
 * assert.equal(negotiateCoding("gzip, br;q=0.9", ["br", "gzip"]), "gzip");
 * assert.equal(negotiateCoding("gzip, br", ["br", "gzip"]), "br");
 * assert.equal(negotiateCoding(null, ["br"]), "identity");
 * assert.equal(negotiateCoding("identity;q=0", ["br"]), null);
 * ```
 */
export function negotiateCoding(acceptEncoding: string | null, offered: readonly string[]): string | null {
  // Without the field any coding is acceptable, but clients that send none seldom decode.
  if (acceptEncoding === null) return "identity";
  const weights = codingWeights(acceptEncoding);
  let best: string | null = null;
  let bestWeight = 0;
  for (const coding of offered.includes("identity") ? offered : [...offered, "identity"]) {
    const weight = weightOf(coding, weights);
    if (weight <= bestWeight) continue;
    best = coding;
    bestWeight = weight;
  }
  return best;
}

/** Whether a client takes a response in this coding, such as a stored one (RFC 9110 §12.5.3). */
export function acceptsCoding(acceptEncoding: string | null, coding: string): boolean {
  if (acceptEncoding === null) return true;
  return weightOf(ALIASES[coding] ?? coding, codingWeights(acceptEncoding)) > 0;
}

function codingWeights(acceptEncoding: string): ReadonlyMap<string, number> {
  const weights = new Map<string, number>();
  for (const member of splitList(acceptEncoding, MAX_CODINGS)) {
    const { text, weight } = parseWeighted(member);
    const coding = ALIASES[text] ?? text;
    if (!weights.has(coding)) weights.set(coding, weight);
  }
  return weights;
}

/**
 * `identity` is acceptable unless it, or `*` without it, has weight 0. Where it is not named it ranks below every named
 * coding, so that a client that lists `gzip;q=0.5` gets gzip.
 */
function weightOf(coding: string, weights: ReadonlyMap<string, number>): number {
  const named = weights.get(coding);
  if (named !== undefined) return named;
  const any = weights.get("*");
  if (coding === "identity") return any === 0 ? 0 : 0.0001;
  return any ?? 0;
}

/** Codings that origins choose among; beside one of these, other codings of a client's list change nothing. */
const USUAL: ReadonlySet<string> = new Set(["br", "gzip", "zstd"]);

/**
 * Codings that an origin may have chosen because a client takes them (RFC 9110 §8.4.1, RFC 7932, RFC 8878, RFC 9842), and some that are
 * not registered but used.
 */
const NEGOTIATED: ReadonlySet<string> = new Set([
  ...USUAL,
  ...["bzip2", "compress", "dcb", "dcz", "deflate", "exi", "lz4", "lzma", "pack200-gzip", "sdch", "x-bzip2", "xz"],
]);

/**
 * The codings of a `Content-Encoding` that clients negotiate, by their usual names; empty where there are none, as in `identity` or
 * `utf-8`.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { negotiatedCodings } from "./content_coding.ts";
 * assert.deepEqual(negotiatedCodings("X-GZIP"), ["gzip"]);
 * assert.deepEqual(negotiatedCodings("identity"), []);
 * ```
 */
export function negotiatedCodings(contentEncoding: string | null): readonly string[] {
  if (contentEncoding === null) return [];
  return splitList(contentEncoding.toLowerCase(), MAX_CODINGS)
    .map((coding) => ALIASES[coding] ?? coding)
    .filter((coding) => NEGOTIATED.has(coding));
}

/**
 * Whether a response in these codings suits a client whose list has the same {@linkcode codingPreference} as that of the first client:
 * codings that the preference leaves out must be in this client's list, too.
 */
export function suitsAlike(acceptEncoding: string | null, contentEncoding: string | null): boolean {
  return negotiatedCodings(contentEncoding).every((coding) =>
    USUAL.has(coding) || acceptsCoding(acceptEncoding, coding)
  );
}

/** A coding, `identity` or `*`, and its weight. */
const CHOICE = /^([a-z0-9!#$%&'*+.^_`|~-]+)(?:[ \t]*;[ \t]*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?$/i;
/** Weights that are told apart: each is written with one digit. */
const MAX_WEIGHTS = 9;

/**
 * An `Accept-Encoding` in the form in which lists that mean the same to an origin are the same text: the codings that origins choose
 * among, in the order of preference, and a refusal of `identity`. `deflate` beside `gzip`, how exactly weights differ, and `identity`
 * where it comes last say nothing. `null` for a list that is malformed, contradicts itself or is too long: origins differ in
 * reading it.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { codingPreference } from "./content_coding.ts";
 * assert.equal(codingPreference("gzip, deflate, br"), "br,gzip");
 * assert.equal(codingPreference("BR;q=1.0, x-gzip;q=0.8, *;q=0.1"), "br,gzip;q=0.9,*;q=0.8");
 * assert.equal(codingPreference("gzip;q=0"), "identity");
 * assert.equal(codingPreference("gzip, *;q=0"), "gzip,identity;q=0");
 * ```
 */
export function codingPreference(acceptEncoding: string): string | null {
  const weights = exactWeights(acceptEncoding);
  if (weights === null) return null;
  const isRefused = weightOf("identity", weights) === 0;
  // Where all that is usual is named, `*` adds nothing that matters.
  const isOpen = [...USUAL].some((name) => !weights.has(name)) && (weights.get("*") ?? 0) > 0;
  const counts = (name: string) => USUAL.has(name) || name === "*" && isOpen;
  const taken = [...weights].filter(([name, weight]) => weight > 0 && name !== "identity" && (name !== "*" || isOpen));
  const best = Math.max(0, ...taken.map(([name, weight]) => counts(name) ? weight : 0));
  const kept = taken.filter(([name, weight]) => counts(name) || weight > best);
  const least = Math.min(...kept.map(([, weight]) => weight));
  const identity = weights.get("identity") ?? 0;
  if (identity > least || (kept.length === 0 && !isRefused)) kept.push(["identity", Math.max(identity, 0.001)]);
  const texts = ranked(kept);
  if (texts === null) return null;
  if (isRefused) texts.push("identity;q=0");
  if (isOpen) { for (const name of USUAL) if (weights.get(name) === 0) texts.push(`${name};q=0`); }
  return texts.join(",");
}

/** The weight that each coding is given; `null` where one is given two, something is no coding, or there are too many. */
function exactWeights(acceptEncoding: string): ReadonlyMap<string, number> | null {
  const weights = new Map<string, number>();
  const members = splitList(acceptEncoding.toLowerCase(), MAX_CODINGS + 1);
  if (members.length > MAX_CODINGS) return null;
  for (const member of members) {
    const choice = CHOICE.exec(member);
    if (choice === null) return null;
    const name = ALIASES[choice[1]!] ?? choice[1]!;
    const weight = Number(choice[2] ?? 1);
    if ((weights.get(name) ?? weight) !== weight) return null;
    weights.set(name, weight);
  }
  return weights;
}

/** The best first, each rank with a weight of its own; `null` where there are too many. */
function ranked(choices: readonly (readonly [name: string, weight: number])[]): string[] | null {
  const ranks = [...new Set(choices.map(([, weight]) => weight))].sort((a, b) => b - a);
  if (ranks.length > MAX_WEIGHTS) return null;
  return choices
    .map(([name, weight]) => ({ name, rank: ranks.indexOf(weight) }))
    .sort((a, b) => a.rank - b.rank || (a.name < b.name ? -1 : 1))
    .map(({ name, rank }) => rank === 0 ? name : `${name};q=0.${10 - rank}`);
}
