import { decodeBytes } from "./_tmdb_routes.ts";
import type { KeyForm } from "./upstream_type.ts";

/**
 * The kind of an `Authorization` field: none, a text that can be no token (`placeholder`), an application's (a read token), a user
 * (any other bearer token), or something that TMDB does not use (`other`).
 */
export type Bearer = "none" | "placeholder" | "app" | "user" | "other";

const MAX_TOKEN_LENGTH = 4096;
const REMEMBERED = 1024;

/** Kinds of fields seen before. Decoding a token costs more than the rest of a hit. */
const verdicts = new Map<string, Bearer>();

/** Classifies an `Authorization` field. Tokens are decoded, not verified: TMDB verifies them. */
export function classifyAuthorization(authorization: string | null): Bearer {
  if (authorization === null) return "none";
  const known = verdicts.get(authorization);
  if (known !== undefined) return known;
  const verdict = judge(authorization);
  if (authorization.length > MAX_TOKEN_LENGTH) return verdict;
  if (verdicts.size >= REMEMBERED) verdicts.clear();
  verdicts.set(authorization, verdict);
  return verdict;
}

/** Words for nothing, and marks of omitted text. */
const NOTHING = String.raw`null|undefined|none|nil|nan|\[object object\]|x+(?:[.-]x+)*|\*+|-+|(?:ey\w*)?\.{3,}`;
/** Names of the missing value. */
const NAMES = String
  .raw`(?:tmdb[_-]?)?(?:api[_-]?key|(?:api[_-]?)?(?:read[_-]?)?access[_-]?token)|tmdb[_-]?token|placeholder`;
/** Instructions to insert it. */
const REQUESTS =
  String.raw`your[ _.-][\w .-]{1,60}|your(?:api|access|bearer)?(?:key|token)|(?:change|replace)[ _-]?me|` +
  String.raw`(?:add|enter|insert|paste|put)[ _-][\w -]{1,60}[ _-]here`;
/** Variables that were not substituted. */
const UNFILLED = String.raw`<<?[^<>]*>?>|\[[^[\]]*\]|\$?\{\{?[^{}]*\}?\}|\$\w+|%\w+%|process\.env\.\w+`;

/** Placeholders that programs and people without a token send. Any other text is taken for a user's token. */
const PLACEHOLDER = new RegExp(`^(?:bearer\\b *)*["']?(?:${NOTHING}|${NAMES}|${REQUESTS}|${UNFILLED})?["']?$`, "i");

function judge(authorization: string): Bearer {
  const trimmed = authorization.trim();
  if (trimmed === "") return "none";
  if (PLACEHOLDER.test(trimmed)) return "placeholder";
  const token = /^bearer +(\S+)$/i.exec(trimmed)?.[1];
  if (token === undefined) return "other";
  return isReadToken(token) ? "app" : "user";
}

/** Whether a text is a JSON web token of an application that may only read: an `aud`, and `api_read` as its only scope. */
export function isReadToken(token: string): boolean {
  const claims = readClaims(token);
  if (claims === null) return false;
  const { aud, scopes } = claims;
  return typeof aud === "string" && aud !== "" && Array.isArray(scopes) && scopes.length === 1 &&
    scopes[0] === "api_read";
}

/** The claims of a JSON web token, which is not verified; `null` where a text is none. */
function readClaims(token: string): Record<string, unknown> | null {
  if (token.length > MAX_TOKEN_LENGTH) return null;
  const match = /^[\w-]+\.([\w-]+)\.[\w-]+$/.exec(token);
  if (match === null) return null;
  try {
    const claims: unknown = JSON.parse(atob(match[1]!.replaceAll("-", "+").replaceAll("_", "/")));
    return typeof claims === "object" && claims !== null ? claims as Record<string, unknown> : null;
  } catch {
    return null;
  }
}

/** Parameter names of users, and an `api_key` that is not at the beginning of a name: that one would end up in the cache key. */
const USER_WORDS = /session_id|account_states|request_token|access_token|[^&]api_key/i;

/** An escape that may be a letter of those names or their `_`. */
const ESCAPED_LETTER = /%[4-7]/;

/** The list of appended parts, in its unambiguous spelling. */
const APPENDED = /(?<=(?:^|&)append_to_response=)[^&;]*/g;
const STATES = /(?<=^|,|%2c)account_states(?=,|%2c|$)/gi;

/**
 * Whether a raw query makes a response private: it names a session, asks for account states, or hides a key. The names count
 * anywhere and behind any separator, because upstreams differ in how they split a query (`;`, `[]`), and a false alarm costs only
 * a miss. `account_states` as an appended part is shared where nothing names a user.
 */
export function isUserQuery(query: string): boolean {
  if (query === "") return false;
  // An escaped `&` is no separator, so a name behind it is not a key's.
  const text = ESCAPED_LETTER.test(query) ? decodeBytes(query.replaceAll("%26", ";")) : query;
  if (!USER_WORDS.test(text)) return false;
  return USER_WORDS.test(text.replace(APPENDED, (parts) => parts.replace(STATES, "")));
}

/**
 * The form of TMDB's keys: an API key of 32 hex digits, or a read access token, which is a JWT (three base64url parts, the first a
 * JSON object, RFC 7519 §3).
 */
export const tmdbKeyForm: KeyForm = {
  expected: "a TMDB API key (32 hex digits) or a read access token (three parts with dots)",
  isKey: (text) => /^[0-9A-Fa-f]{32}$/.test(text) || /^ey[\w-]+\.[\w-]+\.[\w-]+$/.test(text),
  warning: (key) => isUserToken(key) ? USER_TOKEN : null,
};

const USER_TOKEN = "this token may do more than read: with it every client acts as the user whom it belongs to; " +
  "take the application's read access token";

/** Whether TMDB gave a token to one user: its claims list a scope beside `api_read`. */
function isUserToken(key: string): boolean {
  const scopes = readClaims(key)?.["scopes"];
  return Array.isArray(scopes) && scopes.some((scope) => scope !== "api_read");
}
