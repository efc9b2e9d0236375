import type { z } from "zod";
import type { CacheRule, PolicyOptions } from "../cache/policy/policy_options.ts";
import type { Coding } from "../request/snapshot.ts";
import type { NamedFiles } from "./certificates.ts";
import { type ClusterValues, sharedTierKey, sharedTierOf } from "./cluster.ts";
import { upstreamTypes } from "../upstream_type/registry.ts";
import { glob, mediaRange, statusRange, token } from "./http_scalars.ts";
import type { ListenerContext } from "./listener_context.ts";
import { plainValue } from "./yaml/interpolate.ts";
import type { Problems } from "./yaml/problems.ts";
import { choice, duration, flag, name, size, text } from "./yaml/scalars.ts";
import { asMapping, distinct, type Frozen, list, oneOrMany, section, short, switchable } from "./yaml/section.ts";
import { HOUR, KiB, MiB, PiB, YEAR } from "./yaml/units.ts";

/** `cache:` at the top level. */
export const cacheSection = section({
  memory: size(64 * KiB, PiB).prefault("256MiB").describe(
    "Stored responses held in memory, by all serving workers together: each has the same part of it.",
  ),
  disk: size(0, PiB).prefault("10GiB").describe(
    "Stored responses held on disk (Deno KV); `0` turns the disk tier off.",
  ),
  min_free_disk: size(0, PiB).prefault("256MiB").describe(
    "Free space of the disk below which nothing more is stored on it; what is stored is still served.",
  ),
  max_entry: size(1, PiB).prefault("16MiB").describe(
    "Largest body that is stored; larger ones are passed on only. Memory holds none that is larger than an eighth of a worker's part of it.",
  ),
  fill_memory: size(MiB, PiB).prefault("64MiB").describe(
    "Bodies on their way into the cache, all together, in each serving worker.",
  ),
  fill_timeout: duration(1, HOUR).prefault("30s").describe(
    "How long a body of unknown length may take to be stored; one that goes on is passed on only. No body is fetched for longer " +
      "than this when its clients have left.",
  ),
  collapse_timeout: duration(0, HOUR).prefault("5s").describe(
    "How long a request waits for another's fetch of the same key before it goes on its own.",
  ),
  background_fill: flag().prefault(true).describe("Go on filling the cache when the client that asked has left."),
  shared_stale: flag().prefault(false).describe(
    "`s-maxage` does not forbid what `stale-while-revalidate` allows, on listeners that do not say otherwise.",
  ),
  shared: sharedTierKey,
});

