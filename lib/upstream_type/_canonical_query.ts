import { tmdbKeyForm } from "./_credentials.ts";

/** Text that is its own canonical form. */
const PLAIN = /^[A-Za-z0-9_.~,-]*$/;
const UNRESERVED = /[A-Za-z0-9_.~,-]/;

/**
 * A name or value of a query in one spelling: escapes of plain letters are decoded, all else is escaped in upper case, `+` is a
 * space. Two texts have the same form only if they mean the same: a `%` that begins no escape becomes `%%`, which no escape does.
 */
export function canonicalText(text: string): string {
  if (PLAIN.test(text)) return text;
  // A fast path for what most clients escape without need.
  const commas = text.replaceAll("%2C", ",");
  if (PLAIN.test(commas)) return commas;
  return text.replace(/%([0-9A-Fa-f]{2})|[^A-Za-z0-9_.~,-]/gu, (match, hex) => {
    if (hex !== undefined) return canonicalByte(hex);
    if (match === "+") return "%20";
    if (match === "%") return "%%";
    // Half of a surrogate pair has no UTF-8 form; it stays as it is.
    return match.isWellFormed() ? encodeURIComponent(match).replace(/^[!'()*]$/, escapeByte) : match;
  });
}

function canonicalByte(hex: string): string {
  const character = String.fromCharCode(parseInt(hex, 16));
  return UNRESERVED.test(character) ? character : `%${hex.toUpperCase()}`;
}

function escapeByte(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

/**
 * The query as part of a cache key: without `api_key` and without empty pairs, names in order (lines of one name keep theirs), the
 * items of `append_to_response` as a set.
 */
export function canonicalQuery(query: string): string {
  if (query === "") return "";
  const pairs: Array<readonly [name: string, pair: string]> = [];
  let sorted = true;
  for (const raw of query.split("&")) {
    const equals = raw.indexOf("=");
    const name = canonicalText(equals < 0 ? raw : raw.slice(0, equals));
    if (isApiKey(name) || raw === "" || raw === "=") continue;
    if (pairs.length > 0 && pairs[pairs.length - 1]![0] > name) sorted = false;
    pairs.push([name, equals < 0 ? name : `${name}=${canonicalValue(name, raw.slice(equals + 1))}`]);
  }
  if (!sorted) pairs.sort(byName);
  let text = "";
  for (const [, pair] of pairs) text += text === "" ? pair : `&${pair}`;
  return text;
}

function byName(a: readonly [string, string], b: readonly [string, string]): number {
  return a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0;
}

function canonicalValue(name: string, value: string): string {
  const text = canonicalText(value);
  if (name !== "append_to_response" || !text.includes(",")) return text;
  const items = text.split(",");
  if (items.every((item, index) => item !== "" && (index === 0 || items[index - 1]! < item))) return text;
  return [...new Set(items)].filter((item) => item !== "").sort().join(",");
}

/** Whether a canonical name is that of the application key; upstreams may not care for case. */
export function isApiKey(name: string): boolean {
  return name.length === 7 && name.toLowerCase() === "api_key";
}

/** A raw query without its `api_key` pairs; every other byte stays. */
export function withoutApiKey(query: string): string {
  if (!mayHoldApiKey(query)) return query;
  return query.split("&").filter((pair) => !isApiKey(pairName(pair))).join("&");
}

/** A raw query without those of its `api_key` pairs that give no key; every other byte stays. */
export function withoutPlaceholderKeys(query: string): string {
  if (!mayHoldApiKey(query)) return query;
  return query.split("&").filter((pair) => !isApiKey(pairName(pair)) || givesKey(pair)).join("&");
}

/**
 * Whether a raw query has an application key: one that TMDB could have issued, not `x`, `null`, `<api_key>` or an empty text,
 * which programs and people without a key put there.
 */
export function hasApiKey(query: string): boolean {
  if (!mayHoldApiKey(query)) return false;
  return query.split("&").some((pair) => isApiKey(pairName(pair)) && givesKey(pair));
}

function givesKey(pair: string): boolean {
  const equals = pair.indexOf("=");
  return equals > 0 && tmdbKeyForm.isKey(canonicalText(pair.slice(equals + 1)));
}

/** Cheap and never wrong with `false`: most queries need no closer look. */
function mayHoldApiKey(query: string): boolean {
  return query.includes("%") || /api_key/i.test(query);
}

function pairName(pair: string): string {
  const equals = pair.indexOf("=");
  return canonicalText(equals < 0 ? pair : pair.slice(0, equals));
}
