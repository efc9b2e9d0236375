import type { ErrorCode } from "../errors.ts";
import type { Stage } from "./phases.ts";

/** Ends of content after its response had begun: no error of the gateway could be sent any more. */
export type BodyError = "body_broke_off" | "body_timed_out";

/** How a request ended, as far as its termination code depends on it. */
export interface Ending {
  /** The stage it was in; `null` where it never waited for anything. */
  readonly stage: Stage | null;
  /** Code of the gateway's own error. */
  readonly error: string | undefined;
  /** The client left before the end. */
  readonly aborted: boolean;
  /** The gateway answered by itself: a rule's answer, a preflight. */
  readonly isOwn: boolean;
  readonly tries: number;
}

/** It ended as it should. */
export const COMPLETE = "--";

const PHASES: Readonly<Record<Stage, string>> = {
  own: "R",
  request: "R",
  queue: "Q",
  connect: "C",
  head: "H",
  body: "D",
  send: "L",
};

/** Who ended a request that the gateway answered with an error. */
const ENDERS: Readonly<Record<ErrorCode | BodyError, string>> = {
  bad_request: "P",
  uri_too_long: "P",
  fields_too_large: "P",
  request_timeout: "c",
  expectation_failed: "P",
  coding_not_supported: "P",
  version_not_supported: "P",
  no_listener: "P",
  unauthorized: "P",
  refused_by_rule: "P",
  refused_by_proxy: "P",
  method_not_supported: "P",
  request_too_large: "P",
  upgrade_not_supported: "P",
  loop_detected: "P",
  only_if_cached: "P",
  rate_limited: "P",
  overloaded: "R",
  no_healthy_upstream: "D",
  upstream_unreachable: "S",
  upstream_timeout: "s",
  upstream_invalid_response: "S",
  upstream_wrong_content: "S",
  stopping: "P",
  internal: "I",
  body_broke_off: "S",
  body_timed_out: "s",
};

/**
 * The two letters of an ending, as HAProxy's: who ended it, and in which phase. `docs/logs.md` has the table.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { termination } from "./termination.ts";
 * const ended = { stage: "head", error: "upstream_timeout", aborted: false, isOwn: false, tries: 2 } as const;
 * assert.equal(termination(ended), "sH");
 * assert.equal(termination({ ...ended, aborted: true }), "CH");
 * ```
 */
export function termination({ stage, error, aborted, isOwn, tries }: Ending): string {
  const phase = PHASES[stage ?? "own"];
  // What is sent has no stage where it was whole in memory.
  if (aborted) return `C${phase}`;
  if (error === undefined) return isOwn ? "LR" : COMPLETE;
  const who = ENDERS[error as ErrorCode | BodyError] ?? "I";
  switch (error) {
    case "overloaded":
      return "RQ";
    case "no_healthy_upstream":
      return "DC";
    case "rate_limited":
      // By an upstream, for want of a key with room, or by the client's own quota.
      return tries > 0 ? "SH" : stage === null ? "PR" : "RQ";
    default:
      return who + (who === "P" || who === "c" ? "R" : phase);
  }
}
