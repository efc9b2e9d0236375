import { hash } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { RequestFields } from "../http/request_fields.ts";
import { trimSpace } from "../http/list.ts";
import type { Target } from "../http/target.ts";
import type { ClientRate } from "./client_rate.ts";

/** Who may use a listener, and where its clients show their tokens. */
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

/** A request as it came in, as far as it may show a token. */
export interface IdentifiableRequest {
  readonly target: Target;
  readonly fields: RequestFields;
  /** What stood before the path; `null` where nothing did. */
  readonly pathToken: string | null;
}

/** Whose request it is, and what is left of it without its tokens. */
export interface Visitor {
  /** `null` where it showed no valid token. */
  readonly client: string | null;
  readonly target: Target;
  /** Hashes of the wrong tokens that it showed; none where it is let in. */
  readonly wrong: readonly string[];
  /** It showed a token, right or wrong. */
  readonly isShown: boolean;
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
/** Tokens that a request may show; one that shows more is refused. */
const MAX_SHOWN = 8;
/** The usual name of a key at upstreams: only a token is taken out, since it may be the client's own key. */
const KEY_PARAMETER = "api_key";
/** Wrong tokens that are remembered: a client that was forgotten when tokens changed shows one over and over. */
const REMEMBERED = 1_024;
/** The time that `failures` is for: addresses need no look-up for longer after the last wrong token. */
const FAILURE_WINDOW_MS = 60_000;

/** Knows a listener's clients by the hashes of their tokens. */
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

  /** Looks for a token, and takes all of them out: what comes after knows nothing of them. */
  identify({ target, fields, pathToken }: IdentifiableRequest): Visitor {
    const search = new Search(this.#known);
    if (this.path && pathToken !== null) search.show(pathToken);
    const own = fields.header(this.#options.header);
    if (own !== null && own !== "") search.show(trimSpace(own));
    const bearer = this.#options.bearer ? bearerToken(fields.header("authorization")) : null;
    const isBearer = bearer !== null && search.show(bearer);
    const query = this.#withoutTokens(target.query, search);
    const { client, wrong, texts, count } = search;
    // Before the path may stand a token of another listener.
    if (pathToken !== null) texts.push(pathToken);
    fields.hide({ names: isBearer ? this.#hiddenWithBearer : this.#hidden, texts });
    const isAdmitted = client !== null && count <= MAX_SHOWN;
    return {
      client: isAdmitted ? client : null,
      target: query === target.query ? target : { ...target, query },
      wrong: isAdmitted ? [] : wrong,
      isShown: count > 0,
    };
  }

  /** Seconds for which an address that has tried too many wrong tokens gets no answer; 0 where it does. */
  blockedSeconds(address: string, nowMs: number): number {
    if (nowMs - this.#failedAtMs > FAILURE_WINDOW_MS) return 0;
    return this.#options.failures.waitSeconds(address, nowMs);
  }

  /** Takes note of wrong tokens. The same one once more is no guess: it counts once. */
  failed(wrong: readonly string[], address: string, nowMs: number): void {
    for (const sha256 of wrong) {
      if (this.#wrong.get(sha256) === true) continue;
      this.#wrong.set(sha256, true);
      this.#failedAtMs = nowMs;
      this.#options.failures.take(address, () => null, nowMs);
    }
  }

  /** The query without its tokens, and without what repeats a valid one; every other byte stays. */
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
    const isValid = value !== "" && search.show(decoded(value), value);
    return isValid || name !== KEY_PARAMETER;
  }
}

/** The tokens of one request, held against those that are known. */
class Search {
  /** Whose the first valid token is. */
  client: string | null = null;
  /** How many were shown. */
  count = 0;
  /** Hashes of those that are not valid. */
  readonly wrong: string[] = [];
  /** Valid tokens, as they were written. */
  readonly texts: string[] = [];
  readonly #known: readonly KnownToken[];

  constructor(known: readonly KnownToken[]) {
    this.#known = known;
  }

  /** Whether a text is a valid token; `written` is how the request spells it. */
  show(token: string, written = token): boolean {
    if (++this.count > MAX_SHOWN) return false;
    // What is too long is cut: it is wrong either way.
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

/** Whose token has this hash. All are compared in full, so that the time tells nothing of which, or how far, they agree. */
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
