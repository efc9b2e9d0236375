/** Parameters whose values are credentials, in queries, forms and messages: all whose names end so. */
const SECRET_PARAMETER =
  /((?:^|[?&;\s"])[\w.~-]*(?:key|token|secret|password|passwd|session_id|signature)=)[^&#\s"]*/gi;
/** The same where a letter of the name is escaped, as a server reads it all the same. */
const ESCAPED_PARAMETER = /((?:^|[?&;\s"])[\w.~+-]*%[0-7][0-9a-f][\w.~+%-]*=)[^&#\s"]*/gi;
/** A guest session's id is all that its holder has to show, and TMDB takes it in the path. */
const GUEST_SESSION = /(\/guest_session\/)(?!new\b)[^/?#\s"]+/gi;
/** A client's token before a path, as `http/keyed_path.ts` reads it, also where no listener takes one. */
const KEYED_PATH = /(\/(?:~|%7e))[\w.~-]{16,}/gi;
const USER_INFORMATION = /(:\/\/)[^/?#\s"@]+@/g;
const AUTHORIZATION = /\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]+/gi;
// Looking back at `-` too keeps the time linear in a text of many beginnings.
const JSON_WEB_TOKEN = /(?<![\w-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*/g;

/** Every pattern above needs one of these; the names, ids and words of most fields have none. */
const MAY_HOLD = /[=/\s]|eyJ/;

/**
 * A text without the credentials it may hold: values of parameters that are known to be secret, `Authorization` values, JSON web
 * tokens, user information in URLs, guest sessions and clients' tokens in paths.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { redact } from "./redact.ts";
 * assert.equal(redact("/3/movie/550?api_key=0123&language=de"), "/3/movie/550?api_key=[redacted]&language=de");
 * ```
 */
export function redact(text: string): string {
  return MAY_HOLD.test(text) ? redactAll(text) : text;
}

function redactAll(text: string): string {
  return text
    .replace(SECRET_PARAMETER, "$1[redacted]")
    .replace(ESCAPED_PARAMETER, redactEscaped)
    .replace(GUEST_SESSION, "$1[redacted]")
    .replace(KEYED_PATH, "$1[redacted]")
    .replace(USER_INFORMATION, "$1[redacted]@")
    .replace(AUTHORIZATION, "$1 [redacted]")
    .replace(JSON_WEB_TOKEN, "[redacted]");
}

function redactEscaped(parameter: string, name: string): string {
  const plain = name.replace(/%([0-7][0-9a-f])/gi, (_, code) => String.fromCharCode(parseInt(code, 16)));
  return plain.replace(SECRET_PARAMETER, "") === "" ? `${name}[redacted]` : parameter;
}
