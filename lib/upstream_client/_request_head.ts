import { UpstreamFailure, type UpstreamRequest } from "./transport.ts";

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** No control, no space; bytes above ASCII go as they are. */
const TARGET = /^[\x21-\x7e\x80-\xff]+$/;
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** A proxy that is asked for an upstream's resources in absolute form (RFC 9112 §3.2.2). */
export interface ForwardProxy {
  /** Host and port of the upstream, as its requests' `Host` names it. */
  readonly authority: string;
  /** Value of `Proxy-Authorization`. */
  readonly authorization: string | null;
}

/** Fields that frame a message or belong to the connection: they are written here or not at all. */
const REFUSED: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "proxy-authorization",
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

/** The target as it is written: the proxy is told the upstream with each one, also for `OPTIONS *` (RFC 9112 §3.2.4). */
function targetText(target: string, proxy: ForwardProxy | null): string {
  if (!TARGET.test(target)) throw refuse("invalid target");
  if (proxy === null) return target;
  return `http://${proxy.authority}${target === "*" ? "" : target}`;
}

/** A proxy replaces `Host` by what the target says: another one would be lost without a word. */
function proxyLine(proxy: ForwardProxy | null, host: string): string {
  if (proxy === null) return "";
  if (host.toLowerCase() !== proxy.authority) throw refuse("a forward proxy would send another Host than asked for");
  return proxy.authorization === null ? "" : `proxy-authorization: ${proxy.authorization}\r\n`;
}

/**
 * The request line and field section as text, each character one byte (RFC 9112 §3, §5), as an upstream or as `proxy` wants
 * them. The framing field is added from the request's body.
 *
 * @throws {UpstreamFailure} `protocol`, before anything is sent: a character that could end a line or is not Latin-1, no `host`
 * or two, a field that frames the message, a host that the proxy would replace
 */
export function formatRequestHead(request: UpstreamRequest, proxy: ForwardProxy | null = null): string {
  if (!TOKEN.test(request.method) || request.method === "CONNECT") throw refuse("invalid method");
  let text = `${request.method} ${targetText(request.target, proxy)} HTTP/1.1\r\n`;
  const hosts: string[] = [];
  for (const [name, value] of request.fields) {
    const lower = name.toLowerCase();
    if (REFUSED.has(lower)) throw refuse(`field "${lower}" belongs to the connection`);
    if (lower === "host") hosts.push(value);
    text += fieldLine(name, value);
  }
  if (hosts.length !== 1) throw refuse(`expected one host field: received ${hosts.length}`);
  return `${text}${framingLine(request)}${proxyLine(proxy, hosts[0] ?? "")}\r\n`;
}
