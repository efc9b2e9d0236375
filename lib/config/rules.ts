import { z } from "zod";
import type { FieldChange } from "../http/field_changes.ts";
import type { RuleOptions } from "../rules/rule_set.ts";
import { parseCidr } from "./addresses.ts";
import { anyText, fieldName } from "./http_scalars.ts";
import { asMapping, list, oneOrMany, record, section, short, type Values } from "./yaml/section.ts";
import { Interpolated } from "./yaml/interpolate.ts";
import { choice, literal, name, scalar, text, Unusable } from "./yaml/scalars.ts";

/** Rules of a listener. */
const MAX_RULES = 1_000;
/** CIDR blocks that a file may bring. */
const MAX_BLOCKS = 1_000;
const MAX_BODY_LENGTH = 65_536;

/** `*` in its place stands for any text, `!` before it for all that does not match. */
const valueGlob = text({ title: "glob", pattern: /^[^\p{Cc}]*$/u, maxLength: 500, expected: "a text, with * for any" });

const removedField = text({
  title: "field name",
  pattern: /^[!#$%&'+.^_`|~0-9A-Za-z-]+\*?$/,
  maxLength: 256,
  expected: "a field name, * at its end allowed",
});

/** Bytes above ASCII have no meaning in fields. */
const fieldValue = text({
  title: "field value",
  pattern: /^[\x20-\x7e\t]*$/,
  maxLength: 8_192,
  expected: "a text of printable ASCII characters",
});

const parameterName = text({
  title: "name",
  pattern: /^[^\p{Cc}\p{Cs}]+$/u,
  maxLength: 256,
  expected: "a parameter's name",
});
const removedParameter = text({
  title: "name",
  pattern: /^[^*\p{Cc}]+\*?$/u,
  maxLength: 256,
  expected: "a parameter's name, * at its end allowed",
});
const parameterValue = text({ title: "text", pattern: /^[^\p{Cc}\p{Cs}]*$/u, maxLength: 2_000, expected: "a text" });

/** A CIDR block, `!` before it allowed; a file may bring many of them, with comments behind `#`. `!${file:…}` means each of them. */
function clientBlocks() {
  const due = "a CIDR block such as 10.0.0.0/8 or !10.0.0.0/8, or a file of them";
  const expected = new Unusable(due);
  return scalar<readonly string[]>({
    title: "CIDR block",
    json: { type: "string" },
    expected,
    interpolated: "text",
    read(value, source) {
      if (typeof value !== "string") return expected;
      const isRefused = source !== null && /^!\$\{[^}]*\}$/.test(source);
      if (!isRefused && source?.includes("!${") === true) return new Unusable(`${due}: of !\${…} one alone`);
      const sign = isRefused ? "!" : "";
      const blocks: string[] = [];
      for (const [index, line] of value.slice(sign.length).split("\n").entries()) {
        const found = line.replace(/#.*/, "").split(/[\s,]+/).filter((block) => block !== "");
        const clean = found.map((block) => cleanBlock(sign + block));
        if (clean.includes(null)) return index === 0 ? expected : new Unusable(`${due}: line ${index + 1} is none`);
        blocks.push(...clean as string[]);
      }
      if (blocks.length > MAX_BLOCKS) return new Unusable(`${due}: at most ${MAX_BLOCKS} (these are ${blocks.length})`);
      return blocks.length === 0 ? new Unusable(`${due}: at least one`) : blocks;
    },
  });
}

function cleanBlock(block: string): string | null {
  const sign = block.startsWith("!") ? "!" : "";
  const clean = parseCidr(block.slice(sign.length));
  return clean === null ? null : sign + clean;
}

/** Paths are read without these: a glob with one of them would match none. */
const READABLE_GLOB =
  /^(?!.*(?:\/\/|\/%2f|%2f%2f|[\\;]|%5c|%3b|(?:\/|%2f)(?:\.|%2e){1,2}(?:\/|%2f|$)))[/*][^\s?#\p{Cc}]*$/iu;

const whenSection = section({
  path: text({
    title: "glob",
    pattern: READABLE_GLOB,
    maxLength: 500,
    expected: "a glob such as /a/*/c or /a/**, over paths as they are read: without //, \\, ; and dot segments",
  }).optional().describe(
    "Glob over the path behind a prefix that is stripped: `*` within a segment, `**` across. Escapes, `//`, `;…` and `\\` are read as an upstream may read them.",
  ),
  method: oneOrMany(text({
    title: "method",
    pattern: /^[A-Z][A-Z-]*$/,
    maxLength: 32,
    expected: "a method in capital letters",
  })).prefault([]).describe("Methods; default: any."),
  query: record(parameterName, valueGlob, "parameters and globs").describe(
    'Parameters and what their values are like: `"*"` is any, `"!x*"` none that begins with x.',
  ),
  header: record(fieldName(), valueGlob, "field names and globs").describe(
    "Request fields and what their values are like, whatever the case of letters; `*` and `!` as in `query`.",
  ),
  client: oneOrMany(clientBlocks()).prefault([]).describe(
    "CIDR blocks of clients; one with `!` before it must not hold the client. `${file:…}` may bring many, one a line. " +
      "An answer of such a rule comes before tokens and quotas are asked for.",
  ),
  scheme: choice(["http", "https"]).optional().describe("How the client came, as far as a trusted proxy says it."),
});

const writtenPath = text({
  title: "path",
  pattern:
    /^(?!.*\/(?:\.|%2e){1,2}(?:[/;]|%2f|%5c|%3b|$))\/(?:[\x21\x22\x24\x26-\x3e\x40-\x5b\x5d-\x7e]|%[0-9a-f]{2})*$/i,
  maxLength: 2_000,
  expected: "a path that begins with /, without query, fragment and dot segments, and with two hex digits behind a %",
});

const requestSection = section({
  set: record(fieldName(), fieldValue, "field names and texts").describe("Request fields in place of the client's."),
  add: record(fieldName(), fieldValue, "field names and texts").describe("Request fields beside the client's."),
  remove: list(removedField, 100).prefault([]).describe("Request fields that go no further; `x-debug-*` is several."),
  rewrite: asMapping(section({
    from: text({
      title: "expression",
      pattern: /^[\x20-\x7e]+$/,
      maxLength: 1_000,
      expected: "a regular expression in ASCII (what is beyond it is several bytes to it: `[^/]+`)",
    })
      .optional().describe(
        "Regular expression over the path; what it matches is replaced, by default all of it. It takes linear time: no back references, no look-around.",
      ),
    to: writtenPath.describe(
      "What takes its place; `$1` to `$9` are its groups, without `from` the wildcards of `path`.",
    ),
  })).optional().describe("Another path for the upstream, and for the cache."),
  query: asMapping(section({
    set: record(parameterName, parameterValue, "parameters and texts").describe("Parameters in place of the client's."),
    remove: list(removedParameter, 100).prefault([]).describe("Parameters that go no further; `utm_*` is several."),
  })).prefault({}).describe("Changes of the query."),
});

const pageSection = section({
  body: anyText("text", MAX_BODY_LENGTH, "a text").describe(
    "The content; `${file:…}` takes it from a file.",
  ),
  content_type: fieldValue.prefault("text/html; charset=utf-8").describe("Its media type."),
});

function bodyShorthand(value: unknown): unknown {
  return typeof value === "string" || value instanceof Interpolated ? { body: value } : value;
}

const responseSection = section({
  set: record(fieldName(), fieldValue, "field names and texts").describe("Response fields in place of the upstream's."),
  add: record(fieldName(), fieldValue, "field names and texts").describe("Response fields beside the upstream's."),
  remove: list(removedField, 100).prefault([]).describe(
    "Response fields that clients do not get; `x-amz-*` is several.",
  ),
  status: asMapping(z.record(
    text({
      title: "status",
      pattern: /^[45]\d\d(?:-[45]\d\d)?$/,
      maxLength: 7,
      expected: "a status from 400 to 599, or a range such as 500-599",
    }),
    short(pageSection, { type: "string", title: "text" }, bodyShorthand),
    { error: "a mapping of statuses and bodies" },
  )).prefault({}).describe("Bodies in place of those of errors, an upstream's or the gateway's; the status stays."),
});

const REDIRECTS = [301, 302, 303, 307, 308];

const redirectSection = section({
  to: text({
    title: "target",
    pattern: /^(?:\/(?![/\\])|https?:\/\/(?=[^/?#\\]))[\x21-\x7e]*$/i,
    maxLength: 2_000,
    expected: "a path of this listener that begins with one /, or a URL with a host",
  }).describe("A path as `when.path` sees it, or a URL; the client's query is kept unless it has one of its own."),
  status: literal(REDIRECTS, {
    title: "status",
    json: { type: "integer", enum: REDIRECTS },
    expected: `one of ${REDIRECTS.join(", ")}`,
  }).prefault(302).describe("301, 302, 303, 307 or 308."),
});

function answerStatus() {
  const expected = new Unusable("a status from 200 to 599, other than 206 and 304");
  return scalar<number>({
    title: "status",
    json: { type: "integer", minimum: 200, maximum: 599 },
    expected,
    interpolated: "value",
    read: (value) =>
      Number.isInteger(value) && Number(value) >= 200 && Number(value) <= 599 && value !== 206 && value !== 304
        ? Number(value)
        : expected,
  });
}

const respondSection = section({
  status: answerStatus().prefault(200).describe("Its status."),
  body: anyText("text", MAX_BODY_LENGTH, "a text").optional().describe(
    "Its content; default: none, and for errors what the gateway says.",
  ),
  content_type: fieldValue.prefault("text/plain; charset=utf-8").describe("Its media type."),
});

const ruleSection = section({
  when: asMapping(whenSection).prefault({}).describe("What a request is like that the rule is for; default: any."),
  request: asMapping(requestSection).optional().describe("Changes of the request; they are part of the cache key."),
  response: asMapping(responseSection).optional().describe("Changes of the response; what is stored stays as it was."),
  redirect: asMapping(redirectSection).optional().describe("Send the client elsewhere."),
  respond: asMapping(respondSection).optional().describe("Answer here; no upstream is asked."),
  pool: name("pool's name").optional().describe("Ask another pool, of the same type."),
  upstream: text({
    title: "upstream",
    pattern: /^[^\p{Cc}]+$/u,
    maxLength: 2_000,
    expected: "an upstream's name, as /status shows it",
  })
    .optional().describe("Ask one upstream of the pool and no other: its URL, or the name that `/status` shows."),
});

/** Keys of a listener that change requests and responses. */
export const rulesKeys = {
  rules: list(asMapping(ruleSection), MAX_RULES).prefault([]).describe(
    "Changes of requests and responses, in order: all rules apply whose conditions hold; of redirects, answers and pools the first counts. See docs/rules.md.",
  ),
  redirects: choice(["map", "keep"]).prefault("map").describe(
    "With `strip_prefix`: lead `Location`, `Refresh` and cookies that point at an upstream back to this listener, and tell upstreams of the prefix (`X-Forwarded-Prefix`), or leave them.",
  ),
};

type RulesValues = Values<typeof rulesKeys>;

/** One rule as the file has it. */
export type RuleValues = RulesValues["rules"][number];

/** The rules of a listener: all that apply do, in this order. */
export function rulesOf(rules: readonly RuleValues[]): RuleOptions[] {
  return rules.map(ruleOf);
}

function ruleOf({ when, request, response, redirect, respond, pool, upstream }: RuleValues): RuleOptions {
  return {
    when: {
      path: when.path ?? null,
      methods: when.method,
      query: Object.entries(when.query),
      fields: Object.entries(when.header).map(([name, value]) => [name.toLowerCase(), value]),
      clients: when.client.flat(),
      scheme: when.scheme ?? null,
    },
    request: request === undefined ? null : {
      fields: fieldChanges(request),
      rewrite: request.rewrite === undefined ? null : { from: request.rewrite.from ?? null, to: request.rewrite.to },
      query: { remove: request.query.remove, set: Object.entries(request.query.set) },
    },
    response: response === undefined ? null : {
      fields: fieldChanges(response),
      errors: Object.entries(response.status).map(([status, page]) => ({
        status: statusOf(status),
        body: page.body,
        contentType: page.content_type,
      })),
    },
    redirect: redirect ?? null,
    respond: respond === undefined ? null : {
      status: respond.status,
      body: respond.body ?? defaultBody(respond.status),
      contentType: respond.content_type,
    },
    pool: pool ?? null,
    upstream: upstream ?? null,
  };
}

/** The gateway words errors itself. */
function defaultBody(status: number): string | null {
  return status < 400 ? "" : null;
}

/** The changes of fields that a rule names. */
export interface FieldChangeValues {
  readonly set: Readonly<Record<string, string>>;
  readonly add: Readonly<Record<string, string>>;
  readonly remove: readonly string[];
}

/** In the order in which they are made: what is removed may be set again. */
function fieldChanges({ set, add, remove }: FieldChangeValues): FieldChange[] {
  return [
    ...remove.map((name) => ({ kind: "remove" as const, name: name.toLowerCase() })),
    ...Object.entries(set).map(([name, value]) => ({ kind: "set" as const, name: name.toLowerCase(), value })),
    ...Object.entries(add).map(([name, value]) => ({ kind: "add" as const, name: name.toLowerCase(), value })),
  ];
}

function statusOf(text: string): readonly [from: number, to: number] {
  const [from = "", to = from] = text.split("-");
  return [Number(from), Number(to)];
}
