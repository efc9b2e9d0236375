import { createHash } from "node:crypto";
import { hasApiKey, withoutApiKey, withoutPlaceholderKeys } from "./_canonical_query.ts";
import { mediaTypeOf } from "../http/media_range.ts";
import { classifyAuthorization } from "./_credentials.ts";
import type { CredentialCounts } from "../metrics/gateway_metrics.ts";
import { type KeyPlace, KeyPool, placeOf } from "./_key_pool.ts";
import { RATE_CELLS } from "./_shared_rate.ts";
import { tmdbKeyForm } from "./_credentials.ts";
import type {
  CredentialState,
  FieldChange,
  Judgement,
  KeyWait,
  Outgoing,
  TypedRequest,
  TypeOptions,
} from "./upstream_type.ts";

/** Digest under which the rate of all keys of a pool together is kept. */
const ALL_KEYS = "all";

/** An application key in the form that requests carry. */
interface AppKey {
  readonly place: "query" | "authorization";
  /** Query pair or field value. */
  readonly text: string;
  /** The key alone, encoded as in `text`. */
  readonly secret: string;
}

const NO_AUTHORIZATION: readonly FieldChange[] = [["authorization", null]];

/** Judgement of a 401 by its cause. The client gets the 401 where no other key is left. */
const REFUSALS: Readonly<Record<ReturnType<KeyPool["refused"]>, Judgement>> = {
  key: "credential",
  "no other": "ok",
  host: "refusing",
  unknown: "disputed",
};

/** Properties of a request that decide which key it gets. */
export interface KeyUse {
  /** The response may be shared: any key will do. */
  readonly shared: boolean;
  /** A 401 would speak of the key alone. */
  readonly provesKey: boolean;
}

/** Puts a pool's keys into requests, as its `key_mode` says, and learns from the answers which of them are good. */
export class AppKeys {
  readonly #mode: TypeOptions["keyMode"];
  readonly #keys: readonly AppKey[];
  readonly #pool: KeyPool;
  readonly #countsOf: (place: number) => CredentialCounts | undefined;

  constructor({ apiKeys, keyMode, now, onKeyEvent, credentials = {} }: TypeOptions) {
    const { cellsOf, countsOf, limits, holds, upstreams } = credentials;
    const keys = keyMode === "pass" ? [] : apiKeys.map(appKey);
    this.#mode = keyMode;
    this.#keys = keys;
    this.#countsOf = countsOf ?? (() => undefined);
    this.#pool = new KeyPool({
      ...{ count: keys.length, now, onEvent: onKeyEvent, limits, holds, upstreams },
      poolCells: limits?.per === "pool" ? cellsOf?.(ALL_KEYS) ?? new Int32Array(RATE_CELLS) : null,
      ...(cellsOf === undefined ? {} : { cellsOf: (index) => cellsOf(digest(keys[index]!.text)) }),
    });
    // Unused keys have counters too.
    for (let place = 1; place <= keys.length; place++) this.#countsOf(place);
  }

  /** States of the keys, in the order of the configuration. */
  get states(): readonly CredentialState[] {
    return this.#pool.states();
  }

  /**
   * Adds a key to a request; every other byte of the query stays. Its `credential` is the key's ticket times two, plus one where a
   * 401 counts against the key; `null` where the client's own key is sent.
   */
  put(request: TypedRequest, { shared, provesKey }: KeyUse): Outgoing | KeyWait {
    // A session belongs to the key that it was made with, so requests of users all go out with one key.
    const ticket = this.#needsKey(request) ? this.#pool.take(!shared) : null;
    if (ticket === null) return this.#putNone(request);
    if (typeof ticket !== "number") return ticket;
    this.#count(ticket, "requests");
    const credential = ticket * 2 + (provesKey ? 1 : 0);
    const query = withoutApiKey(request.query);
    const key = this.#keys[placeOf(ticket)]!;
    const { secret } = key;
    if (key.place === "authorization") return { query, set: [["authorization", key.text]], credential, secret };
    const set = this.#mode === "replace" ? NO_AUTHORIZATION : withoutPlaceholder(request);
    return { query: query === "" ? key.text : `${query}&${key.text}`, set, credential, secret };
  }

  /** The client's own credential is sent unchanged. Placeholders beside it are removed where the pool has keys. */
  #putNone(request: TypedRequest): Outgoing {
    if (this.#keys.length === 0) return { query: request.query, set: [], credential: null };
    return { query: withoutPlaceholderKeys(request.query), set: withoutPlaceholder(request), credential: null };
  }

  /** Records a 429. Returns whether another key may be tried. */
  limited(credential: number, retryAfter: string | null): boolean {
    this.#count(credential >> 1, "limited");
    return this.#pool.limited(credential >> 1, retryAfter);
  }

  /**
   * Records a 401 and judges it. Where a missing session may be the cause, the 401 says nothing of the key: else any client could
   * have all keys ejected.
   */
  refused(credential: number, place: KeyPlace | null = null): Judgement {
    if (!this.isProof(credential)) return "ok";
    this.#count(credential >> 1, "refused");
    return REFUSALS[this.#pool.refused(credential >> 1, place)];
  }

  /** Whether a 401 can only be about the key: the request had nothing else that could be refused. */
  isProof(credential: number): boolean {
    return (credential & 1) === 1;
  }

  /** Records that the upstream accepted the key. */
  accepted(credential: number, upstream: string | null = null): void {
    this.#pool.accepted(credential >> 1, upstream);
  }

  #count(ticket: number, what: keyof CredentialCounts): void {
    const counts = this.#countsOf(placeOf(ticket) + 1);
    if (counts !== undefined) counts[what]++;
  }

  /** Whether the body may hold the client's own key, so that none of the pool's is added. */
  mayComeInBody(request: TypedRequest): boolean {
    const isJson = mediaTypeOf(request.header("content-type")) === "application/json";
    return this.#mode !== "replace" && isJson && this.#needsKey(request);
  }

  #needsKey(request: TypedRequest): boolean {
    if (this.#keys.length === 0) return false;
    const bearer = classifyAuthorization(request.header("authorization"));
    // The pool's key neither replaces a user's token nor accompanies one.
    if (bearer === "user") return false;
    if (this.#mode === "replace") return true;
    return bearer !== "app" && !hasApiKey(request.query) && !holdsApiKey(request.bodyText ?? "");
  }
}

/** Removes an `Authorization` field that is a placeholder. */
function withoutPlaceholder(request: TypedRequest): readonly FieldChange[] {
  return classifyAuthorization(request.header("authorization")) === "placeholder" ? NO_AUTHORIZATION : [];
}

/** Whether a JSON object has a key: some clients put theirs into the body beside the session. */
function holdsApiKey(body: string): boolean {
  if (!body.includes("api_key")) return false;
  try {
    const { api_key: key } = JSON.parse(body) ?? {};
    return typeof key === "string" && tmdbKeyForm.isKey(key);
  } catch {
    return false;
  }
}

/** Clients and operators paste keys with spaces and invisible characters. */
function appKey(pasted: string): AppKey {
  const key = pasted.replaceAll(/[\p{Cf}\p{Cc}\s]/gu, "");
  if (key.split(".").length === 3) return { place: "authorization", text: `Bearer ${key}`, secret: key };
  const secret = encodeURIComponent(key);
  return { place: "query", text: `api_key=${secret}`, secret };
}

/** Name of a key in shared memory. */
function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
