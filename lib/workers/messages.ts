import type { ClientName } from "../clients/client_requests.ts";
import type { PurgeRule } from "../cache/purge/purge_rules.ts";
import type { TierStats } from "../cache/store.ts";
import type { Config } from "../config/config.ts";
import type { DrainedUpstream } from "../gateway/gateway.ts";
import type { SharedLimits } from "../gateway/limits.ts";
import type { ResilienceState } from "../gateway/resilience_state.ts";
import type { CheckResult } from "../health/check.ts";
import type { QueueFigures } from "../image/conversion_queue.ts";
import type { LevelOverride } from "../logging/log_levels.ts";
import type { Problem } from "../logging/problem_book.ts";
import type { RememberedRequest } from "../metrics/request_memory.ts";
import type { TopKeys } from "../metrics/top_targets.ts";
import type { SharedFigures } from "./worker/shared_cache.ts";
import type { LagCounts } from "./worker/loop_monitor.ts";
import type { Drained } from "./drained.ts";
import type { WorkerCounts } from "../metrics/gateway_metrics.ts";
import type { Verdict } from "../cache/policy/policy.ts";
import type { StoredFacts, StoredKind } from "../cache/stored_response.ts";
import type { Fields } from "../http/fields.ts";
import type { Challenges } from "../server/acme_challenge.ts";
import type { PeerFigures } from "../server/peer_sight.ts";
import type { ServerCounts } from "../server/server_counts.ts";
import type { SpanCounts } from "../tracing/span_exporter.ts";
import type { HealthTable } from "../pool/upstream_health.ts";

/** A configuration and which one it is: 1 at the start, one more with each reload. */
export interface ConfigGeneration {
  readonly generation: number;
  readonly config: Config;
}

/** First message to a worker. */
export interface InitMessage extends ConfigGeneration {
  readonly type: "init";
  readonly index: number;
  /** Path of the Deno KV file; `null` where it cannot be used, or not yet. */
  readonly kvPath: string | null;
  readonly leaseMemory: SharedArrayBuffer;
  /** Which keys the KV file may hold, see `newDiskFilterMemory`; `null` where there is no disk tier. */
  readonly diskFilter: SharedArrayBuffer | null;
  /** What limits are counted in, by all workers. */
  readonly sharedLimits: SharedLimits;
  /** What connections are counted in, by all workers; see `ConnectionGate`. */
  readonly connections: SharedArrayBuffer;
  /** Descriptors that the process may have. */
  readonly descriptors: number;
  /** Whether this worker listens where only one can: on unix sockets, and on every address where ports are not shared. */
  readonly servesAlone: boolean;
  /** Purges that were made before this worker starts. */
  readonly purges: readonly PurgeRule[];
  /** Upstreams that operators have drained. */
  readonly drained: readonly DrainedUpstream[];
  /** What an authority may ask for at this moment. */
  readonly challenges: Challenges;
  /** This process in `CDN-Loop`. */
  readonly instanceId: string;
  /** Levels of the log in place of the configured ones; `null` where those hold. */
  readonly logLevels: LevelOverride | null;
}

/** Another worker: a serving worker by its index, or one of those that there is one of. */
export type PeerName = number | "health" | "image";

/** The KV file that another process had is this one's now. */
export interface TakeDisk {
  readonly type: "take-disk";
  readonly kvPath: string;
  /** A purge position behind all that is stored so far. */
  readonly purgePosition: number;
}

