import { z } from "zod";
import { authKey, authOf, checkAuth } from "./access.ts";
import { carefulPrefix } from "../http/careful_path.ts";
import { type Addressed, formatListenAddress, type ListenAddress } from "./addresses.ts";
import { cleanApiKey } from "./api_keys.ts";
import { type CacheValues, checkListenerCache, listenerCacheOf, listenerCacheSection } from "./caching.ts";
import type { NamedFiles } from "./certificates.ts";
import { checkCors, corsKey, corsOf } from "./cors.ts";
import { hostPattern, pathPrefix } from "./http_scalars.ts";
import { checkImages, imagesKey, listenerImagesOf } from "./images.ts";
import { checkRateLimit, limitsOf, listenerLimitKeys } from "./limits.ts";
import { listenAddressOf, listenKeys } from "./listen.ts";
import type { ListenerContext } from "./listener_context.ts";
import { serverTimingKey } from "./logging.ts";
import { checkPrewarm, prewarmKey, prewarmOf } from "./prewarm.ts";
import { checkRewriting, type RewritingConfig, rewritingKeys, rewritingOf } from "./rewriting.ts";
import { checkRules } from "./rule_checks.ts";
import { rulesKeys, rulesOf } from "./rules.ts";
import { tlsOf } from "./tls.ts";
import type { Path } from "./yaml/located.ts";
import type { Problems } from "./yaml/problems.ts";
import { choice, flag, name } from "./yaml/scalars.ts";
import { asMapping, distinct, type Frozen, oneOrMany, section } from "./yaml/section.ts";
import { isMapping } from "./yaml/tree.ts";

/** Names of pools that a message lists at most. */
const MAX_LISTED = 10;

/** One entry of `listeners:`. */
export const listenerSection = section({
  name: name("name").describe("Name in logs, metrics and cache keys; its own."),
  ...listenKeys,
  host: oneOrMany(hostPattern()).prefault([]).describe(
    "Hosts that are served: exact names and `*.example.com`; empty is any.",
  ),
  prefix: pathPrefix().prefault("/").describe("Paths that are served, on segment boundaries; the longest prefix wins."),
  strip_prefix: flag().prefault(false).describe("Take the prefix off before the upstream sees the path."),
  pool: name("pool's name").describe("The pool that answers."),
  cache: asMapping(listenerCacheSection).prefault({}).describe("How responses of this listener are stored."),
  auth: authKey,
  cors: corsKey,
  ...listenerLimitKeys,
  trace_context: choice(["trusted", "any", "ignore"]).prefault("trusted").describe(
    "Whose trace is continued, where `tracing` is on: that of `server.trusted_proxies`, of any client, or of none. The trace of a " +
      "client that is not trusted is linked to.",
  ),
  ...rewritingKeys,
  prewarm: prewarmKey,
  images: imagesKey,
  server_timing: serverTimingKey,
  ...rulesKeys,
});

/** The same of a file with mistakes: what nothing can be said about without is absent. */
export const draftListenerSection = listenerSection.partial({ name: true, pool: true });

type ListenerValues = z.output<typeof listenerSection>;

/** A listener of a file with mistakes. */
export type DraftListener = z.output<typeof draftListenerSection>;

/** Checks the listeners, each alone and all together, but for their addresses. */
export function checkListeners(
  all: readonly Addressed<DraftListener>[],
  file: Pick<ListenerContext, "problems" | "pools" | "diskBytes" | "sharesResponses" | "mayLoadAddons">,
): void {
  const { problems, pools } = file;
  checkNames(all, problems);
  checkClaims(all, problems);
  const types = all.map(({ listener: { pool } }) =>
    pool === undefined || !Object.hasOwn(pools, pool) ? undefined : pools[pool]?.type
  );
  const pictureListeners = all.flatMap(({ listener: { name } }, index) =>
    types[index] === "tmdb-image" && name !== undefined ? [name] : []
  );
  const apiKeys = new Set(Object.values(pools).flatMap(({ api_keys }) => api_keys.map(cleanApiKey)));
  for (const [index, { listener, path }] of all.entries()) {
    const context = { ...file, path, type: types[index], types, apiKeys };
    checkPoolName(listener, path, problems);
    checkListenerCache(listener, context);
    checkImages(listener.images, context);
    checkPrewarm(listener.prewarm, context, pictureListeners);
    checkAuth(listener.auth, context);
    checkRateLimit(listener.rate_limit, listener.auth, context);
    checkCors(listener.cors, context);
    checkRewriting(listener, context);
    checkRules(listener, context);
  }
}

