import type { PurgeOrder } from "../gateway/purge_scopes.ts";

/** What the admin surface shows and does; the supervisor stands behind it. */
export interface AdminView {
  /** Needed for everything but liveness and readiness; `null` where none is set. */
  readonly token: string | null;
  /** Opens everything that the token opens: what the process made up for the commands of its own user; `null` where there is none. */
  readonly key: string | null;
  /** Whether requests can be served. */
  isReady(): boolean;
  /** Plain data for `/status`, without secrets. */
  status(): Promise<unknown>;
  /** Text in the Prometheus exposition format. */
  metrics(): Promise<string>;
  /** Brings the configuration file into force, or says why it cannot be. */
  reload(): Promise<
    | { readonly ok: true; readonly generation: number; readonly atRestart?: readonly string[] }
    | { readonly ok: false; readonly problems: readonly string[] }
  >;
  /** Begins to stop gracefully; answers how long that may take, in milliseconds. */
  requestStop(actor: string): { readonly graceMs: number };
  /**
   * Purges stored responses in every worker, and before that at the configured peers, before it returns; `actor` stands in the
   * audit line, `via` names the gateways that the order came through.
   */
  purge(order: PurgeOrder, actor: string, via?: readonly string[]): Promise<PurgeAnswer>;
  /** Begins to fetch targets into the cache. */
  prewarm(order: PrewarmAsked, actor: string): Promise<PrewarmReply>;
  /** Ends a listener's prewarm; `false` where none is under way. */
  stopPrewarm(listener: string, actor: string): Promise<boolean>;
  /** How the last prewarm of each listener stands. */
  prewarms(): readonly PrewarmProgress[];
  /** Looks up now what has changed upstream of a pool; `false` where it has no change feed, `null` where that is under way. */
  pollChanges(pool: string, actor: string): boolean | null;
  /** How each pool's change feed stands. */
  changeFeeds(): readonly unknown[];
  /** Breaks a worker, for tests; `false` where that is not allowed. */
  fault(worker: number, fault: "throw" | "hang"): boolean;
}

/** What a peer made of a purge. */
export interface PeerAnswer {
  /** URL of its admin address. */
  readonly peer: string;
  readonly ok: boolean;
  /** Why not; `null` where it did. */
  readonly problem: string | null;
}

/** What came of a purge. */
export type PurgeAnswer =
  | {
    readonly ok: true;
    readonly soft: boolean;
    /** Listeners concerned; `null` is all of them. */
    readonly listeners: readonly string[] | null;
    readonly workers: number;
    /** Responses that it names in memory; `null` where that is not cheap to know. */
    readonly named: number | null;
    /** Whether it outlives the process. */
    readonly persisted: boolean;
    readonly durationMs: number;
    /** What the configured peers made of it; absent where there are none. */
    readonly peers?: readonly PeerAnswer[];
  }
  | { readonly ok: false; readonly problem: string };

/** What is to be prewarmed; what is `null` is as configured. */
export interface PrewarmAsked {
  readonly listener: string;
  /** Paths and URLs as clients send them. */
  readonly targets: readonly string[] | null;
  readonly concurrency: number | null;
  readonly ratePerSecond: number | null;
}

/** Whether a prewarm was begun, or why not. */
export type PrewarmReply =
  | { readonly ok: true; readonly total: number }
  | {
    readonly ok: false;
    /** One of this listener is under way. */
    readonly isBusy: boolean;
    readonly problem: string;
  };

/** How a prewarm stands. */
export interface PrewarmProgress {
  readonly listener: string;
  /** `running`, `paused` while clients need the room, `done` or `stopped`. */
  readonly state: string;
  readonly total: number;
  /** Targets behind it. */
  readonly done: number;
  readonly fetched: number;
  readonly fresh: number;
  readonly skipped: number;
  readonly failed: number;
  /** Of all bodies. */
  readonly bytes: number;
  readonly startedAtMs: number;
  readonly finishedAtMs: number | null;
  readonly lastProblem: string | null;
}
