import { bodyOf } from "./scenarios.ts";

/** What became of the requests of one scenario. */
export interface Measured {
  readonly sent: number;
  /** Answers other than 200 with the right body, and requests without an answer. */
  readonly failures: readonly string[];
  /** Connections that were aborted in the body. */
  readonly aborted: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** One row of the table of faults. */
export interface ChaosRow extends Measured {
  /** What was wrong with one of the upstreams. */
  readonly name: string;
  /** Tries beyond one a request, as a share of the requests. */
  readonly extraTries: number;
}

/** A load with a bounded number of connections and a bounded rate. */
export interface LoadOptions {
  readonly url: string;
  /** First part of every target. */
  readonly prefix: string;
  readonly connections: number;
  readonly pauseMs: number;
  readonly untilMs: number;
}

/** Asks for another target each time until the time is up. Every request is counted, and so is every answer. */
export async function measureLoad(options: LoadOptions): Promise<Measured> {
  const failures: string[] = [];
  const timesMs: number[] = [];
  let sent = 0;
  let aborted = 0;
  const one = async (target: string) => {
    const startedAtMs = performance.now();
    const verdict = await ask(options.url, target);
    timesMs.push(performance.now() - startedAtMs);
    if (verdict === "aborted") aborted++;
    else if (verdict !== "good") failures.push(`${target}: ${verdict}`);
  };
  const worker = async () => {
    while (performance.now() < options.untilMs) {
      await one(`${options.prefix}/${sent++}`);
      await new Promise((resolve) => setTimeout(resolve, options.pauseMs));
    }
  };
  await Promise.all(Array.from({ length: options.connections }, worker));
  timesMs.sort((a, b) => a - b);
  return { sent, failures, aborted, p50Ms: quantile(timesMs, 0.5), p99Ms: quantile(timesMs, 0.99) };
}

async function ask(url: string, target: string): Promise<string> {
  let response: Response;
  try {
    response = await fetch(url + target);
  } catch (error) {
    return String(error);
  }
  try {
    const text = await response.text();
    if (response.status !== 200) return `${response.status} ${text.slice(0, 200)}`;
    return text === bodyOf(target) ? "good" : `200 with ${text.length} bytes of another body`;
  } catch {
    return "aborted";
  }
}

/** The value below which a share of sorted values lies. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
