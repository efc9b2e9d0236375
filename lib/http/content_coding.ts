import { splitList } from "./list.ts";
import { parseWeighted } from "./vary.ts";

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