/** What the supervisor says to a worker. */
export type ToWorker =
  | InitMessage
  /** The port that comes along leads to the worker of this index; the health worker's is `health`, the image worker's `image`. */
  | { readonly type: "peer"; readonly peer: PeerName }
  /** The worker of this index has died: nothing more comes from it. */
  | { readonly type: "peer-gone"; readonly peer: number | "image" }
  /** It listens from now on where only one worker can: the one that did has died. */
  | { readonly type: "serve-alone" }
  /** The same, in the place of another process, which has the sockets still. */
  | { readonly type: "take-sockets" }
  /** Another process takes its place: it stops listening, lets go of the disk, and finishes what has begun until it is stopped. */
  | { readonly type: "leave" }
  | TakeDisk
  | (ConfigGeneration & { readonly type: "prepare" })
  | { readonly type: "commit"; readonly generation: number }
  | { readonly type: "abort"; readonly generation: number }
  /** From its answer on, the worker serves nothing that the rules purge; it is asked what they name, or not. */
  | { readonly type: "purge"; readonly id: number; readonly rules: readonly PurgeRule[]; readonly counts: boolean }
  /** From its answer on, the worker answers these challenges of an authority and no others. */
  | { readonly type: "challenges"; readonly id: number; readonly challenges: Challenges }
  /** From its answer on, the worker gives these upstreams no new requests, and no others none. */
  | { readonly type: "drain"; readonly id: number; readonly drained: readonly DrainedUpstream[] }
  /** To have its active check now; for the health worker. */
  | { readonly type: "check"; readonly id: number; readonly pool: string; readonly upstream: string }
  /** To be fetched into the cache, for no client. */
  | {
    readonly type: "prewarm";
    readonly id: number;
    readonly listener: string;
    readonly url: string;
    readonly clients: readonly ClientName[];
  }
  /** A path and query to be asked of a pool's upstreams, for the gateway itself. */
  | { readonly type: "read"; readonly id: number; readonly pool: string; readonly target: string }
  /** To forget what these keys hold. */
  | { readonly type: "forget"; readonly id: number; readonly keys: readonly string[] }
  /** The other gateways have been told of a change, as far as they can be. */
  | { readonly type: "change-told"; readonly id: number }
  /** Levels of the log from now on, in place of the configured ones; `null` for those. */
  | { readonly type: "log-levels"; readonly override: LevelOverride | null }
  /** To be answered with what is remembered of requests. */
  | { readonly type: "look"; readonly id: number; readonly question: SightQuestion }
  /** To be told what it holds for a request. */
  | { readonly type: "look-up"; readonly id: number; readonly order: LookUpOrder }
  | { readonly type: "ping"; readonly sequence: number }
  /** From now on each connection ends after its next reply, and new ones are taken still. */
  | { readonly type: "wind-down" }
  | { readonly type: "stop"; readonly graceMs: number }
  /** Test hooks, refused unless the supervisor was started with them. */
  | { readonly type: "fault"; readonly fault: "throw" | "hang" };

/** An unsafe request has changed what stands under these keys, and what has tags on the listeners whose pools are of a type. */
export interface ChangedMessage {
  readonly type: "changed";
  readonly id: number;
  readonly keys: readonly string[];
  readonly written: { readonly type: string; readonly tags: readonly string[] } | null;
}

/** What a worker says to the supervisor. */
export type FromWorker =
  /** It listens now; what was posted before may be lost. */
  | { readonly type: "hello" }
  | { readonly type: "ready" }
  /** It cannot be what it was asked to be. */
  | { readonly type: "failed"; readonly reason: string }
  | { readonly type: "disk-taken" }
  | { readonly type: "sockets-taken"; readonly error: string | null }
  | { readonly type: "left" }
  | { readonly type: "prepared"; readonly generation: number; readonly error: string | null }
  | { readonly type: "committed"; readonly generation: number }
  /** What the rules named in its memory, see `WorkerStore.named`; `null` where that was not asked, or is not known. */
  | { readonly type: "purged"; readonly id: number; readonly named: readonly number[] | null }
  | { readonly type: "challenged"; readonly id: number }
  | { readonly type: "forgot"; readonly id: number }
  | { readonly type: "drained"; readonly id: number }
  /** `null` where the upstream has no active check, or is not known. */
  | { readonly type: "checked"; readonly id: number; readonly result: CheckResult | null }
  | ChangedMessage
  /** Warnings and errors since the last such message. */
  | { readonly type: "problems"; readonly problems: readonly Problem[] }
  | { readonly type: "seen"; readonly id: number; readonly answer: SightAnswer }
  | { readonly type: "prewarmed"; readonly id: number; readonly result: PrewarmResult }
  | { readonly type: "was-read"; readonly id: number; readonly result: ReadResult }
  /** `null` where no listener takes the request. */
  | { readonly type: "looked-up"; readonly id: number; readonly result: LookUpResult | null }
  | { readonly type: "pong"; readonly sequence: number; readonly report: WorkerReport }
  /** With everything that it has counted, to its end. */
  | { readonly type: "stopped"; readonly drained: Drained; readonly counts?: WorkerCounts };

/** What is asked of the requests that a worker remembers. */
export type SightQuestion =
  | { readonly kind: "slow"; readonly listener: string | null }
  | { readonly kind: "request"; readonly id: string }
  | { readonly kind: "top" };

/** What a worker remembers of its requests. */
export interface SightAnswer {
  readonly requests: readonly RememberedRequest[];
  /** Where that was asked. */
  readonly top: TopKeys | null;
}

