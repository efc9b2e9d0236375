import { createHash } from "node:crypto";
import { hasApiKey, withoutApiKey, withoutPlaceholderKeys } from "./_canonical_query.ts";
import { mediaTypeOf } from "../http/media_range.ts";
import { classifyAuthorization } from "./_credentials.ts";
import type { CredentialCounts } from "../metrics/gateway_metrics.ts";
import { type KeyPlace, KeyPool, placeOf } from "./_key_pool.ts";
import { RATE_CELLS } from "./_shared_rate.ts";
import type { FieldChange } from "./_tmdb_fields.ts";
import { tmdbKeyForm } from "./tmdb_key_form.ts";
import type { CredentialState, Held, Judgement, TypedRequest, TypeOptions } from "./upstream_type.ts";

/** In place of a key's digest: what all keys of the pool have together. */
const ALL_KEYS = "all";

/** An application key as it is put into requests. */
interface AppKey {
  readonly place: "query" | "authorization";
  /** Query pair or field value. */
  readonly text: string;
  /** The key alone, as it is written there. */
  readonly secret: string;
}

const NO_AUTHORIZATION: FieldChange = ["authorization", null];

/** What is made of a 401, by whose fault it is; the client gets to see it where no other key is left. */
const REFUSALS: Readonly<Record<ReturnType<KeyPool["refused"]>, Judgement>> = {
  key: "credential",
  "no other": "ok",
  host: "refusing",
  unknown: "disputed",
};

/** What a request is, as far as its key matters. */
export interface KeyUse {
  /** The response may be shared: any key will do. */
  readonly shared: boolean;
  /** A 401 would speak of the key alone. */
  readonly provesKey: boolean;
}

/** A request with its key. */
export interface Keyed {
  /** Raw query without `?`. */
  readonly query: string;
  readonly change: FieldChange | null;
  /** The key's ticket, and in the lowest bit whether a 401 counts against it; `null` where the client's own went along. */
  readonly credential: number | null;
  /** The key that was put in. */
  readonly secret?: string;
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
    // A key that was not used yet is counted all the same.
    for (let place = 1; place <= keys.length; place++) this.#countsOf(place);
  }

  /** How the keys stand, by their place in the configuration. */
  get states(): readonly CredentialState[] {
    return this.#pool.states();
  }

  /** The query and the field of a request with a key in it. Beside keys no byte of the query changes. */
  put(request: TypedRequest, { shared, provesKey }: KeyUse): Keyed | Held {
    // A session belongs to the key that it was made with, so requests of users all go out with one key.
    const ticket = this.#needsKey(request) ? this.#pool.take(!shared) : null;
    if (ticket === null) return this.#putNone(request);
    if (typeof ticket !== "number") return ticket;
    this.#count(ticket, "requests");
    const credential = ticket * 2 + (provesKey ? 1 : 0);
    const query = withoutApiKey(request.query);
    const key = this.#keys[placeOf(ticket)]!;
    const { secret } = key;
    if (key.place === "authorization") return { query, change: ["authorization", key.text], credential, secret };
    const change = this.#mode === "replace" ? NO_AUTHORIZATION : withoutPlaceholder(request);
    return { query: query === "" ? key.text : `${query}&${key.text}`, change, credential, secret };
  }

  /** A client's own credential goes as it is; what only stands for one beside it does not, where the pool has keys. */
  #putNone(request: TypedRequest): Keyed {
    if (this.#keys.length === 0) return { query: request.query, change: null, credential: null };
    return { query: withoutPlaceholderKeys(request.query), change: withoutPlaceholder(request), credential: null };
  }

  /** The upstream answered 429. Says whether another key is worth a try. */
  limited(credential: number, retryAfter: string | null): boolean {
    this.#count(credential >> 1, "limited");
    return this.#pool.limited(credential >> 1, retryAfter);
  }

  /**
   * The upstream answered 401. Says what to make of it. Where a session may be what was missing, the answer says nothing about the
   * key: else anybody could have all keys ejected.
   */
  refused(credential: number, place: KeyPlace | null = null): Judgement {
    if (!this.isProof(credential)) return "ok";
    this.#count(credential >> 1, "refused");
    return REFUSALS[this.#pool.refused(credential >> 1, place)];
  }

  /** Whether a 401 would speak of the key alone: the request had nothing else that could be refused. */
  isProof(credential: number): boolean {
    return (credential & 1) === 1;
  }

  /** The upstream took the key. */
  accepted(credential: number, upstream: string | null = null): void {
    this.#pool.accepted(credential >> 1, upstream);
  }

  #count(ticket: number, what: keyof CredentialCounts): void {
    const counts = this.#countsOf(placeOf(ticket) + 1);
    if (counts !== undefined) counts[what]++;
  }

  /** Whether a key of the client's own may stand in the body, so that none of ours is to be put beside it. */
  mayComeInBody(request: TypedRequest): boolean {
    return this.#mode !== "replace" && isJson(request.header("content-type")) && this.#needsKey(request);
  }

  #needsKey(request: TypedRequest): boolean {
    if (this.#keys.length === 0) return false;
    const bearer = classifyAuthorization(request.header("authorization"));
    // No key stands in for a user's own token, and a user's token needs none beside it.
    if (bearer === "user") return false;
    if (this.#mode === "replace") return true;
    return bearer !== "app" && !hasApiKey(request.query) && !holdsApiKey(request.bodyText ?? "");
  }
}

/** Takes out a field that gives no credential. */
function withoutPlaceholder(request: TypedRequest): FieldChange | null {
  return classifyAuthorization(request.header("authorization")) === "placeholder" ? NO_AUTHORIZATION : null;
}

function isJson(contentType: string | null): boolean {
  return mediaTypeOf(contentType) === "application/json";
}

/** Whether a JSON object brings a key: some clients put theirs, with the session made with it, into what they write. */
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

/** What a key is known by among workers. */
function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
