/** The place of a span in a trace that spans several systems (W3C Trace Context). */
export interface TraceContext {
  /** 32 hexadecimal digits, lower case, not all 0. */
  readonly traceId: string;
  /** Of the span: 16 hexadecimal digits, lower case, not all 0. */
  readonly spanId: string;
  /** Whether the trace is recorded, as far as the sender knows. */
  readonly isSampled: boolean;
  /** Whether the trace's id is random, by the second flag (W3C Trace Context, level 2). */
  readonly isRandom: boolean;
  /** The `tracestate` value: what tracing systems on the way have noted; often empty. */
  readonly state: string;
}

/** A version that is not known may have more at its end, behind another `-` (W3C Trace Context §4.3). */
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[!-~]*)?$/;
const NONE = /^0+$/;

/** Longer is no trace's: 55 characters, and some room for later versions. */
const MAX_TRACEPARENT_LENGTH = 256;

/** List members that a `tracestate` may have (W3C Trace Context §3.3.1.1). */
const MAX_MEMBERS = 32;
/** Longer ones are dropped: 512 characters are all that one may expect to be passed on (§3.3.1.5). */
const MAX_STATE_LENGTH = 1_024;
const MEMBER_KEY = /^[a-z0-9][a-z0-9_*/@-]{0,255}$/;
const MEMBER_VALUE = /^[ !-+\--<>-~]{0,255}[!-+\--<>-~]$/;

const SAMPLED = 1;
const RANDOM = 2;

/**
 * Reads `traceparent` and `tracestate` strictly: `null` where the first is not exactly of its form, which is also how two lines of it
 * look. A `tracestate` that breaks its grammar is dropped as a whole.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseTraceContext } from "./trace_context.ts";
 * const context = parseTraceContext("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", null);
 * assert.equal(context?.spanId, "b7ad6b7169203331");
 * assert.equal(parseTraceContext("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", null), null);
 * ```
 */
export function parseTraceContext(traceparent: string, tracestate: string | null): TraceContext | null {
  if (traceparent.length > MAX_TRACEPARENT_LENGTH) return null;
  const match = TRACEPARENT.exec(traceparent);
  if (match === null) return null;
  const [, version, traceId, spanId, flags, more] = match;
  if (version === "ff" || (version === "00" && more !== undefined)) return null;
  if (NONE.test(traceId!) || NONE.test(spanId!)) return null;
  const bits = parseInt(flags!, 16);
  return {
    traceId: traceId!,
    spanId: spanId!,
    isSampled: (bits & SAMPLED) !== 0,
    isRandom: (bits & RANDOM) !== 0,
    state: tracestate === null ? "" : parseTraceState(tracestate) ?? "",
  };
}

/** A `tracestate` value in one spelling: no empty members, no space around them; `null` where it breaks the grammar. */
export function parseTraceState(value: string): string | null {
  if (value.length > MAX_STATE_LENGTH) return null;
  const members = value.split(",").map((member) => member.replaceAll(/^[ \t]+|[ \t]+$/g, "")).filter((member) =>
    member !== ""
  );
  if (members.length > MAX_MEMBERS) return null;
  const keys = new Set<string>();
  for (const member of members) {
    const at = member.indexOf("=");
    const key = member.slice(0, Math.max(0, at));
    if (!MEMBER_KEY.test(key) || !MEMBER_VALUE.test(member.slice(at + 1)) || keys.has(key)) return null;
    keys.add(key);
  }
  return members.join(",");
}

/** The `traceparent` value of version 00. */
export function formatTraceparent({ traceId, spanId, isSampled, isRandom }: Omit<TraceContext, "state">): string {
  const flags = (isSampled ? SAMPLED : 0) | (isRandom ? RANDOM : 0);
  return `00-${traceId}-${spanId}-0${flags}`;
}