function checkNames(all: readonly Addressed<DraftListener>[], problems: Problems): void {
  const seen = new Map<string, Path>();
  for (const { listener: { name }, path } of all) {
    if (name === undefined) continue;
    const first = seen.get(name);
    if (first === undefined) seen.set(name, path);
    else problems.expect([...path, "name"], `a name of its own (${problems.elsewhere(first)} has it too)`);
  }
}

function checkPoolName({ pool }: DraftListener, path: Path, problems: Problems): void {
  const pools = problems.valueAt(["pools"]);
  // Without a mapping of pools that is the mistake. A pool with mistakes of its own is still known.
  if (pool === undefined || !isMapping(pools) || Object.hasOwn(pools, pool)) return;
  const known = Object.keys(pools);
  const listed = known.slice(0, MAX_LISTED).join(", ") + (known.length > MAX_LISTED ? ", …" : "");
  const expected = known.length === 0 ? "a pool that is in `pools`" : `the name of a pool: ${listed}`;
  problems.expect([...path, "pool"], expected, known);
}

/** No two listeners answer for the same address, host and prefix, however it is spelled. */
function checkClaims(all: readonly Addressed<DraftListener>[], problems: Problems): void {
  const claimed = new Map<string, Path>();
  for (const { listener, path, address } of all) {
    if (address === null || ["listen", "host", "prefix"].some((key) => problems.has([...path, key]))) continue;
    const own = claims(listener, address);
    const taken = own.find((claim) => claimed.has(claim));
    for (const claim of own) if (!claimed.has(claim)) claimed.set(claim, path);
    if (taken === undefined) continue;
    const first = problems.elsewhere(claimed.get(taken) ?? []);
    const expected = `a prefix that no other listener has on this address and host (${first} has it)`;
    problems.expect([...path, "prefix"], expected);
  }
}

/** What a listener answers for, a text for each host. */
function claims({ host, prefix }: DraftListener, address: ListenAddress): string[] {
  const hosts = host.length === 0 ? [""] : distinct(host);
  return hosts.map((one) => JSON.stringify([formatListenAddress(address), one, carefulPrefix(prefix)]));
}

/** What the listeners of a file share. */
export interface SharedValues {
  readonly server: { readonly max_request_body: number };
  readonly cache: CacheValues;
}

/** One entry of `listeners:`, with what the files hold that it names; relative paths start from `cwd`. */
export function listenerOf(
  listener: ListenerValues,
  { server, cache }: SharedValues,
  { cwd, ...files }: NamedFiles & { readonly cwd: string },
) {
  return {
    name: listener.name,
    listen: listenAddressOf(listener.listen, cwd)!,
    proxyProtocol: listener.proxy_protocol,
    tls: tlsOf(listener.tls, files, listener.host),
    redirectToHttps: listener.redirect_to_https,
    maxRequestBodyBytes: listener.max_request_body ?? server.max_request_body,
    /** Lower case, sorted. */
    forwardFields: distinct(listener.forward_fields).sort(),
    /** Exact names and `*.example.com`; empty is any host. */
    hosts: distinct(listener.host),
    /** Begins with `/`, no slash at its end unless it is `/`. */
    prefix: listener.prefix,
    stripPrefix: listener.strip_prefix,
    pool: listener.pool,
    cache: listenerCacheOf(listener.cache, cache),
    auth: authOf(listener.auth),
    cors: corsOf(listener.cors),
    limits: limitsOf(listener),
    /** Serve any stored response: never, while no upstream can answer, or always. */
    offline: listener.offline,
    traceTrust: listener.trace_context,
    ...rewritingOf(listener),
    prewarm: prewarmOf(listener.prewarm, cwd),
    images: listenerImagesOf(listener.images),
    /** Who gets `Server-Timing`. */
    serverTiming: listener.server_timing,
    rules: rulesOf(listener.rules),
    /** With `strip_prefix`, what responses say of places at upstreams is led back to the listener, or stays. */
    redirects: listener.redirects,
  };
}

/** One entry of `listeners:`. */
export interface ListenerConfig
  extends Frozen<Omit<ReturnType<typeof listenerOf>, keyof RewritingConfig>>, RewritingConfig {}
