/** Why a request goes to an upstream (RFC 9211 §2.2). */
export const FORWARD_REASONS = [
  "bypass",
  "method",
  "uri-miss",
  "vary-miss",
  "miss",
  "request",
  "stale",
  "partial",
] as const;

/** One of {@linkcode FORWARD_REASONS}. */
export type ForwardReason = typeof FORWARD_REASONS[number];
