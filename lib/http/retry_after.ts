import { parseHttpDate } from "./http_date.ts";

/** Milliseconds from `nowMs` that a `Retry-After` asks to wait (RFC 9110 §10.2.3); `null` where it is missing or unreadable. */
export function retryAfterMs(value: string | null, nowMs: number): number | null {
  if (value === null) return null;
  const text = value.trim();
  if (/^\d{1,10}$/.test(text)) return Number(text) * 1_000;
  const dateMs = parseHttpDate(text, nowMs);
  return dateMs === null ? null : dateMs - nowMs;
}
