import { LRUCache } from "lru-cache";
import type { ConversionCounts } from "../request/convert_options.ts";
import type { Services } from "../request/services.ts";
import type { Conversion } from "../image/conversion.ts";

/** What a conversion was for. */
export interface Converted {
  /** Key of what it was to make. */
  readonly key: string;
  readonly counts: ConversionCounts;
  readonly made: "done" | "derived";
}

/** What a conversion has failed on, or run out of time with: it rests for a while in this worker. */
const resting = new LRUCache<string, true>({ max: 10_000, ttl: 600_000 });

/** Whether what a key names has failed lately. */
export function isResting(key: string): boolean {
  return resting.size > 0 && resting.has(key);
}

/** Counts a conversion, logs one that failed and lets it rest. */
export function reportConversion(services: Services, { key, counts, made }: Converted, conversion: Conversion): void {
  counts[conversion.kind === "done" ? made : conversion.kind]++;
  if (conversion.kind !== "failed" && conversion.kind !== "timeout") return;
  resting.set(key, true);
  log(services, key, conversion);
}

/** Lines that were not written, since the last one that was: a flood of broken pictures is told in a few lines. */
let silenced = 0;
let nextLineMs = 0;
const LINE_EVERY_MS = 10_000;

function log({ logger }: Services, key: string, { kind, detail }: Exclude<Conversion, { kind: "done" }>): void {
  const nowMs = performance.now();
  if (nowMs < nextLineMs) return void silenced++;
  nextLineMs = nowMs + LINE_EVERY_MS;
  logger.warn("A picture could not be converted: its original is served", {
    key: key.replaceAll("\0", " "),
    result: kind,
    problem: detail,
    more: silenced > 0 ? silenced : undefined,
  });
  silenced = 0;
}
