import { Buffer } from "node:buffer";
import type { Fields } from "../http/fields.ts";
import type { BodySource } from "../wire/body_source.ts";
import { piecesSource, streamOf, StreamSource } from "./_body_stream.ts";
import { isSource } from "./_reply_head.ts";
import type { Arrival, ArrivalFields, ConnectionFacts } from "./arrival.ts";
import type { Handler, Reply } from "./reply.ts";

/** Serves one request in the types of `fetch`: a Hono app's `fetch`, for one. */
export type FetchFunction = (request: Request, connection: ConnectionFacts) => Response | Promise<Response>;

/** Facts about a `Request` that it does not hold itself. */
export interface RequestFacts {
  readonly connection: ConnectionFacts;
  /** Minor version of HTTP/1, or 2 for HTTP/2; 1 where it is not given. */
  readonly minor?: number;
  /** Content in place of the request's own. */
  readonly body?: BodySource | null;
}

/** Fields that the server itself writes, or that belong to one connection: a `Response` cannot set them. */
const OWN_FIELDS: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "content-length",
  "transfer-encoding",
  "trailer",
  "upgrade",
]);

/** Statuses without content: a `Response` refuses to be made of one with a body. */
const WITHOUT_CONTENT: ReadonlySet<number> = new Set([204, 205, 304]);

const NO_CONTENT = new Uint8Array(0);

/**
 * A handler that serves by a function from `Request` to `Response`. A method that a `Request` cannot have (`CONNECT`, `TRACE`) is
 * answered with 501, a target that makes no URL with 400. Content of `GET` and `HEAD` is not passed on: a `Request` has none there.
 */
export function fetchHandler(fetch: FetchFunction): Handler {
  return async (arrival) => {
    const url = urlOf(arrival);
    if (url === null) return bare(400);
    if (/^(connect|trace|track)$/i.test(arrival.method)) return bare(501);
    const response = await fetch(requestOf(arrival, url), arrival.connection);
    return await replyOf(response, arrival.method);
  };
}

/** A `Request` as an {@linkcode Arrival}, for requests that did not come over the server's own connections. */
export function requestArrival(request: Request, facts: RequestFacts): Arrival {
  return new RequestArrival(request, facts);
}

/**
 * A reply as a `Response`. Content in memory counts as handed over at once; a streamed one is read as its reader takes it, and `onEnd`
 * says so when that one ends, cancels or meets an error. There are no tunnels here: such a reply is closed and answered with 501.
 */
export function replyResponse(reply: Reply, method: string): Response {
  if (reply.tunnel !== undefined) return refusedTunnel(reply);
  const headers = new Headers();
  if (reply.fixed !== null) appendLines(headers, latin1(reply.fixed));
  appendLines(headers, reply.lines);
  const isBare = method === "HEAD" || WITHOUT_CONTENT.has(reply.status);
  if (reply.lengthBytes !== null && (!isBare || method === "HEAD")) {
    headers.set("content-length", String(reply.lengthBytes));
  }
  return new Response(isBare ? withoutContent(reply) : contentOf(reply), { status: reply.status, headers });
}

class RequestArrival implements Arrival {
  readonly method: string;
  readonly target: string;
  readonly minor: number;
  readonly fields: ArrivalFields;
  readonly body: BodySource | null;
  readonly connection: ConnectionFacts;
  readonly #request: Request;

  constructor(request: Request, { connection, minor = 1, body = contentOfRequest(request) }: RequestFacts) {
    this.#request = request;
    this.method = request.method;
    const { authority, target } = splitUrl(request.url);
    this.target = escapeHighCharacters(target);
    this.minor = minor;
    this.fields = new HeaderFields(request.headers, authority);
    this.body = body;
    this.connection = connection;
  }

  get signal(): AbortSignal {
    return this.#request.signal;
  }

  get isGone(): boolean {
    return this.#request.signal.aborted;
  }

  interim(): void {}
}

/** The fields of a `Request`, with the `Host` that its URL states where no field does. */
class HeaderFields implements ArrivalFields {
  readonly #headers: Headers;
  readonly #authority: string;
  #list: Fields | null = null;

  constructor(headers: Headers, authority: string) {
    this.#headers = headers;
    this.#authority = authority;
  }

  header(name: string): string | null {
    return this.#headers.get(name) ?? (name === "host" ? this.#authority : null);
  }

