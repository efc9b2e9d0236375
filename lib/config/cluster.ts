import type { z } from "zod";
import type { NamedFiles } from "./certificates.ts";
import { checkEngine, engineAccessKeys, engineKey, engineOf, outerSecret } from "./engine.ts";
import type { Problems } from "./yaml/problems.ts";
import { choice, duration, flag, name, size } from "./yaml/scalars.ts";
import { distinct, type Frozen, list, section, switchable } from "./yaml/section.ts";
import { KiB, MiB, MINUTE, SECOND, YEAR } from "./yaml/units.ts";

/** What gateways of a cluster may share, beside stored responses. */
export const SHARES = ["purges", "limits", "keys", "flights", "changes", "health"] as const;

/** One of {@linkcode SHARES}. */
export type Share = typeof SHARES[number];

/** Shorter ones can be guessed. */
const MIN_SECRET = 16;

/** `cluster:` */
export const clusterSection = section({
  engine: engineKey().describe(
    "The Valkey or Redis server (6.2 or newer) that all gateways reach: a URL such as `rediss://usher@valkey.lan:6379/0`, " +
      "`{ sentinels, name }`, or `{ nodes }` of a cluster.",
  ),
  ...engineAccessKeys,
  name: name("name").prefault("usher").describe("Gateways with one name and one engine are one cluster."),
  secret: outerSecret(MIN_SECRET).describe(
    "What all its gateways know and nobody else: it proves messages and stored responses to be theirs. From `${file:…}` or " +
      "`${NAME}` only.",
  ),
  member: name("name").optional().describe(
    "Name of this gateway, unlike all others; default: one that is made at each start.",
  ),
  lease: duration(SECOND, MINUTE).prefault("5s").describe(
    "A gateway that has not heard of purges for so long is alone; a purge waits for it no longer than this.",
  ),
  alone: choice(["serve", "revalidate"]).prefault("serve").describe(
    "What a gateway that is alone does with what it has stored: `serve` it, or ask the origin first.",
  ),
  share: list(choice(SHARES), SHARES.length).prefault([...SHARES]).describe("What the gateways share."),
});

/** `shared:` of `cache`. */
const sharedTierSection = section({
  enabled: flag().prefault(true).describe("`shared: true` is short for `shared: { enabled: true }`."),
  engine: engineKey().optional().describe("Another engine for stored responses alone; default: that of `cluster`."),
  ...engineAccessKeys,
  max_entry: size(1, 64 * MiB).prefault("1MiB").describe("Larger bodies are not shared."),
  timeout: duration(1, 10 * SECOND).prefault("20ms").describe("A look-up that takes longer is a miss."),
  ttl: duration(SECOND, YEAR).prefault("7d").describe("So long a response is kept there at most."),
  encrypt: flag().prefault(false).describe(
    "Encrypt what is kept there (AES-256-GCM), with a key from `cluster.secret`.",
  ),
});

/** `shared` of `cache`: off unless it is there. */
export const sharedTierKey = switchable(sharedTierSection).optional().describe(
  "A third tier behind memory and disk, which all gateways of the `cluster` share; default: none.",
);

/** `cluster:` as the file has it. */
export type ClusterValues = z.output<typeof clusterSection>;
/** `shared:` of `cache` as the file has it. */
export type SharedTierValues = z.output<typeof sharedTierSection>;

/** Below it the reply of an engine beside is late most of the time. */
const SHORT_TIMEOUT_MS = 5;

/** Checks the cluster, and the tier that needs it. */
export function checkCluster(
  { cluster, cache: { shared } }: {
    readonly cluster?: ClusterValues | undefined;
    readonly cache: { readonly shared?: SharedTierValues | undefined };
  },
  problems: Problems,
): void {
  if (cluster !== undefined) checkEngine(cluster, ["cluster"], problems);
  if (shared === undefined) return;
  const at = ["cache", "shared"];
  checkEngine(shared, at, problems);
  if (cluster === undefined && shared.enabled && !problems.has(["cluster"]) && !problems.has(at)) {
    problems.warn(at, "it has no effect: there is no `cluster`, whose secret and engine it needs");
  }
  if (shared.engine === undefined) {
    const key = (["password", "ca", "cert"] as const).find((one) => shared[one] !== undefined);
    if (key !== undefined) problems.warn([...at, key], "it has no effect without an `engine` beside it");
  }
  if (shared.timeout < SHORT_TIMEOUT_MS) {
    problems.warn([...at, "timeout"], "so short a time makes a miss of many look-ups");
  }
  if (shared.max_entry < KiB) problems.warn([...at, "max_entry"], "hardly a response is so small");
}

/** `cluster:`, with what the files hold that it names; `null` where there is none. */
export function clusterOf(cluster: ClusterValues | undefined, files: NamedFiles) {
  if (cluster === undefined) return null;
  return {
    engine: engineOf(cluster, files)!,
    name: cluster.name,
    /** A secret. */
    secret: cluster.secret,
    /** `null`: one that is made at each start. */
    member: cluster.member ?? null,
    leaseMs: cluster.lease,
    alone: cluster.alone,
    share: distinct<Share>(cluster.share),
  };
}

/** `cluster:` */
export interface ClusterConfig extends Frozen<NonNullable<ReturnType<typeof clusterOf>>> {}

/** `shared:` of `cache`; `null` where there is no such tier. */
export function sharedTierOf(
  shared: SharedTierValues | undefined,
  cluster: ClusterValues | undefined,
  files: NamedFiles,
) {
  if (shared === undefined || cluster === undefined || !shared.enabled) return null;
  return {
    /** Its own, or that of the cluster. */
    engine: engineOf(shared, files) ?? engineOf(cluster, files)!,
    /** Whether it has an engine of its own. */
    hasOwnEngine: shared.engine !== undefined,
    maxEntryBytes: shared.max_entry,
    timeoutMs: shared.timeout,
    ttlMs: shared.ttl,
    encrypt: shared.encrypt,
  };
}

/** `shared:` of `cache`. */
export interface SharedTierConfig extends Frozen<NonNullable<ReturnType<typeof sharedTierOf>>> {}
