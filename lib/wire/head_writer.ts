import type { Fields } from "../http/fields.ts";

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** No control, no space; bytes above ASCII go as they are. */
const TARGET = /^[\x21-\x7e\x80-\xff]+$/;
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Reason phrases as registered (RFC 9110 §15 and the IANA registry of status codes). */
const REASONS: Readonly<Record<number, string>> = {
  100: "Continue",
  101: "Switching Protocols",
  102: "Processing",
  103: "Early Hints",
  200: "OK",
  201: "Created",
  202: "Accepted",
  203: "Non-Authoritative Information",
  204: "No Content",
  205: "Reset Content",
  206: "Partial Content",
  207: "Multi-Status",
  208: "Already Reported",
  226: "IM Used",
  300: "Multiple Choices",
  301: "Moved Permanently",
  302: "Found",
  303: "See Other",
  304: "Not Modified",
  305: "Use Proxy",
  307: "Temporary Redirect",
  308: "Permanent Redirect",
  400: "Bad Request",
  401: "Unauthorized",
  402: "Payment Required",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  407: "Proxy Authentication Required",
  408: "Request Timeout",
  409: "Conflict",
  410: "Gone",
  411: "Length Required",
  412: "Precondition Failed",
  413: "Content Too Large",
  414: "URI Too Long",
  415: "Unsupported Media Type",
  416: "Range Not Satisfiable",
  417: "Expectation Failed",
  421: "Misdirected Request",
  422: "Unprocessable Content",
  423: "Locked",
  424: "Failed Dependency",
  425: "Too Early",
  426: "Upgrade Required",
  428: "Precondition Required",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  451: "Unavailable For Legal Reasons",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
  506: "Variant Also Negotiates",
  507: "Insufficient Storage",
  508: "Loop Detected",
  511: "Network Authentication Required",
};

/** Status lines made so far, by status. */
const statusLines: string[] = [];

/**
 * The status line with its CRLF (RFC 9112 §4). A status without a registered phrase gets none.
 *
 * @throws {RangeError} for a status outside 100 to 999
 */
export function statusLine(status: number): string {
  return statusLines[status] ?? makeStatusLine(status);
}

function makeStatusLine(status: number): string {
  if (!Number.isInteger(status) || status < 100 || status > 999) throw new RangeError(`Invalid status: ${status}`);
  return statusLines[status] = `HTTP/1.1 ${status} ${REASONS[status] ?? ""}\r\n`;
}

/**
 * The request line with its CRLF (RFC 9112 §3).
 *
 * @throws {TypeError} for a method that is no token, and a character in the target that could end it
 */
export function requestLine(method: string, target: string): string {
  if (!TOKEN.test(method)) throw new TypeError("Invalid method");
  if (!TARGET.test(target)) throw new TypeError("Invalid target");
  return `${method} ${target} HTTP/1.1\r\n`;
}

/**
 * One field line with its CRLF (RFC 9112 §5), as text whose characters are one byte each.
 *
 * @throws {TypeError} for a name that is no token, and a character in the value that could end the line or is no byte. The message
 * does not repeat the value, which may be a secret
 */
export function fieldLine(name: string, value: string): string {
  if (!TOKEN.test(name)) throw new TypeError("Invalid field name");
  if (!FIELD_VALUE.test(value)) throw new TypeError(`Invalid character in the value of "${name}"`);
  return `${name}: ${value}\r\n`;
}

/**
 * The lines of `fields` in their order.
 *
 * @throws {TypeError} as {@linkcode fieldLine}
 */
export function fieldLines(fields: Readonly<Fields>): string {
  let text = "";
  for (const [name, value] of fields) text += fieldLine(name, value);
  return text;
}

const encoder = new TextEncoder();

/** Up to here a loop over the characters is faster than the call of the encoder. */
const SHORT_TEXT = 32;

const QUESTION_MARK = 63;

/**
 * Writes text of Latin-1 characters, a byte each, to `into` from `at` on. ASCII, nearly always all there is, goes the fast way; what
 * is no byte becomes a question mark.
 *
 * @returns the index behind it
 * @throws {RangeError} where it does not fit
 */
export function writeLatin1(text: string, into: Uint8Array, at: number): number {
  const { length } = text;
  const end = at + length;
  if (end > into.length) throw new RangeError(`No room for ${length} bytes`);
  if (length > SHORT_TEXT) {
    // The view ends with the text: characters above ASCII take two bytes each here and must not reach beyond it.
    const { read, written } = encoder.encodeInto(text, into.subarray(at, end));
    if (read === length && written === length) return end;
  }
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index);
    // Cut to a byte, U+010A would be a line feed.
    into[at + index] = code > 0xff ? QUESTION_MARK : code;
  }
  return end;
}
