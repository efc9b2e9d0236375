import { z } from "zod";
import { balancerNames } from "../pool/balancer_registry.ts";
import type { SendingOptions } from "../request/snapshot.ts";
import { upstreamTypes } from "../upstream_type/registry.ts";
import { apiKeyKeys, apiKeysOf, checkApiKeys, keyLimitsKey, keyLimitsOf } from "./api_keys.ts";
import type { NamedFiles } from "./certificates.ts";
import { changeFeedKey, changeFeedOf, checkChangeFeed } from "./change_feed.ts";
import { checkHealth, healthKey, healthOf } from "./health.ts";
import { mediaRange } from "./http_scalars.ts";
import { resilienceKeys, resilienceOf } from "./resilience.ts";
import { checkUpstreams, draftUpstreamsKey, upstreamsKey, upstreamsOf } from "./upstream.ts";
import type { Path } from "./yaml/located.ts";
import type { Problems } from "./yaml/problems.ts";
import { choice, duration, flag, integer } from "./yaml/scalars.ts";
import { asMapping, type Frozen, list, section } from "./yaml/section.ts";
import { DAY, HOUR, SECOND } from "./yaml/units.ts";

const timeoutsSection = section({
  connect: duration(1, HOUR).prefault("3s").describe("Name look-up, TCP and TLS together."),
  first_byte: duration(1, HOUR).prefault("10s").describe("From the request sent to the response's field section."),
  idle: duration(1, HOUR).prefault("30s").describe("Between two chunks of a body, either way."),
  total: duration(1, HOUR).prefault("30s").describe(
    "All tries of one request together, until the response's field section.",
  ),
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

const tunnelsSection = section({
  idle: duration(SECOND, DAY).prefault("5m").describe(
    "Without a byte in either direction for so long, a tunnel is closed.",
  ),
  max: integer(1, 1_000_000).prefault(1_000).describe("Tunnels at a time, in each serving worker; beyond them 503."),
});

/** One entry of `pools:`. */
export const poolSection = section({
  type: choice(upstreamTypes.names).describe(
    "What the upstreams carry: decides the defaults of nearly everything else.",
  ),
  strategy: choice(balancerNames).prefault("weighted-ewma").describe("How an upstream is chosen for a request."),
  upstreams: upstreamsKey().min(1, { error: "a list of at least one upstream" }).describe(
    "Where requests go; a URL alone is short for `{ url: … }`.",
  ),
  timeouts: asMapping(timeoutsSection).prefault({}).describe("How long each step may take."),
  ...resilienceKeys,
  change_feed: changeFeedKey,
  upgrade: list(choice(["websocket"]), 1).optional().describe(
    "Protocols that a client's connection may go on as, tunnelled to an upstream that agrees; `[]` for none. " +
      "Default: `[websocket]` on type `custom`; others have none.",
  ),
  tunnels: asMapping(tunnelsSection).prefault({}).describe("Limits of these tunnels."),
  health: healthKey,
  ...apiKeyKeys,
  image_accept: choice(["named", "negotiate"]).prefault("named").describe(
    "What upstreams of type `tmdb-image` are asked for: the format that the name says, or WebP for clients that name it.",
  ),
  key_limits: keyLimitsKey,
  content_types: asMapping(contentTypesSection).optional().describe(
    "Media types that upstreams may answer with, another is a failed try; default: the type's own.",
  ),
  preserve_host: flag().prefault(false).describe("Send the client's `Host` instead of the upstream's."),
  forwarded: choice(["x-forwarded", "forwarded", "both", "off"]).optional().describe(
    "Fields that tell upstreams of the client; default: the type's own.",
  ),
  trace_context: flag().optional().describe(
    "Tell upstreams the trace of a request (`traceparent`), where `tracing` is on; else what the client sent is passed on. " +
      "Default: true on type `custom`, false on others.",
  ),
});

/** The same of a file with mistakes: what nothing can be said about without is absent. */
export const draftPoolSection = poolSection.partial({ type: true }).extend({
  upstreams: draftUpstreamsKey().optional(),
});

type PoolValues = z.output<typeof poolSection>;

/** A pool of a file with mistakes. */
export type DraftPool = z.output<typeof draftPoolSection>;

/** What a listener says of pools and their upstreams. */
export interface PoolUse {
  readonly pool?: string | undefined;
  readonly rules: readonly { readonly pool?: string | undefined; readonly upstream?: string | undefined }[];
}

/** Checks one pool; `listeners` are all that may use it. */
export function checkPool(
  [name, pool]: readonly [string, DraftPool],
  listeners: readonly PoolUse[],
  problems: Problems,
): void {
  const path = ["pools", name];
  checkApiKeys(pool, path, problems);
  checkUpstreams(pool, path, problems);
  checkHealth(pool.health, pool.type, { at: [...path, "health"], problems });
  checkParts(pool, path, problems);
  checkUpgrade(pool, path, problems);
  checkChangeFeed(pool, path, problems);
  checkImageAccept(pool, path, problems);
  // A listener with a mistake may have meant what no other uses.
  if (!problems.has(["listeners"])) warnUnused([name, pool], listeners, problems);
}

/** Somebody must be asked where nothing goes wrong and no rule says otherwise. */
function checkParts({ upstreams = [] }: DraftPool, path: Path, problems: Problems): void {
  const at = [...path, "upstreams"];
  if (upstreams.length === 0 || problems.has(at) || upstreams.some(({ weight, backup }) => weight > 0 && !backup)) {
    return;
  }
  problems.expect(at, "at least one upstream that is no backup and has a weight above 0");
}

/** Not every type has connections that go on as another protocol. */
function checkUpgrade({ type, upgrade = [] }: DraftPool, path: Path, problems: Problems): void {
  const at = [...path, "upgrade"];
  if (upgrade.length === 0 || upstreamTypes.traits(type)?.upgrades.length !== 0 || problems.has(at)) return;
  const others = upstreamTypes.namesWith(({ upgrades }) => upgrades.length > 0);
  problems.atKey(at, `found upgrade expected none on a pool of type ${type}: only ${others} has upgrades`);
}

function checkImageAccept({ type, image_accept }: DraftPool, path: Path, problems: Problems): void {
  if (image_accept === "named" || upstreamTypes.traits(type)?.negotiatesImages !== false) return;
  const others = upstreamTypes.namesWith(({ negotiatesImages }) => negotiatesImages);
  problems.warn([...path, "image_accept"], `it has no effect: only type ${others} asks for pictures`);
}

/** A pool that no listener names does nothing, nor does an upstream without a weight that no rule names. */
function warnUnused(
  [name, { upstreams = [] }]: readonly [string, DraftPool],
  listeners: readonly PoolUse[],
  problems: Problems,
): void {
  for (const [index, { weight, url }] of upstreams.entries()) {
    if (weight > 0 || url === undefined) continue;
    const isNamed = listeners.some((listener) =>
      listener.rules.some((rule) => rule.upstream?.startsWith(url) && (rule.pool ?? listener.pool) === name)
    );
    const because = "with weight 0 it is never asked: no rule names this upstream";
    if (!isNamed) problems.warn(["pools", name, "upstreams", index, "weight"], because);
  }
  const isUsed = listeners.some(({ pool, rules }) => pool === name || rules.some((rule) => rule.pool === name));
  if (!isUsed) problems.warn(["pools", name], "no listener uses this pool", { atKey: true });
}

/** One entry of `pools:`, with what the files hold that it names. What is `null` is the type's default, or absent. */
export function poolOf(name: string, pool: PoolValues, files: NamedFiles) {
  return {
    name,
    type: pool.type,
    strategy: pool.strategy,
    upstreams: upstreamsOf(pool.upstreams, files),
    sending: sendingOf(pool),
    resilience: resilienceOf(pool),
    health: healthOf(pool.health),
    apiKeys: apiKeysOf(pool.api_keys),
    keyMode: pool.key_mode,
    imageAccept: pool.image_accept,
    keyLimits: keyLimitsOf(pool.key_limits),
    changeFeed: changeFeedOf(pool.change_feed),
    contentTypes: contentTypesOf(pool.content_types),
    forwarded: pool.forwarded ?? null,
    upgrade: pool.upgrade ?? null,
    traceContext: pool.trace_context ?? null,
  };
}

/** One entry of `pools:`. */
export interface PoolConfig extends Frozen<ReturnType<typeof poolOf>> {}

function sendingOf({ timeouts, retry, preserve_host, tunnels }: PoolValues): SendingOptions {
  return {
    connectMs: timeouts.connect,
    firstByteMs: timeouts.first_byte,
    idleMs: timeouts.idle,
    totalMs: timeouts.total,
    attempts: retry.attempts,
    backoff: { baseMs: retry.backoff, maxMs: Math.max(retry.backoff, retry.max_backoff) },
    preserveHost: preserve_host,
    tunnelIdleMs: tunnels.idle,
    maxTunnels: tunnels.max,
  };
}

function contentTypesOf(types: PoolValues["content_types"]) {
  return types === undefined ? null : { ...types, verify: types.verify ?? null };
}
