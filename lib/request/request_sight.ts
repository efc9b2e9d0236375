import { KEY_SEPARATOR } from "../cache/key.ts";
import type { AccessRecord } from "../logging/access_record.ts";
import { redact } from "../logging/redact.ts";
import { type RememberedRequest, RequestMemory } from "../metrics/request_memory.ts";
import { joined, keysBy, type TopKeys, TopTargets } from "../metrics/top_targets.ts";

/** Characters of a target that are remembered. */
const MAX_TARGET = 500;

/** What one worker remembers of its requests: the slowest, those that failed, and the targets that were asked for most. */
export class RequestSight {
  readonly memory = new RequestMemory();
  readonly top: TopTargets;

  constructor(nowMs: number) {
    this.top = new TopTargets(nowMs);
  }

  /** Remembers a request that {@linkcode RequestMemory.wants} to be. */
  remember(record: AccessRecord): void {
    this.memory.add(rememberedOf(record));
  }

  /** The heaviest targets as operators see them: without credentials, and behind the prefixes of listeners that strip it. */
  heaviest(nowMs: number, prefixes: ReadonlyMap<string, string>): TopKeys {
    const top = this.top.heaviest(nowMs);
    return keysBy((measure) =>
      // Keys that differ in what is not shown become one.
      joined([top[measure].map((heavy) => ({ ...heavy, key: shownKey(heavy.key, prefixes) }))])
    );
  }
}

/** Stands between listener and target of a shown key. */
export const TOP_SEPARATOR = " ";

function shownKey(key: string, prefixes: ReadonlyMap<string, string>): string {
  const [listener = "", host = "", target = ""] = key.split(KEY_SEPARATOR);
  const name = /^[\w.:[\]-]+/.exec(host)?.[0] ?? "";
  return `${listener}${TOP_SEPARATOR}${shownTarget(name + (prefixes.get(listener) ?? "") + target)}`;
}

/** A target without credentials, not too long. */
function shownTarget(target: string): string {
  // Before it is cut: what is left of a credential could not be told any more.
  const safe = redact(target);
  return safe.length > MAX_TARGET ? `${safe.slice(0, MAX_TARGET)}…` : safe;
}

function rememberedOf(record: AccessRecord): RememberedRequest {
  const { queueMs = 0, connectMs = 0, firstByteMs = 0, upstreamMs = 0, clientMs = 0 } = record;
  return {
    id: redact(record.id),
    atMs: record.timeMs,
    listener: record.listener,
    method: record.method,
    target: shownTarget(record.target),
    status: record.status,
    termination: record.termination,
    cache: record.cache,
    fwd: record.fwd ?? null,
    upstream: record.upstream ?? null,
    tries: record.tries ?? 0,
    bytes: record.bytes,
    error: record.error ?? null,
    totalMs: record.ms,
    phases: { queueMs, connectMs, firstByteMs, upstreamMs, clientMs },
  };
}