const cacheRuleSection = section({
  path: glob("/a/*/c or /a/**").optional().describe(
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
  shared: flag().prefault(true).describe("Share with the other gateways, where the listener does."),
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

/** Types that compress well, and seldom come compressed already. */
const COMPRESSIBLE = [
  "text/*",
  "application/json",
  "application/ld+json",
  "application/manifest+json",
  "application/problem+json",
  "application/javascript",
  "application/xml",
  "application/atom+xml",
  "application/rss+xml",
  "image/svg+xml",
];

const CODINGS = ["br", "gzip", "zstd"] as const;
const COOKIE_USES = ["bypass", "ignore"] as const;

const cookiesSection = section({
  use: choice(COOKIE_USES).optional().describe(
    "`bypass`: the cache has no part in requests with cookies; `ignore`: it pays no heed to them.",
  ),
  key: list(token("cookie"), 16).optional().describe(
    "Cookies whose values are part of the cache key, as hashes; all others are ignored.",
  ),
});

const compressSection = section({
  enabled: flag().optional().describe(
    "Serve stored responses compressed to clients that take it; default: the type's own.",
  ),
  min_size: size(1, PiB).prefault("1KiB").describe("Smaller bodies are served as they are."),
  types: list(mediaRange(), 100).prefault(COMPRESSIBLE).describe("Media ranges that are compressed."),
  codings: list(choice(CODINGS), CODINGS.length).prefault(["zstd", "br", "gzip"]).describe(
    "Codings, best first; of those that a client likes equally the first is taken.",
  ),
});

function cookiesShorthand(value: unknown): unknown {
  const plain = plainValue(value);
  return typeof plain === "string" ? { use: plain } : plain;
}

/** `cache:` of a listener. */
export const listenerCacheSection = section({
  mode: choice(["rfc9111", "ttl", "off"]).optional().describe(
    "`rfc9111` obeys the origin, `ttl` lets rules override its freshness, `off` stores nothing; default: the type's own.",
  ),
  client_cache_control: choice(["obey", "limit", "ignore"]).prefault("ignore").describe(
    "Whether a client's `no-cache`, `max-age`, `min-fresh` and `Pragma` have the origin asked: `obey`, `ignore`, or `limit`, which gives " +
      "all clients together one validation of a stored response in ten seconds.",
  ),
  rules: list(asMapping(cacheRuleSection), 200).prefault([]).describe(
    "The first rule whose conditions all hold decides; keys it leaves out fall to the type's default.",
  ),
  query: asMapping(querySection).prefault({}).describe("Which query parameters are part of the cache key."),
  disk_quota: size(MiB, PiB).optional().describe(
    "The most that this listener may hold on disk; it then gives way to itself. Default: no limit but `cache.disk`.",
  ),
  set_cookie: choice(["bypass", "strip", "store"]).optional().describe(
    "What `Set-Cookie` does to a response: not stored, stored without the field, or stored with it; " +
      "default: `bypass`, on TMDB types `strip`.",
  ),
  cookies: short(cookiesSection, { type: "string", enum: [...COOKIE_USES] }, cookiesShorthand).optional().describe(
    "What `Cookie` does to a request: `bypass`, `ignore` or `{ key: [names] }`; default: `bypass`; on TMDB types, and where `set_cookie` is `store`, `ignore`.",
  ),
  range: choice(["pass", "fetch-full"]).optional().describe(
    "A range of what is not stored: `pass` forwards it, `fetch-full` fetches and stores the whole; " +
      "default: `pass`, on TMDB types `fetch-full`.",
  ),
  shared_stale: flag().optional().describe(
    "Whether `s-maxage` leaves `stale-while-revalidate` in force; else it forbids all stale use (RFC 9111 §5.2.2.10); " +
      "default: `cache.shared_stale`.",
  ),
  targeted_fields: list(token("field"), 8).prefault(["CDN-Cache-Control"]).describe(
    "Response fields that speak to this cache before `Cache-Control` does (RFC 9213), most important first.",
  ),
  reuse_appends: flag().prefault(false).describe(
    "Serve `append_to_response=credits`, or none, from a fresh stored `credits,images` of the same request (type `tmdb-api`).",
  ),
  shared: flag().optional().describe(
    "Share stored responses with the other gateways, where `cache.shared` is on; default: true, false where `auth` is set.",
  ),
  shared_as: name("name").optional().describe(
    "A name for what the upstreams have, on type `custom`: gateways whose listeners are alike but for the upstreams' addresses share " +
      "responses where it is the same; default: the addresses.",
  ),
  key_host: text({
    title: "host",
    pattern: /^[^\s\p{Cc}\/]+$/u,
    maxLength: 255,
    expected: "a host, with its port if it has one",
  })
    .optional().describe(
      "A host that stands in cache keys for every one that clients use, for gateways that are reached under several and have one cache; " +
        "responses must not depend on it. Default: the client's, on types and pools whose upstreams may see it.",
    ),
  status_key: flag().prefault(false).describe(
    "Tell clients in `Cache-Status` by which key a response is stored (RFC 9211 §2.7), to find out why one is not shared.",
  ),
  compress: asMapping(switchable(compressSection)).prefault({}).describe(
    "Stored responses in compressed form, made once each; `true` or `false` alone is `enabled`.",
  ),
});

/** `cache:` at the top level, as the file has it. */
export type CacheValues = z.output<typeof cacheSection>;
type ListenerCacheValues = z.output<typeof listenerCacheSection>;

/** Sizes of the top level that make each other meaningless. */
export function checkCache({ memory, disk, max_entry, fill_memory }: CacheValues, problems: Problems): void {
  if (problems.has(["cache"])) return;
  if (problems.isGiven(["cache", "max_entry"]) && max_entry > memory && max_entry > disk) {
    problems.expect(["cache", "max_entry"], "a size that cache.memory or cache.disk can hold");
  } else if (Math.min(max_entry, Math.max(memory, disk)) > fill_memory) {
    const because = "it is smaller than cache.max_entry: bodies larger than it are never stored";
    problems.warn(["cache", "fill_memory"], because);
  }
}

/** A listener and its cache. */
interface CachingListener {
  readonly cache: ListenerCacheValues;
  readonly pool?: string | undefined;
}

/** Checks `cache:` of a listener. */
export function checkListenerCache(listener: CachingListener, context: ListenerContext): void {
  const { cache } = listener;
  const { problems, path } = context;
  for (const [index, { min_ttl, max_ttl }] of cache.rules.entries()) {
    if (min_ttl === undefined || max_ttl === undefined || min_ttl <= max_ttl) continue;
    const at = [...path, "cache", "rules", index];
    problems.expect([...at, "min_ttl"], `at most max_ttl (${problems.found([...at, "max_ttl"])})`);
  }
  checkQuota(cache, context);
  if (cache.shared === true && !context.sharesResponses && !problems.has([...path, "cache", "shared"])) {
    problems.warn([...path, "cache", "shared"], "it has no effect: `cache.shared` is off, or there is no `cluster`");
  }
  checkAppends(listener, context);
}

/** Bytes for a listener on a disk tier that gives fewer, or none, to all together. */
function checkQuota({ disk_quota }: ListenerCacheValues, { problems, path, diskBytes }: ListenerContext): void {
  const at = [...path, "cache", "disk_quota"];
  if (disk_quota === undefined || disk_quota <= diskBytes || problems.has(at) || problems.has(["cache", "disk"])) {
    return;
  }
  const because = diskBytes === 0
    ? "`cache.disk: 0` turns the disk tier off"
    : "it is larger than cache.disk, which holds for all listeners together";
  problems.warn(at, `it has no effect: ${because}`);
}

/** `reuse_appends` is of use where documents are made of parts, and something is stored. */
function checkAppends({ cache, pool }: CachingListener, { problems, path, type }: ListenerContext): void {
  const at = [...path, "cache", "reuse_appends"];
  if (!cache.reuse_appends || problems.has(at)) return;
  if (upstreamTypes.traits(type)?.documents === null) {
    const others = upstreamTypes.namesWith(({ documents }) => documents !== null);
    problems.expect(at, `\`false\`: pool ${pool} is of type ${type}, and only ${others} has parts to append`);
  } else if (cache.mode === "off") {
    problems.warn(at, "it has no effect: `mode: off` stores nothing");
  }
}

/** `cache:` at the top level. */
export function cacheOf(cache: CacheValues, cluster: ClusterValues | undefined, files: NamedFiles) {
  const shared = sharedTierOf(cache.shared, cluster, files);
  return {
    memoryBytes: cache.memory,
    diskBytes: cache.disk,
    minFreeDiskBytes: cache.min_free_disk,
    // The default shrinks with the tiers; a value from the file has been checked against them.
    maxEntryBytes: Math.min(cache.max_entry, Math.max(cache.memory, cache.disk, shared?.maxEntryBytes ?? 0)),
    fillMemoryBytes: cache.fill_memory,
    fillTimeoutMs: cache.fill_timeout,
    collapseTimeoutMs: cache.collapse_timeout,
    backgroundFill: cache.background_fill,
    /** `null` where there is no such tier. */
    shared,
  };
}

/** `cache:` at the top level. */
export interface CacheConfig extends Frozen<ReturnType<typeof cacheOf>> {}

/** A rule whose patterns are still text: a glob over paths, and a media range. */
export interface CacheRuleConfig extends Omit<CacheRule, "path" | "contentType"> {
  readonly path: string | null;
  readonly contentType: string | null;
}

/** `cookies:`: the cache has no part in requests with cookies, pays no heed to them, or keeps a response for each value of some. */
export type CookiesConfig = PolicyOptions["cookies"] | { readonly key: readonly string[] };

/** `cache:` of a listener; `shared` is that of the top level. What is `null` is the type's default, of `diskQuotaBytes` no limit. */
export function listenerCacheOf(cache: ListenerCacheValues, shared: CacheValues) {
  const { enabled, min_size, types, codings } = cache.compress;
  return {
    mode: cache.mode ?? null,
    clientCacheControl: cache.client_cache_control,
    rules: cache.rules.map(ruleOf),
    query: { include: cache.query.include ?? null, exclude: cache.query.exclude, sort: cache.query.sort },
    setCookie: cache.set_cookie ?? null,
    cookies: cookiesOf(cache.cookies),
    range: cache.range ?? null,
    sharedStale: cache.shared_stale ?? shared.shared_stale,
    targetedFields: distinct(cache.targeted_fields.map((name) => name.toLowerCase())),
    reuseAppends: cache.reuse_appends,
    compress: { enabled: enabled ?? null, minBytes: min_size, types, codings: distinct<Coding>(codings) },
    statusKey: cache.status_key,
    diskQuotaBytes: cache.disk_quota ?? null,
    /** Whether responses are shared with other gateways; `null` leaves it to the default. */
    shared: cache.shared ?? null,
    /** `null`: what the upstreams have is known by their addresses. */
    sharedAs: cache.shared_as ?? null,
    /** Lower case; `null` leaves the client's. */
    keyHost: cache.key_host?.toLowerCase() ?? null,
  };
}

/** `cache:` of a listener. */
export interface ListenerCacheConfig extends Frozen<ReturnType<typeof listenerCacheOf>> {}

function ruleOf(rule: ListenerCacheValues["rules"][number]): CacheRuleConfig {
  return {
    path: rule.path ?? null,
    contentType: rule.content_type ?? null,
    status: rule.status ?? null,
    ttlMs: rule.ttl ?? null,
    minTtlMs: rule.min_ttl ?? null,
    maxTtlMs: rule.max_ttl ?? null,
    staleWhileRevalidateMs: rule.stale_while_revalidate ?? null,
    staleIfErrorMs: rule.stale_if_error ?? null,
    tiers: { memory: rule.memory, disk: rule.disk, shared: rule.shared },
  };
}

/** Names come before `use`: they say more. */
function cookiesOf(cookies: ListenerCacheValues["cookies"]): CookiesConfig | null {
  if (cookies?.key !== undefined && cookies.key.length > 0) return { key: distinct(cookies.key).sort() };
  return cookies?.use ?? null;
}
