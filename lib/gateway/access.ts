import type { ListenerConfig } from "../config/config.ts";
import { ClientAuth } from "../proxy/client_auth.ts";
import { Cors, CORS_DEFAULTS } from "../proxy/cors.ts";
import type { UpstreamType } from "../upstream_type/upstream_type.ts";
import type { Limits } from "./limits.ts";

/** Who may use a listener; `null` where anybody may. */
export function compileAuth({ name, auth }: ListenerConfig, limits: Limits): ClientAuth | null {
  if (auth === null) return null;
  const { maxFailures, ...options } = auth;
  return new ClientAuth({ ...options, failures: limits.wrongTokens(name, maxFailures) });
}

/** Which pages may read a listener's responses; `null` where that is the upstream's to say. */
export function compileCors({ cors }: ListenerConfig, type: UpstreamType): Cors | null {
  if (cors === null) return type.cors === "pass" ? null : new Cors(CORS_DEFAULTS);
  return cors.mode === "pass" ? null : new Cors(cors);
}
