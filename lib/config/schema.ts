import { z } from "zod";
import { Interpolated } from "./yaml/interpolate.ts";
import { listenKeys } from "./listen_sections.ts";
import { listenerKeys } from "./listener_sections.ts";
import {
  choice,
  duration,
  flag,
  hostField,
  hostPattern,
  integer,
  ipAddress,
  line,
  mediaRange,
  name,
  pathPrefix,
  positiveNumber,
  statusRange,
  text,
  upstreamUrl,
} from "./yaml/scalars.ts";
import { asMapping, list, oneOrMany, section, short } from "./yaml/section.ts";
import { storingKeys } from "./caching.ts";
import { poolKeys, upstreamKeys, upstreamPartKeys } from "./pool_sections.ts";
import { processSections } from "./admin.ts";

/** Names that the rooms of the gateway register and the configuration may use. */
export interface RegisteredNames {
  /** Upstream types, key `type` of a pool. */
  readonly types: readonly string[];
  /** Balancing strategies, key `strategy` of a pool. */
  readonly strategies: readonly string[];
  /**
   * Why health checks must not ask upstreams of a type for a target (path and query), as the end of a sentence; `null` where they
   * may. Left out, they may ask for anything.
   */
  readonly refusedCheck?: (type: string, target: string) => string | null;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

const timeoutsSection = section({
  connect: duration(1, HOUR).prefault("3s").describe("Name look-up, TCP and TLS together."),
  first_byte: duration(1, HOUR).prefault("10s").describe("From the request sent to the response's field section."),
  idle: duration(1, HOUR).prefault("30s").describe("Between two chunks of a body, either way."),
  total: duration(1, HOUR).prefault("30s").describe(
    "All tries of one request together, until the response's field section.",
  ),
});

const fieldName = text({
  title: "field name",
  pattern: /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/,
  maxLength: 256,
  expected: "a field name (RFC 9110 §5.1)",
});

const healthSection = section({
  enabled: flag().prefault(true).describe("Active checks; `health: false` is short for `health: { enabled: false }`."),
  method: choice(["GET", "HEAD", "OPTIONS"]).optional().describe(
    "Method of the check; default: the type's own, else GET.",
  ),
  path: text({ title: "path", pattern: /^\/[^\s#\p{Cc}]*$/u, maxLength: 2000, expected: "a path that begins with /" })
    .optional().describe("Path and query of the check; default: the type's own, else `/`."),
  fields: z.record(
    fieldName,
    text({ title: "field value", pattern: /^[^\r\n\0]*$/, maxLength: 8192, expected: "a text" }),
    {
      error: "a mapping of field names and texts",
    },
  ).prefault({}).describe("Request fields of the check."),
  status: oneOrMany(statusRange()).optional().describe(
    "Statuses of a good check; default: the type's own, else `200-299`.",
  ),
  contains: line("text").optional().describe("Text that the body of a good check contains."),
  interval: duration(10, DAY).prefault("30s").describe("Time between two checks of an upstream."),
  unhealthy_interval: duration(10, DAY).optional().meta({
    description: "Time between two checks while the upstream is out; the default is never longer than `interval`.",
    usual: "5s",
  }),
  timeout: duration(1, HOUR).optional().meta({
    description: "Time a check may take; the default is never longer than half of `interval`.",
    usual: "5s",
  }),
  rise: integer(1, 100).prefault(2).describe("Good checks in a row that bring an upstream back."),
  fall: integer(1, 100).prefault(2).describe("Failed checks in a row that take an upstream out."),
  max_failures: integer(1, 10_000).prefault(5).describe("Failed requests in a row that take an upstream out."),
});

const contentTypesSection = section({
  allow: list(mediaRange(), 100).prefault([]).describe(
    "Media ranges that upstreams may answer with; empty allows all.",
  ),
  deny: list(mediaRange(), 100).prefault([]).describe("Media ranges that upstreams must not answer with."),
  verify: list(mediaRange(), 100).optional().describe(
    "Media ranges whose content must be what they say: gzip that no field tells of is decoded, and a 200 that is empty, blank " +
      "or cut short is a failed try. Default: what TMDB types carry; nothing on `custom`.",
  ),
});

const keyLimitsSection = section({
  enabled: flag().prefault(true).describe("Hold the keys to the limit."),
  per: choice(["pool", "key"]).prefault("pool").describe(
    "What the limit is of: all keys of the pool together, where what a resting key is not given goes to the others, or " +
      "each key alone, so that their rates add up.",
  ),
  max_rps: positiveNumber(1_000_000).prefault(35).describe(
    "Requests per second, of all workers; for a key it is halved after its 429, and raised again with each good answer.",
  ),
  burst: integer(1, 1_000_000).prefault(10).describe("Requests at once after a pause."),
});

const upstreamSection = section({
  url: upstreamUrl().describe(
    "Scheme, authority and optional base path: `http` or `https`, no credentials, query or fragment.",
  ),
  ...upstreamPartKeys,
  ca: line("path").optional().describe(
    "PEM file of extra certificate authorities for this upstream; relative to the working directory.",
  ),
  host: hostField().optional().describe("`Host` field sent and TLS name asked for; default: the URL's own."),
  resolve: ipAddress().optional().describe("Address to connect to instead of looking the name up."),
  max_connections: integer(1, 65_535).prefault(256).describe("Connections at most, in each serving worker."),
  ...upstreamKeys,
});

const ruleSection = section({
  path: text({
    title: "glob",
    pattern: /^[/*][^\s?#\p{Cc}]*$/u,
    maxLength: 2000,
    expected: "a glob such as /a/*/c or /a/**",
  })
    .optional().describe(
      "Condition: glob over the path as the upstream sees it; `*` within a segment, `**` across segments.",
    ),
  content_type: mediaRange().optional().describe("Condition: media range of the response."),
  status: oneOrMany(statusRange()).optional().describe(
    "Condition: status of the response. Where none is named, 204, redirects, 404 and 410 are kept for ten minutes at most.",
  ),
  ttl: duration(0, 10 * YEAR).optional().describe("Freshness lifetime."),
  min_ttl: duration(0, 10 * YEAR).optional().describe("Least freshness lifetime, whatever the origin says."),
  max_ttl: duration(0, 10 * YEAR).optional().describe("Greatest freshness lifetime, whatever the origin says."),
  stale_while_revalidate: duration(0, 10 * YEAR).optional().describe(
    "How long a stale response is served while a new one is fetched (RFC 5861).",
  ),
  stale_if_error: duration(0, 10 * YEAR).optional().describe(
    "How long a stale response is served when no upstream answers (RFC 5861).",
  ),
  memory: flag().prefault(true).describe("Store in memory."),
  disk: flag().prefault(true).describe("Store on disk."),
});

/** The name of a query parameter, or the beginning of names. */
function queryName() {
  const pattern = /^(?:[^*\s]+\*?|\*)$/;
  return text({ title: "parameter", pattern, maxLength: 256, expected: "a parameter's name, * at its end allowed" });
}

const querySection = section({
  include: list(queryName(), 200).optional().describe("Parameters that are part of the cache key; default: all."),
  exclude: list(queryName(), 200).prefault([]).describe(
    "Parameters that are not part of the cache key, such as `utm_*`.",
  ),
  sort: flag().prefault(false).describe("The order of parameters does not matter."),
});

const listenerCacheSection = section({
  mode: choice(["rfc9111", "ttl", "off"]).optional().describe(
    "`rfc9111` obeys the origin, `ttl` lets rules override its freshness, `off` stores nothing; default: the type's own.",
  ),
  rules: list(asMapping(ruleSection), 200).prefault([]).describe(
    "The first rule whose conditions all hold decides; keys it leaves out fall to the type's default.",
  ),
  query: asMapping(querySection).prefault({}).describe("Which query parameters are part of the cache key."),
  ...storingKeys,
});

const listenerSection = section({
  name: name("name").describe("Name in logs, metrics and cache keys; its own."),
  ...listenKeys,
  host: oneOrMany(hostPattern()).prefault([]).describe(
    "Hosts that are served: exact names and `*.example.com`; empty is any.",
  ),
  prefix: pathPrefix().prefault("/").describe("Paths that are served, on segment boundaries; the longest prefix wins."),
  strip_prefix: flag().prefault(false).describe("Take the prefix off before the upstream sees the path."),
  pool: name("pool's name").describe("The pool that answers."),
  cache: asMapping(listenerCacheSection).prefault({}).describe("How responses of this listener are stored."),
  ...listenerKeys,
});

/** A boolean stands for `{ enabled }`. */
function enabledShorthand(value: unknown): unknown {
  const plain = value instanceof Interpolated ? value.value() : value;
  return typeof plain === "boolean" ? { enabled: plain } : plain;
}

/** A URL stands for `{ url }`. */
function upstreamShorthand(value: unknown): unknown {
  return typeof value === "string" || value instanceof Interpolated ? { url: value } : value;
}

/** `upstreams:` of a pool, its items of the given form. */
function upstreamList<S extends z.ZodType>(item: S) {
  const url = { type: "string", pattern: "^[Hh][Tt][Tt][Pp][Ss]?://|\\$\\{", title: "URL" };
  return list(short(item, url, upstreamShorthand), 1000, "a list of upstreams");
}

function poolSection(names: RegisteredNames) {
  return section({
    type: choice(names.types).describe("What the upstreams carry: decides the defaults of nearly everything else."),
    strategy: choice(names.strategies).prefault("weighted-ewma").describe("How an upstream is chosen for a request."),
    upstreams: upstreamList(upstreamSection).min(1, { error: "a list of at least one upstream" }).describe(
      "Where requests go; a URL alone is short for `{ url: … }`.",
    ),
    timeouts: asMapping(timeoutsSection).prefault({}).describe("How long each step may take."),
    ...poolKeys,
    health: short(healthSection, { type: "boolean" }, enabledShorthand).prefault({}).describe(
      "Active checks and isolation of upstreams; `false` turns the checks off.",
    ),
    api_keys: list(
      text({ title: "secret", pattern: /^[^]*$/, maxLength: 4096, expected: "an API key" }),
      100,
    ).prefault([]).describe("TMDB API keys (32 hex digits) or read access tokens; empty ones are ignored."),
    key_mode: choice(["inject-missing", "replace", "pass"]).prefault("inject-missing").describe(
      "Whose key an upstream sees: the client's own if it has one, always the gateway's, or always the client's.",
    ),
    image_accept: choice(["named", "negotiate"]).prefault("named").describe(
      "What upstreams of type `tmdb-image` are asked for: the format that the name says, or WebP for clients that name it.",
    ),
    key_limits: short(keyLimitsSection, { type: "boolean" }, enabledShorthand).prefault({}).describe(
      "What the pool's keys are given; requests over it wait within `timeouts.total`. `false` turns the limit off.",
    ),
    content_types: asMapping(contentTypesSection).optional().describe(
      "Media types that upstreams may answer with, another is a failed try; default: the type's own.",
    ),
    preserve_host: flag().prefault(false).describe("Send the client's `Host` instead of the upstream's."),
    forwarded: choice(["x-forwarded", "forwarded", "both", "off"]).optional().describe(
      "Fields that tell upstreams of the client; default: the type's own.",
    ),
  });
}

/** Schema of a whole file, and the form of it that needs no key, to check what is sound in a file with mistakes. */
export function fileSchemas(names: RegisteredNames) {
  const pool = poolSection(names);
  const draftPool = pool.partial({ type: true }).extend({
    upstreams: upstreamList(asMapping(upstreamSection.partial({ url: true }))).optional(),
  });
  const poolMap = <S extends z.ZodType>(item: S) =>
    z.record(name("pool's name"), item, { error: "a mapping of pool names and pools" });
  const file = section({
    ...processSections,
    pools: asMapping(poolMap(asMapping(pool))).describe("Groups of upstreams, by name."),
    listeners: list(asMapping(listenerSection), 1000, "a list of listeners").min(1, {
      error: "a list of at least one listener",
    }).describe(
      "What is served: each binds an address, hosts and a path prefix to a pool.",
    ),
  });
  const draft = section({
    ...processSections,
    pools: asMapping(poolMap(asMapping(draftPool))).prefault({}),
    listeners: list(asMapping(listenerSection.partial({ name: true, pool: true }))).prefault([]),
  });
  return { file, draft };
}

/** A file's values, checked one by one, with defaults; keys as in the file. */
export type FileValues = z.output<ReturnType<typeof fileSchemas>["file"]>;

/** The schema that takes a file with mistakes once they are gone. */
export type DraftSchema = ReturnType<typeof fileSchemas>["draft"];

/** As {@linkcode FileValues}, of a file with mistakes: what is unusable is absent. */
export type DraftValues = z.output<DraftSchema>;
