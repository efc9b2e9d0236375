import type { PurgeOrder } from "../gateway/purge_scopes.ts";

/** What the admin surface shows and does; the supervisor stands behind it. */
export interface AdminView {
  /** Needed for everything but liveness and readiness; `null` where none is set. */
  readonly token: string | null;
  /** Whether requests can be served. */
  isReady(): boolean;
  /** Plain data for `/status`, without secrets. */
  status(): Promise<unknown>;
  /** Text in the Prometheus exposition format. */
  metrics(): Promise<string>;
  /** Brings the configuration file into force, or says why it cannot be. */
  reload(): Promise<
    { readonly ok: true; readonly generation: number } | { readonly ok: false; readonly problems: readonly string[] }
  >;
  /** Purges stored responses in every worker before it returns; `actor` stands in the audit line. */
  purge(order: PurgeOrder, actor: string): Promise<PurgeAnswer>;
  /** Breaks a worker, for tests; `false` where that is not allowed. */
  fault(worker: number, fault: "throw" | "hang"): boolean;
}

/** What came of a purge. */
export type PurgeAnswer =
  | {
    readonly ok: true;
    readonly soft: boolean;
    /** Listeners concerned; `null` is all of them. */
    readonly listeners: readonly string[] | null;
    readonly workers: number;
    /** Whether it outlives the process. */
    readonly persisted: boolean;
    readonly durationMs: number;
  }
  | { readonly ok: false; readonly problem: string };
