import { z } from "zod";
import { parseUpstreamUrl } from "./addresses.ts";
import { Interpolated } from "./yaml/interpolate.ts";
import type { JsonConfig } from "./rewriting_config.ts";
import { text, upstreamUrl } from "./yaml/scalars.ts";
import { asMapping, list, section } from "./yaml/section.ts";
import { isMapping } from "./yaml/tree.ts";

/** Characters of a patch at most, as JSON. */
const MAX_PATCH_LENGTH = 65_536;

/** `true`, `false` or a URL, which loses a slash at its end. */
function flagOrUrl() {
  const expected = "true, false or a URL such as https://images.example/t/p";
  return z.unknown().transform((input, context): boolean | string => {
    const value = input instanceof Interpolated ? input.value() : input;
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
  return z.unknown().transform((input, context): JsonConfig => {
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

function jsonOf(input: unknown, path: PropertyKey[], faults: Fault[]): JsonConfig {
  const value = input instanceof Interpolated ? input.value() : input;
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

const overrideSection = section({
  path: text({
    title: "glob",
    pattern: /^[/*][^\s?#\p{Cc}]*$/u,
    maxLength: 2000,
    expected: "a glob such as /3/movie/550 or /3/tv/**",
  }).describe("Glob over the path as the upstream sees it; `*` within a segment, `**` across segments."),
  query: z.record(
    text({ title: "name", pattern: /^[^\p{Cc}]+$/u, maxLength: 256, expected: "a parameter's name" }),
    queryValue,
    { error: "a mapping of parameters and texts" },
  ).prefault({}).describe("Parameters that the query must have, such as `{ language: de-DE }`; default: any query."),
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
  overrides: list(asMapping(overrideSection), 200).prefault([]).describe(
    "Changes to JSON documents as they are served, in this order; what is stored stays as the upstream gave it.",
  ),
};
