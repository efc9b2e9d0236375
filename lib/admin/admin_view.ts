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
  /** Breaks a worker, for tests; `false` where that is not allowed. */
  fault(worker: number, fault: "throw" | "hang"): boolean;
}
