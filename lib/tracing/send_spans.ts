import { pause } from "../clock.ts";
import { messageOf } from "../errors.ts";
import { retryAfterMs as parseRetryAfter } from "../http/http_date.ts";

/** One request of spans, and how often it is tried. */
export interface SpanRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON of an `ExportTraceServiceRequest`. */
  readonly body: string;
  /** One try. */
  readonly timeoutMs: number;
  readonly tries: number;
  /** First pause between two tries; it doubles. */
  readonly pauseMs: number;
  /** Longest pause, also where the collector asks for a longer one. */
  readonly maxPauseMs: number;
  /** Ends it all. */
  readonly signal: AbortSignal;
}

/** What became of a request; `problem` is in words, without secrets. */
export type ExportOutcome =
  | { readonly taken: true; readonly rejected: number; readonly problem: string | null }
  | { readonly taken: false; readonly problem: string };

/** Statuses after which the same request may be sent again (OTLP/HTTP, "Retryable Response Codes"). */
const RETRYABLE: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/** A longer answer is not read. */
const MAX_ANSWER_BYTES = 64 * 1024;

/** Sends spans, again after a pause where the collector is away or asks for it. */
export async function sendSpans(request: SpanRequest): Promise<ExportOutcome> {
  const { tries, pauseMs, maxPauseMs, signal } = request;
  for (let turn = 1;; turn++) {
    const { outcome, retryAfterMs } = await tryOnce(request);
    if (outcome.taken || retryAfterMs === null || turn === tries || signal.aborted) return outcome;
    // Workers that failed together do not come back together.
    const drawnMs = pauseMs * 2 ** (turn - 1) * (0.5 + Math.random());
    await pause(Math.min(maxPauseMs, Math.max(retryAfterMs, drawnMs)), signal);
    if (signal.aborted) return outcome;
  }
}

/** One try; `retryAfterMs` is `null` where another is of no use, and 0 where the collector names no pause. */
interface Tried {
  readonly outcome: ExportOutcome;
  readonly retryAfterMs: number | null;
}

async function tryOnce({ url, headers, body, timeoutMs, signal }: SpanRequest): Promise<Tried> {
  const ending = new AbortController();
  const end = () => ending.abort();
  const timer = setTimeout(end, timeoutMs);
  signal.addEventListener("abort", end, { once: true });
  if (signal.aborted) end();
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      body,
      // The fields may hold a secret, which another address must not get.
      redirect: "manual",
      signal: ending.signal,
    });
    const answer = await shortText(response);
    if (response.ok) return { outcome: takenBy(answer), retryAfterMs: null };
    const isRetryable = RETRYABLE.has(response.status);
    return {
      outcome: { taken: false, problem: `the collector answered ${response.status}` },
      retryAfterMs: isRetryable ? parseRetryAfter(response.headers.get("retry-after"), Date.now()) ?? 0 : null,
    };
  } catch (error) {
    const problem = ending.signal.aborted && !signal.aborted ? `no answer within ${timeoutMs} ms` : messageOf(error);
    return { outcome: { taken: false, problem }, retryAfterMs: 0 };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
  }
}

async function shortText(response: Response): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    // Leaving the loop cancels the rest.
    if (text.length > MAX_ANSWER_BYTES) return "";
  }
  return text;
}

/** A collector may refuse some of the spans (OTLP/HTTP, "Partial Success"). */
function takenBy(answer: string): ExportOutcome {
  let rejected = 0;
  try {
    rejected = Number(JSON.parse(answer)?.partialSuccess?.rejectedSpans ?? 0);
  } catch {
    // Some collectors answer with nothing, or with other content.
  }
  const isSome = Number.isSafeInteger(rejected) && rejected > 0;
  return {
    taken: true,
    rejected: isSome ? rejected : 0,
    problem: isSome ? "the collector refused some of the spans" : null,
  };
}
