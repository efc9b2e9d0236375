import type { Config } from "../config/config.ts";
import type { ListenerConfig } from "../config/listener.ts";
import { ClientAuth, MIN_TOKEN_LENGTH, tokenHash } from "../request/client_auth.ts";
import { Cors, CORS_DEFAULTS } from "../request/cors.ts";
import type { Tenant } from "../request/snapshot.ts";
import type { UpstreamType } from "../upstream_type/upstream_type.ts";
import type { Limits } from "./limits.ts";

/** Who may use a listener; `null` where anybody may. */
export function compileAuth({ name, auth }: ListenerConfig, limits: Limits): ClientAuth | null {
  if (auth === null) return null;
  const { maxFailures, ...options } = auth;
  return new ClientAuth({ ...options, failures: limits.wrongTokens(name, maxFailures) });
}

/** What stands before and after a token in a field's value, and never in one. */
const AROUND_TOKENS = /[\s,/?&=#]+/;

/**
 * Whether a request's field carries a token of some listener; `null` where there are none. Clients send one field to all that they use
 * of the gateway, and pages their address, and no upstream is to get a token from an open listener either.
 */
export function tokenFields({ listeners }: Config): Tenant["isToken"] {
  const known = new Map<string, Set<string>>();
  for (const { auth } of listeners) {
    if (auth === null) continue;
    for (const name of [auth.header, "referer", ...(auth.bearer ? ["authorization"] : [])]) {
      const hashes = known.get(name) ?? new Set();
      for (const { sha256 } of auth.tokens) hashes.add(sha256);
      known.set(name, hashes);
    }
  }
  if (known.size === 0) return null;
  return (name, value) => {
    const hashes = known.get(name);
    if (hashes === undefined) return false;
    const isKnown = (text: string) => text.length >= MIN_TOKEN_LENGTH && hashes.has(tokenHash(text));
    return value.split(AROUND_TOKENS).some((part) => isKnown(part) || (part.startsWith("~") && isKnown(part.slice(1))));
  };
}

/** Which pages may read a listener's responses; `null` where that is the upstream's to say. */
export function compileCors({ cors }: ListenerConfig, type: UpstreamType): Cors | null {
  if (cors === null) return type.cors === "pass" ? null : new Cors(CORS_DEFAULTS);
  return cors.mode === "pass" ? null : new Cors(cors);
}
