import type { AuthConfig, CorsConfig } from "./access_config.ts";
import { cleanApiKey } from "./api_keys.ts";
import { tokenHash } from "./client_token.ts";
import type { FileValues } from "./schema.ts";

type ListenerValues = FileValues["listeners"][number];

/** Who may use a listener; `null` lets anybody. The tokens are hashed here and go no further. */
export function buildAuth({ auth }: ListenerValues): AuthConfig | null {
  if (auth === undefined) return null;
  const tokens = Object.entries(auth.tokens).flatMap(([client, pasted]) =>
    pasted.map(cleanApiKey).filter((token) => token !== "").map((token) => ({ client, sha256: tokenHash(token) }))
  );
  return {
    tokens,
    header: auth.header.toLowerCase(),
    bearer: auth.bearer,
    query: [...new Set(auth.query)],
    path: auth.path,
    maxFailures: auth.max_failures,
    sharedCaches: auth.shared_caches,
  };
}

/** Which pages may read a listener's responses; `null` is the type's default. */
export function buildCors({ cors }: ListenerValues): CorsConfig | null {
  if (cors === undefined) return null;
  if (cors.mode === "pass") return { mode: "pass" };
  return {
    mode: "own",
    origins: cors.mode === "off" ? [] : [...new Set(cors.origins)],
    methods: [...new Set(cors.methods)],
    requestFields: cors.request_fields ?? null,
    expose: [...new Set(cors.expose)],
    credentials: cors.credentials,
    maxAgeSeconds: Math.floor(cors.max_age / 1000),
    privateNetwork: cors.private_network,
  };
}
