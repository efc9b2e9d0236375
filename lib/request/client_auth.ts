import { LRUCache } from "lru-cache";
import { hash } from "node:crypto";
import { trimSpace } from "../http/list.ts";
import type { RequestFields } from "../http/request_fields.ts";
import type { Target } from "../http/target.ts";
import type { ClientRate } from "./client_rate.ts";

/** The clients of a closed listener, and where in requests their tokens are looked for. */
export interface ClientAuthOptions {
  readonly tokens: readonly {
    readonly client: string;
    /** SHA-256 of the token, in hexadecimal. */
    readonly sha256: string;
  }[];
  /** Field that carries a token, lower case. */
  readonly header: string;
  readonly bearer: boolean;
  /** Query parameters that may carry a token. */
  readonly query: readonly string[];
  /** A token may stand before the path. */
  readonly path: boolean;
  /** Shared caches may keep responses. */
  readonly sharedCaches: boolean;
  /** Different wrong tokens that an address may try. */
  readonly failures: ClientRate;
}

/** The places of a request that may hold a token. */
export interface IdentifiableRequest {
  readonly target: Target;
  readonly fields: RequestFields;
  /** Token before the path; `null` for none. */
  readonly pathToken: string | null;
}

/** The client of a request, and the request without its tokens. */
export interface ClientIdentity {
  /** `null` where the request has no valid token. */
  readonly client: string | null;
  readonly target: Target;
  /** Hashes of the wrong tokens in the request; none where a valid one admits it. */
  readonly wrong: readonly string[];
  /** The request has a token, valid or not. */
  readonly hasToken: boolean;
}

/** A token that is known, by its hash. */
interface KnownToken {
  readonly client: string;
  readonly words: Int32Array;
}

/** Numbers of 32 bits in a SHA-256 hash. */
const HASH_WORDS = 8;
/** Shortest token, in characters: 64 bits where it is hexadecimal. */
export const MIN_TOKEN_LENGTH = 16;
/** Longest token, in characters. */
export const MAX_TOKEN_LENGTH = 256;
/** Tokens that a request may have; one with more is refused. */
const MAX_SHOWN = 8;
/** The usual name of an upstream's key: its value is removed only where it is a token, since it may be the client's own key. */
const KEY_PARAMETER = "api_key";
/** Wrong tokens that are remembered: a client whose token was removed repeats it with each request. */
const REMEMBERED = 1_024;
/** Time after the last wrong token in which addresses are looked up: the window of `failures`. */
const FAILURE_WINDOW_MS = 60_000;

/** Identifies a listener's clients by the hashes of their tokens. */
export class ClientAuth {
  readonly sharedCaches: boolean;
  /** Whether a token may stand before the path. */
  readonly path: boolean;
  /** Value of `WWW-Authenticate` (RFC 9110 §11.6.1). */
  readonly challenge: string;
  readonly #options: ClientAuthOptions;
  readonly #known: readonly KnownToken[];
  readonly #parameters: ReadonlySet<string>;
  readonly #hidden: ReadonlySet<string>;
  readonly #hiddenWithBearer: ReadonlySet<string>;
  readonly #wrong = new LRUCache<string, true>({ max: REMEMBERED });
  #failedAtMs = -Infinity;

  constructor(options: ClientAuthOptions) {
    this.#options = options;
    this.#known = options.tokens.map(({ client, sha256 }) => ({ client, words: wordsOf(sha256) }));
    this.path = options.path;
    this.sharedCaches = options.sharedCaches;
    this.challenge = options.bearer ? 'Bearer realm="usher"' : 'Token realm="usher"';
    this.#parameters = new Set(options.query);
    // A page's address may hold a token.
    this.#hidden = new Set([options.header, "referer"]);
    this.#hiddenWithBearer = new Set([...this.#hidden, "authorization"]);
  }