/** What a worker says of itself with each heartbeat: plain data. */
export interface WorkerReport {
  readonly generation: number;
  readonly counts: WorkerCounts;
  readonly memory: TierStats | null;
  readonly disk: TierStats | null;
  /** Why the disk tier does not work as it should; `null` where it does. */
  readonly diskProblem: string | null;
  /** The tier that gateways share, from serving workers alone; `null` where there is none. */
  readonly shared?: SharedFigures | null;
  /** Purge rules that look-ups are held against. */
  readonly purgeRules: number;
  /** What each listener holds: in this worker's memory, and on the disk that all share. */
  readonly byListener: Readonly<Record<string, ListenerHolding>>;
  /** Fetches under way that others may wait for. */
  readonly flights: number;
  readonly backgroundTasks: number;
  /** Open connections to upstreams, by pool. */
  readonly connections: Readonly<Record<string, number>>;
  /** How its pools and queues stand; `null` from the health worker. */
  readonly resilience: ResilienceState | null;
  /** How late timers fire, in milliseconds, the worst since the last report. */
  readonly loopLagMs: number;
  /** The same since its start, as a histogram. */
  readonly loop: LagCounts;
  readonly heapBytes: number;
  /** Addresses that it listens on: why it cannot accept there, or `null` where it can. From serving workers alone. */
  readonly listening?: Readonly<Record<string, string | null>>;
  /** What its server has met, from serving workers alone. */
  readonly server?: ServerCounts;
  /** Where connections of clients came from, from serving workers alone. */
  readonly peers?: PeerFigures;
  /** What became of its spans; `null` while nothing was ever traced. */
  readonly spans?: SpanCounts | null;
  /** The health worker's tables, from the health worker alone. */
  readonly health: readonly HealthTable[] | null;
  /** Conversions of pictures, from the image worker alone. */
  readonly images?: QueueFigures & { readonly problem: string | null };
}

/** What a listener holds in the tiers, as one worker sees it. */
export interface ListenerHolding {
  readonly memoryEntries: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
}

/** The outcome of a request to a pool's upstreams. */
export interface ReadResult {
  readonly outcome:
    /** They answered well. */
    | "read"
    | "failed"
    /** Clients need the room: ask again later. */
    | "busy";
  /** The whole body of a good answer. */
  readonly body: Uint8Array | null;
  /** Why it failed. */
  readonly detail: string | null;
  /** Their `Retry-After`, in milliseconds; `null` where there is none. */
  readonly retryAfterMs: number | null;
}

/** The outcome of a target that was to be prewarmed. */
export interface PrewarmResult {
  readonly outcome:
    /** It is stored now, or was validated. */
    | "fetched"
    /** It was stored already. */
    | "fresh"
    /** It is not to be fetched, or cannot be stored. */
    | "skipped"
    | "failed"
    /** Clients need the room: ask again later. */
    | "busy";
  /** Why, where it was skipped or failed. */
  readonly detail: string | null;
  /** The paths of the pictures that it names, in the sizes of the clients that were asked for; absent for none. */
  readonly pictures?: readonly string[];
  /** Of its body. */
  readonly bytes: number;
}

/** A request, as it would come in, whose stored responses are looked for. */
export interface LookUpOrder {
  /** Key of the listen address that it comes in at. */
  readonly address: string;
  readonly method: string;
  /** Scheme, authority and raw target. */
  readonly url: string;
  /** With `host`. */
  readonly fields: Readonly<Fields>;
}

/** What one worker holds for a request: plain data, secrets of the request included, so not to be shown as it is. */
export interface LookUpResult {
  readonly listener: string;
  readonly pool: string;
  /** The primary key; `null` where the listener stores nothing. */
  readonly key: string | null;
  /** The request fields that select among responses with this key. */
  readonly variesBy: readonly string[];
  readonly held: readonly HeldResponse[];
}

/** A stored response, as it lies in one tier. */
export interface HeldResponse extends Pick<StoredFacts, "key" | "status" | "responseTimeMs" | "selectedBy" | "tags"> {
  readonly tier: "memory" | "disk";
  readonly kind: Extract<StoredKind, "response" | "part">;
  readonly contentType: string | null;
  readonly etag: string | null;
  readonly lastModified: string | null;
  readonly bytes: number;
  readonly ageMs: number;
  readonly lifetimeMs: number;
  /** After the lifetime; 0 where it is never to be served stale. */
  readonly staleWhileRevalidateMs: number;
  readonly staleIfErrorMs: number;
  readonly isPurged: boolean;
  /** Whether the request selects it among the variants. */
  readonly isSelected: boolean;
  /** What the cache would make of it for this request; `null` for another variant, and for a part. */
  readonly verdict: Verdict["kind"] | null;
  /** Look-ups in this worker since it was stored or renewed; `null` on the disk, where nobody counts them. */
  readonly hits: number | null;
}
