import type { Fields } from "../http/fields.ts";

/** A check as it goes on the wire. */
export interface CheckRequest {
  readonly method: string;
  readonly target: string;
  readonly fields: Readonly<Fields>;
  readonly body: null;
}

/** Limits of a check: its whole time, for each step. */
export interface CheckSendOptions {
  readonly deadlines: { readonly connectMs: number; readonly firstByteMs: number; readonly idleMs: number };
  readonly signal: AbortSignal;
}

/** The part of a response that a check reads. */
export interface CheckResponse {
  readonly status: number;
  readonly fields: Fields;
  readonly body: { read(): Promise<Uint8Array | null>; cancel(): void };
}

/** How a check reaches its upstream: the needed part of the upstream client's transport. */
export interface CheckTransport {
  send(request: CheckRequest, options: CheckSendOptions): Promise<CheckResponse>;
}

/** Result of a check: the host is well, is not, or is well and refused the credential. */
export type Verdict = "pass" | "fail" | "credential";

/** One upstream's active check. */
export interface CheckSpec {
  /** A safe one: `GET`, `HEAD` or `OPTIONS`. */
  readonly method: string;
  /** Path and query, as sent. */
  readonly target: string;
  /** With `host`. */
  readonly fields: Readonly<Fields>;
  /** Status ranges that pass, both ends included. */
  readonly status: ReadonlyArray<readonly [from: number, to: number]>;
  /** Text that the body's first 64 KiB must contain; `null` takes any. */
  readonly contains: string | null;
  readonly intervalMs: number;
  /** Interval while the upstream is not healthy. */
  readonly unhealthyIntervalMs: number;
  /** For the whole check, body included. */
  readonly timeoutMs: number;
  /** Good checks in a row that bring it back. */
  readonly rise: number;
  /** Failed checks in a row that take it out. */
  readonly fall: number;
  /** Decides in place of `status` and `contains`. `bodyText` is empty for HEAD, and ends after 64 KiB. */
  readonly judge?: (status: number, fields: Readonly<Fields>, bodyText: string) => Verdict;
}

/** Result of one check, with its time and reason. */
export interface CheckResult {
  readonly verdict: Verdict;
  /** Why it did not pass; empty where it did. */
  readonly reason: string;
  /** Until the response's field section; the whole time where there was none. */
  readonly latencyMs: number;
}

/** Schedules a call; returns a function that cancels it. */
export type Schedule = (call: () => void, delayMs: number) => () => void;

/** Dependencies of a check. */
export interface CheckDeps {
  readonly now: () => number;
  readonly schedule: Schedule;
}

/** Most bytes that are read of a check's body. */
const BODY_LIMIT_BYTES = 64 * 1024;

const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * Refuses a check that might change something at the upstream.
 *
 * @throws {RangeError} its method is not a safe one (RFC 9110 §9.2.1)
 */
export function assertSafeCheck(spec: CheckSpec): void {
  if (SAFE_METHODS.has(spec.method)) return;
  throw new RangeError(`Cannot check upstream: method must be GET, HEAD or OPTIONS: received "${spec.method}"`);
}

/** Runs one check; never throws. */
export async function runCheck(spec: CheckSpec, transport: CheckTransport, deps: CheckDeps): Promise<CheckResult> {
  const abort = new AbortController();
  const startMs = deps.now();
  let late = false;
  const disarm = deps.schedule(() => {
    late = true;
    abort.abort();
  }, spec.timeoutMs);
  try {
    return await check(spec, transport, { startMs, now: deps.now, signal: abort.signal });
  } catch (error) {
    const reason = late ? `no answer within ${spec.timeoutMs} ms` : describe(error);
    return { verdict: "fail", reason, latencyMs: deps.now() - startMs };
  } finally {
    disarm();
  }
}

interface Attempt {
  readonly startMs: number;
  readonly now: () => number;
  readonly signal: AbortSignal;
}

async function check(spec: CheckSpec, transport: CheckTransport, attempt: Attempt): Promise<CheckResult> {
  const { method, target, fields, timeoutMs } = spec;
  const deadlines = { connectMs: timeoutMs, firstByteMs: timeoutMs, idleMs: timeoutMs };
  const response = await transport.send({ method, target, fields, body: null }, { deadlines, signal: attempt.signal });
  const latencyMs = attempt.now() - attempt.startMs;
  const text = await readText(response.body);
  if (spec.judge !== undefined) {
    const verdict = spec.judge(response.status, response.fields, text);
    return { verdict, reason: verdict === "pass" ? "" : `status ${response.status}`, latencyMs };
  }
  const reason = fault(spec, response.status, text);
  return { verdict: reason === "" ? "pass" : "fail", reason, latencyMs };
}

/** Reason why an answer fails; empty where it passes. */
function fault(spec: CheckSpec, status: number, text: string): string {
  if (!spec.status.some(([from, to]) => status >= from && status <= to)) return `status ${status}`;
  if (spec.contains !== null && !text.includes(spec.contains)) return "the body lacks the expected text";
  return "";
}

/** The body up to the limit. It is read even where it is not looked at, so that the connection can be used again. */
async function readText(body: CheckResponse["body"]): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let lengthBytes = 0;
  for (let chunk = await body.read(); chunk !== null; chunk = await body.read()) {
    const rest = chunk.subarray(0, BODY_LIMIT_BYTES - lengthBytes);
    text += decoder.decode(rest, { stream: true });
    lengthBytes += chunk.length;
    if (lengthBytes < BODY_LIMIT_BYTES) continue;
    body.cancel();
    break;
  }
  return text + decoder.decode();
}

/** The `kind` of a transport's failure, else the error's name: its message may hold secrets. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return "unknown error";
  return "kind" in error && typeof error.kind === "string" ? error.kind.replaceAll("_", " ") : error.name;
}
