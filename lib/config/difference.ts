import type { FileValues } from "./config.ts";
import { isWord, placeBelow, type ShownValue, shownValue, type ValuePlace, wholeFile } from "./shown_values.ts";

/** Longest text of a value within a line. */
const MAX_LENGTH = 120;
/** Lines that are told. */
const MAX_LINES = 200;

type Mapping = Readonly<Record<string, unknown>>;

/** Two values at one place, and what the place is called in words. */
interface Pair {
  readonly label: string;
  readonly before: unknown;
  readonly after: unknown;
  readonly place: ValuePlace;
}

/**
 * What differs between two configurations, a line each: pools, listeners and upstreams that have come and gone, and what has changed,
 * key by key as the file calls them, old → new. Credentials are not shown, only that they changed. At most 200 lines.
 *
 * @example
 * `listener "api": cache.mode: ttl → rfc9111`, `pool "tmdb": upstream https://api.tmdb.org: added`,
 * `pool "tmdb": api_keys: 1 added, 1 removed (not shown)`
 */
export function differenceInWords(before: FileValues, after: FileValues): string[] {
  const file = wholeFile();
  const { pools: poolsBefore, listeners: listenersBefore, forward_proxies: proxiesBefore, ...restBefore } = before;
  const { pools, listeners, forward_proxies, ...rest } = after;
  const poolPlace = placeBelow(placeBelow(file, "pools"), "any");
  const listenerPlace = placeBelow(placeBelow(file, "listeners"), 0);
  const proxyPlace = placeBelow(placeBelow(file, "forward_proxies"), 0);
  const lines = [
    ...difference({ label: "", before: restBefore, after: rest, place: file }),
    ...namedDifference("pool ", new Map(Object.entries(poolsBefore)), new Map(Object.entries(pools)), poolPlace),
    ...namedDifference("listener ", byKey(listenersBefore, "name"), byKey(listeners, "name"), listenerPlace),
    ...namedDifference("forward proxy ", byKey(proxiesBefore, "name"), byKey(forward_proxies, "name"), proxyPlace),
  ];
  const more = lines.length - MAX_LINES;
  return more > 0 ? [...lines.slice(0, MAX_LINES), `and ${more} more`] : lines;
}

function difference({ label, before, after, place }: Pair): string[] {
  if (isSame(before, after)) return [];
  if (isWord(place)) return [lineOf({ label, before, after, place })];
  if (isMapping(before) && isMapping(after)) {
    return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((key) => {
      const below = placeBelow(place, key);
      return difference({ label: joined(label, key), before: before[key], after: after[key], place: below });
    });
  }
  if (Array.isArray(before) && Array.isArray(after) && [...before, ...after].some(isMapping)) {
    return listDifference({ label, before, after, place });
  }
  return [lineOf({ label, before, after, place })];
}

function lineOf({ label, before, after, place }: Pair): string {
  const isHidden = place.isHidden || (Array.isArray(before ?? after) && placeBelow(place, 0).isHidden);
  if (isHidden) return `${label}: ${hiddenChange(before, after)} (not shown)`;
  return `${label}: ${textOf(before, place)} → ${textOf(after, place)}`;
}

/** A list of mappings: by what tells its items apart, else by their places. */
function listDifference({ label, before, after, place }: Pair): string[] {
  const [old, now] = [before, after] as [Mapping[], Mapping[]];
  const below = placeBelow(place, 0);
  const key = ["url", "name"].find((one) => isKey(old, one) && isKey(now, one));
  if (key === undefined) {
    const indices = Array.from({ length: Math.max(old.length, now.length) }, (_, index) => index);
    return indices.flatMap((index) => {
      const item = `${label}[${index}]`;
      return comeOrGone(item, old[index], now[index]) ??
        difference({ label: item, before: old[index], after: now[index], place: below });
    });
  }
  const singular = label.replace(/s$/, "");
  const [byOld, byNow] = [byKey(old, key), byKey(now, key)];
  const changed = namedDifference(`${singular} `, byOld, byNow, below);
  const order = (one: ReadonlyMap<string, unknown>, other: ReadonlyMap<string, unknown>) =>
    [...one.keys()].filter((name) => other.has(name)).join("\n");
  return order(byOld, byNow) === order(byNow, byOld) ? changed : [...changed, `${label}: another order`];
}

function namedDifference(
  label: string,
  before: ReadonlyMap<string, unknown>,
  after: ReadonlyMap<string, unknown>,
  place: ValuePlace,
): string[] {
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((name) => {
    // A URL needs no quotes to be told from the words around it.
    const shown = name.includes("://") ? String(shownValue(name, { schema: undefined, isHidden: false })) : `"${name}"`;
    const item = label + shown;
    return comeOrGone(item, before.get(name), after.get(name)) ??
      difference({ label: `${item}:`, before: before.get(name), after: after.get(name), place });
  });
}

/** What is said of a thing that is there only before or after; `null` for one that is there both times. */
function comeOrGone(label: string, before: unknown, after: unknown): string[] | null {
  if (before === undefined) return [`${label}: added`];
  return after === undefined ? [`${label}: removed`] : null;
}

function joined(label: string, key: string): string {
  return label === "" ? key : label.endsWith(":") ? `${label} ${key}` : `${label}.${key}`;
}

function hiddenChange(before: unknown, after: unknown): string {
  if (before === undefined) return "added";
  if (after === undefined) return "removed";
  if (!Array.isArray(before) || !Array.isArray(after)) return "changed";
  const [old, now] = [before.map(plainText), after.map(plainText)];
  const added = now.filter((one) => !old.includes(one)).length;
  const removed = old.filter((one) => !now.includes(one)).length;
  return added + removed === 0 ? "another order" : `${added} added, ${removed} removed`;
}

function textOf(value: unknown, place: ValuePlace): string {
  if (value === undefined) return "not set";
  const text = flow(shownValue(value, place));
  return text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}…` : text;
}

/** As YAML has it in one line. */
function flow(value: ShownValue): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`;
  if (typeof value !== "object" || value === null) return String(value);
  return `{ ${Object.entries(value).map(([key, one]) => `${key}: ${flow(one)}`).join(", ")} }`;
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isKey(items: readonly Mapping[], key: string): boolean {
  const values = items.map((item) => item[key]);
  return values.every((value) => typeof value === "string") && new Set(values).size === values.length;
}

function byKey(items: readonly Mapping[], key: string): Map<string, Mapping> {
  return new Map(items.map((item) => [String(item[key]), item]));
}

function isSame(before: unknown, after: unknown): boolean {
  return plainText(before) === plainText(after);
}

function plainText(value: unknown): string {
  return JSON.stringify(value) ?? "";
}
