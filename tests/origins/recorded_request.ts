import type { Fields } from "../../lib/http/fields.ts";

/** A request as an origin received it. */
export interface RecordedRequest {
  readonly method: string;
  /** Path and query, byte for byte. */
  readonly target: string;
  readonly fields: Readonly<Fields>;
  readonly body: Uint8Array;
}

/** Requests kept at most; older ones are forgotten so that a load run does not fill the memory. */
const KEPT = 20_000;

/** Adds a request and drops the oldest beyond the limit. */
export function keepRequest(requests: RecordedRequest[], request: RecordedRequest): void {
  requests.push(request);
  if (requests.length > KEPT) requests.splice(0, KEPT / 2);
}

/** How many of `requests` have a target that starts with a text or matches an expression, and a method if given. */
export function countRequests(requests: readonly RecordedRequest[], match: string | RegExp, method?: string): number {
  const matches = (target: string) => typeof match === "string" ? target.startsWith(match) : match.test(target);
  return requests.filter((one) => matches(one.target) && (method === undefined || one.method === method)).length;
}
