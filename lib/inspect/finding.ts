/** How a check ended: well, well enough but worth a look, not well, or not made. */
export type FindingState = "ok" | "warn" | "fail" | "skip";

/** What one check found: plain data without credentials, as `usher doctor --json` prints it. */
export interface Finding {
  /** A word, such as `name`, `ipv6`, `tls`. */
  readonly check: string;
  readonly state: FindingState;
  readonly text: string;
  /** What to do about it; `null` where there is nothing to do. */
  readonly remedy: string | null;
}