  list(): Readonly<Fields> {
    if (this.#list !== null) return this.#list;
    const fields: Fields = [...this.#headers];
    return this.#list = this.#headers.has("host") ? fields : [["host", this.#authority], ...fields];
  }
}

/** The content that a request has itself; `null` where it has none, as every `Request` with `GET` and `HEAD`. */
export function contentOfRequest({ body, headers }: Request): BodySource | null {
  return body === null ? null : new StreamSource(body, lengthOf(headers.get("content-length")));
}

/** As the server escapes the bytes of a target that are not ASCII. */
function escapeHighCharacters(target: string): string {
  return target.replace(/[\u0080-\uffff]+/g, encodeURIComponent);
}

/** Authority, without user information, and path with query of an absolute URL, as they stand there. */
export function splitUrl(url: string): { authority: string; target: string } {
  const start = url.indexOf("://") + 3;
  const fragment = url.indexOf("#", start);
  const end = fragment < 0 ? url.length : fragment;
  let split = start;
  while (split < end && url[split] !== "/" && url[split] !== "?") split++;
  const authority = url.slice(url.lastIndexOf("@", split) + 1 || start, split);
  const target = url.slice(split, end);
  return { authority, target: target.startsWith("/") ? target : `/${target}` };
}

/** The target URI (RFC 9110 §7.1); `null` where the request states none that a URL could hold. `OPTIONS *` is asked of the root. */
function urlOf(arrival: Arrival): string | null {
  const { target, connection } = arrival;
  const path = target === "*" ? "/" : target;
  const url = path.startsWith("/")
    ? `${connection.scheme}://${arrival.fields.header("host") || "localhost"}${path}`
    : path;
  return /^https?:\/\//i.test(url) && URL.canParse(url) ? url : null;
}

function requestOf(arrival: Arrival, url: string): Request {
  const { method, body, signal } = arrival;
  const headers = new Headers();
  for (const [name, value] of arrival.fields.list()) headers.append(name, value);
  const content = method === "GET" || method === "HEAD" ? null : body;
  return new Request(url, { method, headers, signal, body: content === null ? null : streamOf(content) });
}

async function replyOf(response: Response, method: string): Promise<Reply> {
  let lines = "";
  for (const [name, value] of response.headers) {
    if (!OWN_FIELDS.has(name)) lines += `${name}: ${value}\r\n`;
  }
  const stated = lengthOf(response.headers.get("content-length"));
  const body = method === "HEAD" || response.body === null
    ? await dropped(response)
    : await new StreamSource(response.body, stated).settled();
  return {
    status: response.status,
    fixed: null,
    lines,
    hasDate: response.headers.has("date"),
    lengthBytes: body instanceof Uint8Array ? body.length : stated,
    body,
    onEnd: null,
  };
}

async function dropped(response: Response): Promise<null> {
  await response.body?.cancel();
  return null;
}

function bare(status: number): Reply {
  return { status, fixed: null, lines: "", hasDate: false, lengthBytes: 0, body: null, onEnd: null };
}

function refusedTunnel(reply: Reply): Response {
  if (reply.tunnel !== undefined && "stream" in reply.tunnel) reply.tunnel.stream.close();
  reply.onEnd?.({ bytes: 0, aborted: true, error: null });
  return new Response(null, { status: 501 });
}

function withoutContent({ body, onEnd }: Reply): null {
  if (isSource(body)) body.cancel();
  onEnd?.({ bytes: 0, aborted: false, error: null });
  return null;
}

function contentOf(reply: Reply): BodyInit | null {
  const { body, lengthBytes, onEnd } = reply;
  if (isSource(body)) return streamOf(body, { lengthBytes, onEnd });
  if (body !== null && !(body instanceof Uint8Array)) return streamOf(piecesSource(body), { lengthBytes, onEnd });
  const bytes = body ?? NO_CONTENT;
  if (lengthBytes !== null && lengthBytes !== bytes.length) {
    return streamOf(piecesSource([bytes]), { lengthBytes, onEnd });
  }
  onEnd?.({ bytes: bytes.length, aborted: false, error: null });
  // A view of shared memory is no content of a `Response`.
  return body === null ? null : bytes.buffer instanceof ArrayBuffer ? bytes as Uint8Array<ArrayBuffer> : bytes.slice();
}

function appendLines(headers: Headers, lines: string): void {
  for (const line of lines.split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

function lengthOf(value: string | null): number | null {
  return value !== null && /^\d{1,15}$/.test(value) ? Number(value) : null;
}
