import { fieldLine, requestLine } from "../wire/head_writer.ts";
import { type SendOptions, UpstreamFailure, type UpstreamRequest } from "./transport.ts";

/** A proxy that gets requests in absolute form (RFC 9112 §3.2.2). */
export interface ForwardProxy {
  /** Host and port of the upstream, as its requests' `Host` names it. */
  readonly authority: string;
  /** Value of `Proxy-Authorization`. */
  readonly authorization: string | null;
}

/** Framing and connection fields: they are written here or not at all. */
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

/** Methods whose requests without a body have `Content-Length: 0` (RFC 9110 §8.6). */
const EXPECT_CONTENT: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH"]);

/** How a field is handled, by its name. */
type NameKind = "plain" | "host" | "refused";

/** Known names: a look-up is cheaper than a check of each character. Bounded, because clients choose names. */
const nameKinds = new Map<string, NameKind>();
const MAX_NAME_KINDS = 1024;
const MAX_KNOWN_NAME_LENGTH = 64;

/** @throws {TypeError} where it is no token */
function kindOf(name: string): NameKind {
  fieldLine(name, "");
  const lower = name.toLowerCase();
  const kind = lower === "host" ? "host" : REFUSED.has(lower) ? "refused" : "plain";
  if (nameKinds.size < MAX_NAME_KINDS && name.length <= MAX_KNOWN_NAME_LENGTH) nameKinds.set(name, kind);
  return kind;
}

/** No control but tab; each character one byte (RFC 9110 §5.5). */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** A protocol's name and perhaps its version (RFC 9110 §7.8). */
const PROTOCOL = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:\/[!#$%&'*+\-.^_`|~0-9A-Za-z]+)?$/;

/** The failure of a request that cannot be written. */
export function unsendable(what: string): UpstreamFailure {
  return new UpstreamFailure("unsendable", `Cannot write the request: ${what}`, false);
}

function framingLine({ body, method }: UpstreamRequest): string {
  if (body === null) return EXPECT_CONTENT.has(method) ? "content-length: 0\r\n" : "";
  const { lengthBytes } = body;
  if (lengthBytes === null) return "transfer-encoding: chunked\r\n";
  if (!Number.isSafeInteger(lengthBytes) || lengthBytes < 0) throw unsendable("invalid body length");
  return `content-length: ${lengthBytes}\r\n`;
}

/** The request target as written: in absolute form for a proxy, also for `OPTIONS *` (RFC 9112 §3.2.4). */
function targetText(target: string, proxy: ForwardProxy | null): string {
  if (proxy === null || target === "") return target;
  return `http://${proxy.authority}${target === "*" ? "" : target}`;
}

/** Refuses another `Host` than the target's: a proxy would replace it silently. */
function proxyLine(proxy: ForwardProxy, host: string): string {
  if (host.toLowerCase() !== proxy.authority) {
    throw unsendable("a forward proxy would send another Host than asked for");
  }
  return proxy.authorization === null ? "" : fieldLine("proxy-authorization", proxy.authorization);
}

/** Connection options and the fields that `Connection` names (RFC 9110 §7.6.1). */
function connectionLines({ upgrade, wantsTrailers }: HeadOptions, hasBody: boolean): string {
  if (upgrade === undefined) return wantsTrailers ? "te: trailers\r\nconnection: te\r\n" : "";
  if (hasBody || !PROTOCOL.test(upgrade)) throw unsendable("no upgrade with a body, or to a protocol without a name");
  return `upgrade: ${upgrade}\r\n${
    wantsTrailers ? "te: trailers\r\nconnection: upgrade, te" : "connection: upgrade"
  }\r\n`;
}

/** The part of {@linkcode SendOptions} that the head expresses. */
export type HeadOptions = Pick<SendOptions, "upgrade" | "wantsTrailers">;

/**
 * The request line and field section as text, each character one byte (RFC 9112 §3, §5), as an upstream or as `proxy` wants them.
 * The framing field is added from the request's body.
 *
 * @throws {UpstreamFailure} `unsendable`, before anything is sent: a character that could end a line or is not Latin-1, no `host`
 * or two, a field that frames the message, a host that the proxy would replace
 */
export function formatRequestHead(
  request: UpstreamRequest,
  proxy: ForwardProxy | null = null,
  options: HeadOptions = {},
): string {
  if (request.method === "CONNECT") throw unsendable("invalid method");
  try {
    return requestLine(request.method, targetText(request.target, proxy)) + fieldSection(request, proxy) +
      framingLine(request) + connectionLines(options, request.body !== null) + "\r\n";
  } catch (error) {
    throw error instanceof TypeError ? unsendable(error.message) : error;
  }
}

function fieldSection({ fields }: UpstreamRequest, proxy: ForwardProxy | null): string {
  let text = "";
  let host: string | null = null;
  for (const [name, value] of fields) {
    const kind = nameKinds.get(name) ?? kindOf(name);
    if (kind === "refused") throw unsendable(`field "${name}" belongs to the connection`);
    if (kind === "host") {
      if (host !== null) throw unsendable("more than one host field");
      host = value;
    }
    if (!FIELD_VALUE.test(value)) throw unsendable(`invalid character in the value of "${name}"`);
    text += `${name}: ${value}\r\n`;
  }
  if (host === null) throw unsendable("no host field");
  return proxy === null ? text : text + proxyLine(proxy, host);
}
