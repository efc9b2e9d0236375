/** Query parameters whose values are credentials. */
const SECRET_PARAMETER =
  /([?&;](?:api_key|apikey|key|token|access_token|session_id|guest_session_id|request_token|password|secret)=)[^&#\s"]*/gi;
/** The same where a letter of the name is escaped, as a server reads it all the same. */
const ESCAPED_PARAMETER = /([?&;][\w.~+-]*%[0-7][0-9a-f][\w.~+%-]*=)[^&#\s"]*/gi;
const AUTHORIZATION = /\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]+/gi;
const JSON_WEB_TOKEN = /\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*/g;

/**
 * A text without the credentials it may hold: values of known query parameters, `Authorization` values, JSON web tokens.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { redact } from "./redact.ts";
 * assert.equal(redact("/3/movie/550?api_key=0123&language=de"), "/3/movie/550?api_key=[redacted]&language=de");
 * ```
 */
export function redact(text: string): string {
  return text
    .replace(SECRET_PARAMETER, "$1[redacted]")
    .replace(ESCAPED_PARAMETER, redactEscaped)
    .replace(AUTHORIZATION, "$1 [redacted]")
    .replace(JSON_WEB_TOKEN, "[redacted]");
}

function redactEscaped(parameter: string, name: string): string {
  const plain = name.replace(/%([0-7][0-9a-f])/gi, (_, code) => String.fromCharCode(parseInt(code, 16)));
  return plain.replace(SECRET_PARAMETER, "") === "" ? `${name}[redacted]` : parameter;
}
