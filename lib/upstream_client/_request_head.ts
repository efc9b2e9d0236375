import { UpstreamFailure, type UpstreamRequest } from "./transport.ts";

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** No control, no space; bytes above ASCII go as they are. */
const TARGET = /^[\x21-\x7e\x80-\xff]+$/;
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Fields that frame a message or belong to the connection: they are written here or not at all. */
const REFUSED: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Methods whose request says `Content-Length: 0` where it has no body (RFC 9110 §8.6). */
const EXPECT_CONTENT: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH"]);

function refuse(what: string): UpstreamFailure {
  return new UpstreamFailure("protocol", `Cannot write the request: ${what}`, false);
}

function fieldLine(name: string, value: string): string {
  if (!TOKEN.test(name)) throw refuse("invalid field name");
  if (!FIELD_VALUE.test(value)) throw refuse(`invalid character in the value of "${name}"`);
  return `${name}: ${value}\r\n`;
}

function framingLine(request: UpstreamRequest): string {
  const { body, method } = request;
  if (body === null) return EXPECT_CONTENT.has(method) ? "content-length: 0\r\n" : "";
  if (body.lengthBytes === null) return "transfer-encoding: chunked\r\n";
  if (!Number.isSafeInteger(body.lengthBytes) || body.lengthBytes < 0) throw refuse("invalid body length");
  return `content-length: ${body.lengthBytes}\r\n`;
}

/**
 * The request line and field section as text, each character one byte (RFC 9112 §3, §5). The framing field is added from
 * the request's body.
 *
 * @throws {UpstreamFailure} `protocol`, before anything is sent: a character that could end a line or is not Latin-1, no `host`
 * or two, a field that frames the message
 */
export function formatRequestHead(request: UpstreamRequest): string {
  if (!TOKEN.test(request.method) || request.method === "CONNECT") throw refuse("invalid method");
  if (!TARGET.test(request.target)) throw refuse("invalid target");
  let text = `${request.method} ${request.target} HTTP/1.1\r\n`;
  let hosts = 0;
  for (const [name, value] of request.fields) {
    const lower = name.toLowerCase();
    if (REFUSED.has(lower)) throw refuse(`field "${lower}" belongs to the connection`);
    if (lower === "host") hosts++;
    text += fieldLine(name, value);
  }
  if (hosts !== 1) throw refuse(`expected one host field: received ${hosts}`);
  return `${text}${framingLine(request)}\r\n`;
}
