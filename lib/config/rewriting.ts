import { z } from "zod";
import type { JsonValue } from "../http/json_merge.ts";
import { upstreamTypes } from "../upstream_type/registry.ts";
import { parseUpstreamUrl } from "./addresses.ts";
import { glob, upstreamUrl } from "./http_scalars.ts";
import type { ListenerContext } from "./listener_context.ts";
import { plainValue } from "./yaml/interpolate.ts";
import { duration, text } from "./yaml/scalars.ts";
import { asMapping, list, oneOrMany, record, section, type Values } from "./yaml/section.ts";
import { isMapping } from "./yaml/tree.ts";

/** Languages that documents are filled from: a season is asked for in each. */
const MAX_LANGUAGES = 5;

/** Characters of a patch at most, as JSON. */
const MAX_PATCH_LENGTH = 65_536;

/** `true`, `false` or a URL, which loses a slash at its end. */
function flagOrUrl() {
  const expected = "true, false or a URL such as https://images.example/t/p";
  return z.unknown().transform((input, context): boolean | string => {
    const value = plainValue(input);
    if (typeof value === "boolean") return value;
    const isUrl = typeof value === "string" && /^https?:/i.test(value) && value.length <= 2000;
    const parsed = isUrl ? parseUpstreamUrl(value) : { expected };
    if ("url" in parsed) return parsed.url;
    const choices = isUrl ? [] : ["true", "false"];
    context.addIssue({ code: "custom", message: parsed.expected, params: { choices } });
    return z.NEVER;
  }).meta({
    title: "boolean or URL",
    anyOf: [{ type: "boolean" }, { type: "string", pattern: "^[Hh][Tt][Tt][Pp][Ss]?://|\\$\\{" }],
  });
}

/** What is wrong with a value, and where in it. */
interface Fault {
  readonly path: PropertyKey[];
  readonly expected: string;
}

/** Any value, as JSON has them. The file's own bounds hold for its depth. */
function jsonValue() {
  return z.unknown().transform((input, context): JsonValue => {
    const faults: Fault[] = [];
    const value = input === undefined ? fault(faults, [], "a value, as JSON has them") : jsonOf(input, [], faults);
    if (faults.length === 0 && JSON.stringify(value).length > MAX_PATCH_LENGTH) {
      fault(faults, [], `a value of at most ${MAX_PATCH_LENGTH} characters as JSON`);
    }
    for (const { path, expected } of faults) context.addIssue({ code: "custom", message: expected, path });
    return faults.length === 0 ? value : z.NEVER;
  }).meta({ title: "JSON value" });
}

function fault(faults: Fault[], path: PropertyKey[], expected: string): null {
  faults.push({ path, expected });
  return null;
}

function jsonOf(input: unknown, path: PropertyKey[], faults: Fault[]): JsonValue {
  const value = plainValue(input);
  if (Array.isArray(value)) return value.map((item, index) => jsonOf(item, [...path, index], faults));
  if (isMapping(value)) {
    const members = Object.entries(value).map(([name, item]) => [name, jsonOf(item, [...path, name], faults)] as const);
    return Object.fromEntries(members);
  }
  if (typeof value !== "number") return value as null | boolean | string;
  // Read as a number it is another one by now.
  const isExact = Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value));
  return isExact ? value : fault(faults, path, "a number that is exact in 64 bits, or quotes around it");
}

const queryValue = text({ title: "text", pattern: /^[^\p{Cc}]*$/u, maxLength: 1024, expected: "a text" });

const language = text({
  title: "language",
  pattern: /^[a-z]{2,3}(-[A-Z]{2,4})?$/,
  maxLength: 8,
  expected: "a language as TMDB names it, such as zh-TW or de",
});

const overrideSection = section({
  path: glob("/3/movie/550 or /3/tv/**").describe(
    "Glob over the path as the upstream sees it; `*` within a segment, `**` across segments.",
  ),
  query: record(
    text({ title: "name", pattern: /^[^\p{Cc}]+$/u, maxLength: 256, expected: "a parameter's name" }),
    queryValue,
    "parameters and texts",
  ).describe("Parameters that the query must have, such as `{ language: de-DE }`; default: any query."),
  merge: jsonValue().describe(
    "Merge patch (RFC 7396): members that are set, or with `null` removed; mappings are merged, lists replaced.",
  ),
});

