import { createHash } from "node:crypto";

/** What a key is good for at the moment. */
export type KeyState = "ok" | "suspended" | "limited";

/** Who asks: the application, and the user where the request names one. */
export interface Caller {
  readonly key: string;
  /** A session, guest session or user token that this origin knows; `null` for an application alone. */
  readonly user: string | null;
}

/** A v4 token for tests and the demo, shaped like TMDB's (the signature is not one). */
export function demoToken(key: string, scopes: readonly string[], subject = "5d1f"): string {
  const part = (value: unknown) =>
    btoa(JSON.stringify(value)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const claims = { aud: key, nbf: 1700000000, sub: subject, scopes, version: 1 };
  return `${part({ alg: "HS256" })}.${part(claims)}.${createHash("sha256").update(key + subject).digest("base64url")}`;
}

function tokenClaims(token: string): { aud: string; sub: string; scopes: string[] } | null {
  try {
    const claims = JSON.parse(atob(token.split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/")));
    return typeof claims.aud === "string" && Array.isArray(claims.scopes) ? claims : null;
  } catch {
    return null;
  }
}

/** Sessions, ratings and lists that users have made, and who may ask at all. */
export class TmdbAccounts {
  readonly keys: Map<string, KeyState>;
  /** What an answer to a limited key says; tests change it as they go. */
  retryAfterSeconds = 1;
  readonly #sessions: Set<string>;
  readonly #ratings = new Map<string, Map<string, number>>();
  #made = 0;

  constructor(keys: Iterable<string>, sessions: Iterable<string>) {
    this.keys = new Map([...keys].map((key) => [key, "ok"]));
    this.#sessions = new Set(sessions);
  }

  /** Checks the credentials of a request; a number is TMDB's error code. */
  identify(query: URLSearchParams, authorization: string | null): Caller | number {
    const bearer = /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1];
    const claims = bearer === undefined ? null : tokenClaims(bearer);
    if (bearer !== undefined && claims === null) return 7;
    const key = claims?.aud ?? query.get("api_key") ?? "";
    const state = this.keys.get(key);
    if (state === undefined) return 7;
    if (state !== "ok") return state === "suspended" ? 10 : 25;
    const session = query.get("session_id") ?? query.get("guest_session_id");
    if (session !== null) return this.#sessions.has(session) ? { key, user: session } : 3;
    const writes = claims !== null && claims.scopes.some((scope) => scope !== "api_read");
    return { key, user: writes ? claims.sub : null };
  }

  /** A new token or session: another one each time, which is why such a GET must never be cached. */
  make(kind: "token" | "session" | "guest"): string {
    const name = createHash("sha256").update(`${kind}:${++this.#made}`).digest("hex").slice(0, 40);
    if (kind !== "token") this.#sessions.add(name);
    return name;
  }

  endSession(session: string): boolean {
    return this.#sessions.delete(session);
  }

  rate(user: string, owner: string, value: number): "new" | "changed" {
    const ratings = this.#ratings.get(user) ?? new Map<string, number>();
    this.#ratings.set(user, ratings);
    const known = ratings.has(owner);
    ratings.set(owner, value);
    return known ? "changed" : "new";
  }

  unrate(user: string, owner: string): boolean {
    return this.#ratings.get(user)?.delete(owner) ?? false;
  }

  rating(user: string, owner: string): number | null {
    return this.#ratings.get(user)?.get(owner) ?? null;
  }

  /** What a user rated, as `movie/550`. */
  rated(user: string): readonly string[] {
    return [...this.#ratings.get(user)?.keys() ?? []];
  }
}
