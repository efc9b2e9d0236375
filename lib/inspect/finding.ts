import { formatSizeBytes } from "../config/yaml/units.ts";

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

/** How many findings ended in each way. */
export function countsOf(findings: readonly Finding[]): Readonly<Record<FindingState, number>> {
  const count = (state: FindingState) => findings.filter((finding) => finding.state === state).length;
  return { ok: count("ok"), warn: count("warn"), fail: count("fail"), skip: count("skip") };
}

/** A size in whole units of the largest kind that shows something. */
export function shownSize(bytes: number): string {
  const unit = [1024 ** 4, 1024 ** 3, 1024 ** 2, 1024].find((each) => bytes >= 10 * each) ?? 1;
  return formatSizeBytes(Math.floor(bytes / unit) * unit);
}

/** A duration, as it is shown. */
export function shownMs(durationMs: number): string {
  return `${durationMs < 10 ? durationMs.toFixed(1) : Math.round(durationMs)} ms`;
}