  /** Identifies the client by its token, and removes all tokens from the request. */
  identify({ target, fields, pathToken }: IdentifiableRequest): ClientIdentity {
    const search = new Search(this.#known);
    if (this.path && pathToken !== null) search.add(pathToken);
    const own = fields.header(this.#options.header);
    if (own !== null && own !== "") search.add(trimSpace(own));
    const bearer = this.#options.bearer ? bearerToken(fields.header("authorization")) : null;
    const isBearer = bearer !== null && search.add(bearer);
    const query = this.#withoutTokens(target.query, search);
    const { client, wrong, texts, count } = search;
    // The token before the path may be one of another listener.
    if (pathToken !== null) texts.push(pathToken);
    fields.hide({ names: isBearer ? this.#hiddenWithBearer : this.#hidden, texts });
    const isAdmitted = client !== null && count <= MAX_SHOWN;
    return {
      client: isAdmitted ? client : null,
      target: query === target.query ? target : { ...target, query },
      wrong: isAdmitted ? [] : wrong,
      hasToken: count > 0,
    };
  }

  /** Seconds for which an address that has tried too many wrong tokens gets no answer; 0 where it does. */
  blockedSeconds(address: string, nowMs: number): number {
    if (nowMs - this.#failedAtMs > FAILURE_WINDOW_MS) return 0;
    return this.#options.failures.waitSeconds(address, nowMs);
  }

  /** Counts wrong tokens against an address. A repeated one counts once: it is no guess. */
  failed(wrong: readonly string[], address: string, nowMs: number): void {
    for (const sha256 of wrong) {
      if (this.#wrong.get(sha256) === true) continue;
      this.#wrong.set(sha256, true);
      this.#failedAtMs = nowMs;
      this.#options.failures.take(address, () => null, nowMs);
    }
  }

  /** The query without tokens, and without parameters that repeat a valid one; every other byte stays. */
  #withoutTokens(query: string, search: Search): string {
    if (query === "") return query;
    const others = query.split("&").filter((pair) => !this.#isToken(pair, search));
    return others.filter((pair) => !search.texts.some((text) => pair.includes(text))).join("&");
  }

  #isToken(pair: string, search: Search): boolean {
    const equals = pair.indexOf("=");
    const name = decoded(equals < 0 ? pair : pair.slice(0, equals));
    if (!this.#parameters.has(name)) return false;
    const value = equals < 0 ? "" : pair.slice(equals + 1);
    const isValid = value !== "" && search.add(decoded(value), value);
    return isValid || name !== KEY_PARAMETER;
  }
}

/** The tokens of one request, compared with the known ones. */
class Search {
  /** Client of the first valid token. */
  client: string | null = null;
  /** Number of tokens. */
  count = 0;
  /** Hashes of those that are not valid. */
  readonly wrong: string[] = [];
  /** Valid tokens, as they were written. */
  readonly texts: string[] = [];
  readonly #known: readonly KnownToken[];

  constructor(known: readonly KnownToken[]) {
    this.#known = known;
  }

  /** Whether a text is a valid token; `written` is its spelling in the request. */
  add(token: string, written = token): boolean {
    if (++this.count > MAX_SHOWN) return false;
    // A longer text is wrong in any case.
    const sha256 = tokenHash(token.slice(0, MAX_TOKEN_LENGTH + 1));
    const client = ownerOf(sha256, this.#known);
    if (client === null) {
      this.wrong.push(sha256);
      return false;
    }
    this.client ??= client;
    this.texts.push(token, ...(written === token ? [] : [written]));
    return true;
  }
}

/** SHA-256 of a token, in hexadecimal. */
export function tokenHash(token: string): string {
  return hash("sha256", token, "hex");
}

/** The client whose token has this hash. All hashes are compared in full, so that the time discloses no match. */
function ownerOf(sha256: string, known: readonly KnownToken[]): string | null {
  const words = wordsOf(sha256);
  let owner: string | null = null;
  for (const token of known) {
    let difference = 0;
    for (let index = 0; index < HASH_WORDS; index++) difference |= words[index]! ^ token.words[index]!;
    if (difference === 0) owner = token.client;
  }
  return owner;
}

/** A hash as numbers of 32 bits, which are compared faster than text. */
function wordsOf(sha256: string): Int32Array {
  return Int32Array.from({ length: HASH_WORDS }, (_, index) => parseInt(sha256.slice(index * 8, index * 8 + 8), 16));
}

function bearerToken(authorization: string | null): string | null {
  return authorization === null ? null : /^Bearer +(\S+)\s*$/i.exec(authorization)?.[1] ?? null;
}

/** A part of a query as a server reads it; one with broken escapes is no token. */
function decoded(text: string): string {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
