import type { TracingConfig } from "../config/tracing.ts";
import { exportRequest } from "../tracing/otlp_json.ts";
import { sendSpans } from "../tracing/send_spans.ts";
import { type Finding, shownMs } from "./finding.ts";

/** Whether the collector takes spans: it is sent a request without any. Nothing where nothing is traced. */
export async function tracingFindings(tracing: TracingConfig | null, timeoutMs: number): Promise<Finding[]> {
  if (tracing === null) return [];
  const { url, headers, resource } = tracing;
  const startedMs = performance.now();
  const outcome = await sendSpans({
    ...{ url, headers, timeoutMs, body: exportRequest({ resource }, []) },
    ...{ tries: 1, pauseMs: 0, maxPauseMs: 0, signal: new AbortController().signal },
  });
  const check = "tracing";
  if (outcome.taken) {
    const took = shownMs(performance.now() - startedMs);
    return [{ check, state: "ok", text: `${url} takes spans, in ${took}`, remedy: null }];
  }
  return [{ check, state: "warn", text: `${url}: ${outcome.problem}`, remedy: remedyFor(outcome.problem) }];
}

function remedyFor(problem: string): string {
  const status = /answered (\d+)$/.exec(problem)?.[1];
  if (status === undefined) {
    return "see that the collector runs there and listens for OTLP/HTTP (port 4318 by default; 4317 is gRPC)";
  }
  if (status === "401" || status === "403") return "see that tracing.headers hold what the collector asks for";
  if (status === "404") return "`/v1/traces` is added to tracing.endpoint: see that it is the collector's base URL";
  if (status === "415") return "the collector has to take JSON over OTLP/HTTP";
  return "look at the collector's own log";
}
