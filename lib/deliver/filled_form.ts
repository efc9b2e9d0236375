import { KEY_SEPARATOR } from "../cache/key.ts";
import { ageMs, ageSeconds, ttlMs, ttlSeconds } from "../cache/policy/reuse.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import { speaksToCaches } from "../field_rights.ts";
import { withDetail } from "../http/cache_status.ts";
import { type Fields, fieldValue } from "../http/fields.ts";
import { splitList } from "../http/list.ts";
import type { StoredAnswer } from "../request/answer.ts";
import type { Exchange } from "../request/exchange.ts";
import type { Filled } from "../request/snapshot.ts";
import { tagOf } from "./client_fields.ts";
import { withoutContentFields } from "./document.ts";

/** What a filled document is made of. */
export interface Mixture {
  /** The filled document's bytes. */
  readonly document: Uint8Array<ArrayBuffer>;
  /** The stored responses that texts come from. */
  readonly parts: readonly StoredResponse[];
  readonly nowMs: number;
}

/**
 * A response with a filled document: with a key and an entity tag of its own, the tags of all that it is made of, and the lifetime of
 * whichever ends first. It is counted from the response's own date, so that `Age` stays true.
 */
export function filledForm(stored: StoredResponse, { document, parts, nowMs }: Mixture): StoredResponse {
  const leftMs = Math.min(...[stored, ...parts].map((one) => ttlMs(one, nowMs)));
  const isShorter = leftMs < ttlMs(stored, nowMs);
  const lifetimeMs = isShorter ? Math.max(0, ageMs(stored, nowMs) + leftMs) : stored.freshness.lifetimeMs;
  const fields = withoutContentFields(stored.fields);
  fields.push(["etag", tagOf(document)]);
  return stored.with({
    key: `${stored.key}${KEY_SEPARATOR}~filled`,
    fields: isShorter ? withLifetime(fields, lifetimeMs) : fields,
    body: document,
    freshness: { ...stored.freshness, lifetimeMs },
    tags: [...new Set([stored, ...parts].flatMap(({ tags }) => tags))].sort(),
    isUndated: true,
    isPurged: stored.isPurged || parts.some(({ isPurged }) => isPurged),
  });
}

/** How long a client may use a document that could not be filled yet. */
const UNFILLED_MS = 60_000;

const NO_TIERS = { memory: false, disk: false };

/** A response whose document could not be filled, or not in full, for a minute at most: the next request may get the rest. */
export function unfilledForm(stored: StoredResponse, nowMs: number): StoredResponse {
  const leftMs = Math.min(ttlMs(stored, nowMs), UNFILLED_MS);
  const lifetimeMs = Math.max(0, ageMs(stored, nowMs) + leftMs);
  return stored.with({
    fields: withLifetime(stored.fields, lifetimeMs),
    freshness: { ...stored.freshness, lifetimeMs },
    isUndated: true,
    tiers: NO_TIERS,
  });
}

/** An answer with a filled response in its place, and a note that says what was filled, or why nothing was. */
export function filledAnswer({ services }: Exchange, answer: StoredAnswer, { response, detail }: Filled): StoredAnswer {
  const nowMs = services.clock.now();
  // Time may have gone by since the note was made, while parts were waited for.
  const age = answer.note.ageSeconds === null ? null : ageSeconds(response, nowMs);
  const note = { ...answer.note, ageSeconds: age };
  if (detail === null) return { ...answer, note };
  const seconds = ttlSeconds(response, nowMs);
  const isShorter = note.ttlSeconds != null && seconds < note.ttlSeconds;
  const status = withDetail(note.status, detail, isShorter ? seconds : null);
  return { ...answer, response, note: { ...note, status, detail, ttlSeconds: isShorter ? seconds : note.ttlSeconds } };
}

const MAX_DIRECTIVES = 64;
const LIFETIME = /^(max-age|s-maxage)\s*=\s*"?(\d+)"?$/i;

/** Fields that give a response so long at most, from its own date on (RFC 9111 §5.2.2.1). */
function withLifetime(fields: Readonly<Fields>, lifetimeMs: number): Fields {
  const seconds = Math.floor(lifetimeMs / 1000);
  const directives = splitList(fieldValue(fields, "cache-control") ?? "", MAX_DIRECTIVES).map((directive) => {
    const [, name, given] = LIFETIME.exec(directive) ?? [];
    return name === undefined ? directive : `${name.toLowerCase()}=${Math.min(Number(given), seconds)}`;
  });
  if (!directives.some((directive) => directive.startsWith("max-age="))) directives.push(`max-age=${seconds}`);
  const kept = fields.filter(([name]) => !speaksToCaches(name));
  kept.push(["cache-control", directives.join(", ")]);
  return kept;
}