/** Keys of a listener that say what is changed in the documents that it serves. */
export const rewritingKeys = {
  public_url: upstreamUrl().optional().describe(
    "How clients reach this listener's address, such as `https://films.example`, for addresses in documents that lead " +
      "here; default: by the request's `Host`, or as a trusted proxy says.",
  ),
  rewrite_image_base: flagOrUrl().prefault(true).describe(
    "On type `tmdb-api`: the image addresses of `/3/configuration` lead to the listener of type `tmdb-image`, if there is " +
      "one, or to this URL; `false` leaves them.",
  ),
  fill_language: oneOrMany(language, MAX_LANGUAGES).prefault([]).describe(
    "On type `tmdb-api`: texts that a title, season, episode, person or collection lacks in the asked language are filled " +
      "from these, in this order, as documents are served: a language on the list from those behind it, others from all; " +
      "such as `[zh-TW, en-US]`. What is stored stays as the upstream gave it.",
  ),
  fill_wait: duration(100, 60_000).prefault("3s").describe(
    "How long a request waits for what a document is filled from; then it gets the document as it is, for a minute at most.",
  ),
  overrides: list(asMapping(overrideSection), 200).prefault([]).describe(
    "Changes to JSON documents as they are served, in this order; what is stored stays as the upstream gave it.",
  ),
};

type RewritingValues = Values<typeof rewritingKeys>;

/** What a listener says of its documents, and of the paths that it has. */
interface RewritingListener extends Omit<RewritingValues, "public_url" | "fill_wait"> {
  readonly prefix: string;
  readonly strip_prefix: boolean;
  readonly cache: { readonly mode?: string };
}

/** Checks what a listener changes in the documents that it serves. */
export function checkRewriting(listener: RewritingListener, context: ListenerContext): void {
  checkImageBase(listener.rewrite_image_base, context);
  checkLanguages(listener, context);
  const { problems, path } = context;
  for (const [index, { path: glob, merge }] of listener.overrides.entries()) {
    const at = [...path, "overrides", index];
    const isObject = typeof merge === "object" && merge !== null && !Array.isArray(merge);
    if (isObject && Object.keys(merge).length === 0) problems.warn([...at, "merge"], "an empty patch changes nothing");
    if (!listener.strip_prefix && !isReachable(glob, listener.prefix)) {
      problems.warn([...at, "path"], `it matches no path of this listener: they begin with ${listener.prefix}`);
    }
  }
}

/** A `rewrite_image_base` that somebody wrote must be able to do something. */
function checkImageBase(base: boolean | string, { problems, path, type, types }: ListenerContext): void {
  const at = [...path, "rewrite_image_base"];
  if (!problems.isGiven(at) || problems.has(at) || type === undefined || base === false) return;
  const linked = upstreamTypes.traits(type)?.links?.type;
  if (linked === undefined) {
    return problems.atKey(at, `found rewrite_image_base expected none on a pool of type ${type}`);
  }
  if (base !== true || types.includes(linked) || types.includes(undefined)) return;
  problems.expect(at, `false, the URL of images, or a listener with a pool of type ${linked}`);
}

/** Documents can be filled only where there are some, and where what they are filled from can be kept. */
function checkLanguages(
  { fill_language: languages, cache: { mode } }: RewritingListener,
  { problems, path, type }: ListenerContext,
): void {
  const at = [...path, "fill_language"];
  if (languages.length === 0 || problems.has(at) || type === undefined) return;
  if ((upstreamTypes.traits(type)?.languages ?? null) === null) {
    return problems.atKey(at, `found fill_language expected none on a pool of type ${type}`);
  }
  const twice = languages.findIndex((language, index) => languages.indexOf(language) < index);
  if (twice >= 0) problems.expect([...at, twice], "each language once");
  if (mode === "off") problems.warn(at, "it has no effect: `cache.mode: off` stores nothing");
}

/** Whether a glob can match a path that a listener passes on as it stands. */
export function isReachable(glob: string, prefix: string): boolean {
  const [literal = ""] = glob.split("*");
  const isWhole = literal === glob;
  if (prefix === "/" || literal.startsWith(`${prefix}/`) || literal === prefix) return true;
  return !isWhole && prefix.startsWith(literal);
}

/** What a listener changes in the documents that it serves; what is stored stays as the upstream gave it. */
export interface RewritingConfig {
  /** How clients reach the listener's address; `null` goes by the request. */
  readonly publicUrl: string | null;
  /** Whether addresses of images lead to a listener of this gateway, or the URL that they lead to. */
  readonly rewriteImageBase: boolean | string;
  /** Languages that documents are filled from, in this order; empty for none. */
  readonly fillLanguages: readonly string[];
  /** How long a request waits for them. */
  readonly fillWaitMs: number;
  /** Applied in this order; `merge` is a JSON merge patch (RFC 7396). */
  readonly overrides: readonly {
    readonly path: string;
    readonly query: Readonly<Record<string, string>>;
    readonly merge: JsonValue;
  }[];
}

/** What a listener changes in documents. */
export function rewritingOf(values: RewritingValues): RewritingConfig {
  return {
    publicUrl: values.public_url ?? null,
    rewriteImageBase: values.rewrite_image_base,
    fillLanguages: values.fill_language,
    fillWaitMs: values.fill_wait,
    overrides: values.overrides,
  };
}
