import { z } from "zod";
import { type ClientAuthOptions, MAX_TOKEN_LENGTH, MIN_TOKEN_LENGTH, tokenHash } from "../request/client_auth.ts";
import { cleanApiKey } from "./api_keys.ts";
import { anyText, fieldName } from "./http_scalars.ts";
import type { ListenerContext } from "./listener_context.ts";
import type { Path } from "./yaml/located.ts";
import type { Problems } from "./yaml/problems.ts";
import { flag, integer, name, text } from "./yaml/scalars.ts";
import { asMapping, distinct, list, oneOrMany, section } from "./yaml/section.ts";

/** Clients that a listener may tell apart; each has a line in the metrics. */
const MAX_CLIENTS = 200;

/** Different characters that a token has at least; random ones have more. */
const MIN_DIFFERENT = 6;

/**
 * What is wrong with a client's token, as `expected …`; `null` where nothing is. Its characters need no escape in a path, a query
 * or a field (RFC 3986 §2.3).
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { tokenProblem } from "./access.ts";
 *
 * assert.equal(tokenProblem("5f3c9a1e7b2d4068aa51c0de93b7f642"), null);
 * assert.match(tokenProblem("secret") ?? "", /16 to 256/);
 * assert.match(tokenProblem("12341234123412341234") ?? "", /random/);
 * ```
 */
export function tokenProblem(token: string): string | null {
  const isLong = token.length >= MIN_TOKEN_LENGTH && token.length <= MAX_TOKEN_LENGTH;
  if (!isLong || !/^[A-Za-z0-9._~-]+$/.test(token)) {
    return `a token of ${MIN_TOKEN_LENGTH} to ${MAX_TOKEN_LENGTH} letters, digits, - . _ and ~, ` +
      "such as `openssl rand -hex 16` prints";
  }
  if (new Set(token).size < MIN_DIFFERENT || /^(.+?)\1+$/.test(token)) {
    return "a random token, such as `openssl rand -hex 16` prints: this one is easily guessed";
  }
  return null;
}

function parameterName() {
  const pattern = /^[A-Za-z0-9._~-]+$/;
  return text({
    title: "parameter",
    pattern,
    maxLength: 64,
    expected: "a parameter's name of letters, digits, - . _ ~",
  });
}

const authSection = section({
  tokens: asMapping(
    z.record(name("client's name"), oneOrMany(anyText("token", 4096, "a token"), 8), {
      error: "a mapping of client names and tokens",
    })
      .refine((tokens) => Object.keys(tokens).length <= MAX_CLIENTS, { error: `at most ${MAX_CLIENTS} clients` }),
  )
    .describe(
      "Each client's name (it stands in the log and the metrics) and its token, or several while one takes another's " +
        "place: 16 to 256 letters, digits, `-`, `.`, `_`, `~`.",
    ),
  header: fieldName().prefault("X-Usher-Token").describe("Field that carries a token; no upstream ever gets it."),
  bearer: flag().prefault(true).describe("A token may come as `Authorization: Bearer`."),
  query: list(parameterName(), 8).prefault(["usher_token", "api_key"]).describe(
    "Query parameters that may carry a token, for clients that can set nothing but a key.",
  ),
  path: flag().prefault(true).describe(
    "A token may stand before the path, as in `/~TOKEN/3/movie/550`, for clients that can set nothing but an address.",
  ),
  max_failures: integer(1, 10_000).prefault(20).describe(
    "Different wrong tokens that one client address may try in a minute; then it gets 429, whatever it shows.",
  ),
  shared_caches: flag().prefault(false).describe(
    "Let caches in front keep responses, which then serve them without a token; by default all say `private`.",
  ),
});

/** Key of a listener that says who may use it. */
export const authKey = asMapping(authSection).optional().describe(
  "Closes the listener to all but clients with a token; default: anybody may use it. See docs/access.md.",
);

/** `auth:` of a listener. */
type AuthValues = z.output<typeof authSection>;

/** Fields that mean something else already: they would be taken out with the token, or come from somebody else. */
const TAKEN_FIELDS: ReadonlySet<string> = new Set([
  ...["authorization", "proxy-authorization", "cookie", "host", "origin", "referer", "range", "user-agent"],
  ...[
    "connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "content-type",
    "accept",
    "accept-encoding",
  ],
  ...["via", "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-request-id"],
]);

/** Checks who may use a listener. */
export function checkAuth(auth: AuthValues | undefined, context: ListenerContext): void {
  const { problems, path } = context;
  const at = [...path, "auth"];
  if (auth === undefined) {
    // With nothing below it, it would leave open what was meant to be closed.
    if (problems.keyPosition(at) === undefined || problems.has(at)) return;
    return problems.expect(at, "a mapping with `tokens`, or no `auth` at all, which lets anybody in", []);
  }
  checkTokens(auth, [...at, "tokens"], context);
  if (!TAKEN_FIELDS.has(auth.header.toLowerCase())) return;
  const hint = auth.header.toLowerCase() === "authorization" ? " (for Authorization there is `bearer`)" : "";
  problems.expect([...at, "header"], `a field that has no meaning of its own${hint}`);
}

function checkTokens(auth: AuthValues, at: Path, { problems, apiKeys }: ListenerContext): void {
  const placed = placedTokens(auth, at, problems);
  if (placed.length === 0 && !problems.has(at)) problems.expect(at, "at least one client with a token");
  const seen = new Map<string, Placed>();
  for (const one of placed) {
    const problem = tokenProblem(one.token);
    const first = seen.get(one.token);
    if (problem !== null) problems.expect(one.at, problem);
    else if (apiKeys.has(one.token)) problems.expect(one.at, "a token that is not one of a pool's api_keys");
    else if (first !== undefined && first.client !== one.client) {
      problems.expect(one.at, `a token of its own (${first.client} has it too)`);
    }
    if (first === undefined) seen.set(one.token, one);
  }
}

/** A token with its place in the file. */
interface Placed {
  readonly at: Path;
  readonly client: string;
  readonly token: string;
}

function placedTokens(auth: AuthValues, path: Path, problems: Problems): Placed[] {
  return Object.entries(auth.tokens).flatMap(([client, pasted]) => {
    const at = [...path, client];
    const tokens = pasted.map(cleanApiKey);
    if (tokens.every((token) => token === "")) problems.expect(at, "a token, or several");
    return tokens.map((token, index) => ({ at: pasted.length > 1 ? [...at, index] : at, client, token }))
      .filter(({ token }) => token !== "");
  });
}

/** Who may use a listener, before it is known how wrong tokens are counted. */
export interface AuthConfig extends Omit<ClientAuthOptions, "failures"> {
  /** Different wrong tokens that one address may try in a minute. */
  readonly maxFailures: number;
}

/** Who may use a listener; `null` lets anybody. The tokens are hashed here and go no further. */
export function authOf(auth: AuthValues | undefined): AuthConfig | null {
  if (auth === undefined) return null;
  const tokens = Object.entries(auth.tokens).flatMap(([client, pasted]) =>
    pasted.map(cleanApiKey).filter((token) => token !== "").map((token) => ({ client, sha256: tokenHash(token) }))
  );
  return {
    tokens,
    header: auth.header.toLowerCase(),
    bearer: auth.bearer,
    query: distinct(auth.query),
    path: auth.path,
    maxFailures: auth.max_failures,
    sharedCaches: auth.shared_caches,
  };
}
