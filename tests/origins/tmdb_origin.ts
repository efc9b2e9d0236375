import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import type { Field } from "../../lib/http/fields.ts";
import { countRequests, keepRequest, type RecordedRequest } from "./recorded_request.ts";
import { type KeyState, TmdbAccounts } from "./tmdb_accounts.ts";
import type { ApiAnswer } from "./tmdb_answers.ts";
import { answerApi } from "./tmdb_api.ts";
import { answerImage } from "./tmdb_images.ts";

/** The key that the origin takes where no others are given. */
export const demoApiKey = "0123456789abcdef0123456789abcdef";

/** Sessions that exist from the start, beside those that clients make. */
export const demoSessions = ["session-of-alice", "session-of-bob"] as const;

/**
 * What a fault answers: a response of its own; `reset`, a response that is cut off in its body and the connection with it;
 * `hang`, nothing until the origin closes; `undefined`, no fault.
 */
export type Fault = Response | "reset" | "hang" | undefined;

/** Options of {@linkcode startTmdbOrigin}. */
export interface TmdbOriginOptions {
  /** 0 or none takes a free one. */
  readonly port?: number;
  /** Wait before each answer. */
  readonly latencyMs?: number;
  readonly keys?: readonly string[];
  readonly sessions?: readonly string[];
  /** `max-age` of good API answers. */
  readonly maxAgeSeconds?: number;
}

/** A running origin. */
export interface TmdbOrigin {
  /** `http://127.0.0.1:port`. */
  readonly url: string;
  readonly port: number;
  /** What reached it, the oldest first; set its length to 0 to forget. */
  readonly requests: RecordedRequest[];
  /** Keys by what they are good for now; tests change it as they go. */
  readonly keys: Map<string, KeyState>;
  readonly accounts: TmdbAccounts;
  /** Asked before each answer. */
  fault: ((request: RecordedRequest) => Fault | Promise<Fault>) | null;
  latencyMs: number;
  /** Requests whose target starts with a text or matches, of a method if given. */
  count(match: string | RegExp, method?: string): number;
  /** Closes it with all connections. */
  close(): Promise<void>;
}

/** Starts an origin that answers like TMDB: `/3/…` and `/4/…` from a small catalog, `/t/p/…` with drawn pictures. */
export async function startTmdbOrigin(options: TmdbOriginOptions = {}): Promise<TmdbOrigin> {
  const accounts = new TmdbAccounts(options.keys ?? [demoApiKey], options.sessions ?? demoSessions);
  const stop = new AbortController();
  const maxAgeSeconds = options.maxAgeSeconds ?? 6991;
  const { promise: listening, resolve } = Promise.withResolvers<number>();
  const handler = (request: Request) => serve(request, { origin, stopped: stop.signal, maxAgeSeconds });
  const server = Deno.serve({
    port: options.port ?? 0,
    hostname: "127.0.0.1",
    automaticCompression: false,
    signal: stop.signal,
    onListen: (address) => resolve(address.port),
    onError: () => new Response("origin failed", { status: 500 }),
  }, handler);
  const port = await listening;
  const requests: RecordedRequest[] = [];
  const origin: TmdbOrigin = {
    url: `http://127.0.0.1:${port}`,
    port,
    requests,
    keys: accounts.keys,
    accounts,
    fault: null,
    latencyMs: options.latencyMs ?? 0,
    count: (match, method) => countRequests(requests, match, method),
    async close() {
      stop.abort();
      await server.finished;
    },
  };
  return origin;
}

interface Serving {
  readonly origin: TmdbOrigin;
  readonly stopped: AbortSignal;
  readonly maxAgeSeconds: number;
}

async function serve(request: Request, serving: Serving): Promise<Response> {
  const { origin, stopped } = serving;
  const recorded: RecordedRequest = {
    method: request.method,
    target: request.url.slice(request.url.indexOf("/", request.url.indexOf("//") + 2)),
    fields: [...request.headers] as Field[],
    body: request.body === null ? new Uint8Array(0) : await request.bytes(),
  };
  keepRequest(origin.requests, recorded);
  if (origin.latencyMs > 0) await delay(origin.latencyMs, stopped);
  const fault = await origin.fault?.(recorded);
  if (fault === "hang") await delay(2 ** 30, stopped);
  if (fault === "reset") return cutOff();
  return fault instanceof Response ? fault : answer(request, recorded, serving);
}

/** Ends early without failing when the origin closes. */
function delay(waitMs: number, stopped: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      stopped.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, waitMs);
    stopped.addEventListener("abort", done);
  });
}

/** Promises a thousand bytes, sends five, and drops the connection. */
function cutOff(): Response {
  let sent = false;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (sent) controller.close();
      else controller.enqueue(new TextEncoder().encode('{"id"'));
      sent = true;
    },
  });
  return new Response(body, { headers: { "content-type": "application/json", "content-length": "1000" } });
}

function answer(request: Request, recorded: RecordedRequest, serving: Serving): Response {
  const at = recorded.target.indexOf("?");
  const path = at === -1 ? recorded.target : recorded.target.slice(0, at);
  if (path.startsWith("/t/p/")) return imageResponse(request, answerImage(path, request.headers.get("accept") ?? ""));
  const query = new URLSearchParams(at === -1 ? "" : recorded.target.slice(at + 1));
  const parts = { method: request.method, query, accounts: serving.origin.accounts, body: recorded.body };
  return apiResponse(request, answerApi(path, parts, request.headers.get("authorization")), serving.maxAgeSeconds);
}

function imageResponse(request: Request, image: ReturnType<typeof answerImage>): Response {
  if (request.method !== "GET" && request.method !== "HEAD") return new Response(null, { status: 405 });
  if (image === null) {
    return new Response("<h1>File not Found</h1>", { status: 404, headers: { "content-type": "text/html" } });
  }
  const headers: Field[] = [
    ["content-type", image.contentType],
    ["content-length", String(image.bytes.length)],
    ["cache-control", "public, max-age=31536000"],
    ["etag", `"${encoded(image.bytes).md5}"`],
    ["last-modified", "Sun, 01 Jan 2023 00:00:00 GMT"],
    ["server", "BunnyCDN-DE1-1080"],
    ["access-control-allow-origin", "*"],
  ];
  return conditional(request, headers, image.bytes);
}

function conditional(request: Request, headers: Field[], body: Uint8Array<ArrayBuffer>): Response {
  const bare = (tag: string) => tag.replace(/^W\//, "");
  const etag = bare(headers.find(([name]) => name === "etag")![1]);
  const asked = request.headers.get("if-none-match");
  if (asked?.split(/,\s*/).some((tag) => tag === "*" || bare(tag) === etag)) {
    return new Response(null, { status: 304, headers: headers.filter(([name]) => !/^content-/.test(name)) });
  }
  return new Response(request.method === "HEAD" ? null : body, { headers });
}

/** Digest and gzip form of bodies seen before: the origin must not be the slow part of a measurement. */
const known = new WeakMap<Uint8Array, { md5: string; gzip: Uint8Array<ArrayBuffer> | null }>();
const bodies = new Map<string, Uint8Array<ArrayBuffer>>();
const BODIES_LIMIT = 500;

function encoded(bytes: Uint8Array<ArrayBuffer>): { md5: string; gzip: Uint8Array<ArrayBuffer> | null } {
  const before = known.get(bytes);
  if (before !== undefined) return before;
  const made = { md5: createHash("md5").update(bytes).digest("hex"), gzip: null };
  known.set(bytes, made);
  return made;
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const before = bodies.get(text);
  if (before !== undefined) return before;
  if (bodies.size >= BODIES_LIMIT) bodies.delete(bodies.keys().next().value!);
  const bytes = new TextEncoder().encode(text);
  bodies.set(text, bytes);
  return bytes;
}

function gzipOf(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const entry = encoded(bytes);
  entry.gzip ??= new Uint8Array(gzipSync(bytes));
  return entry.gzip;
}

/** Fields as captured from TMDB: weak entity tag, two `Vary` lines, CORS only for who says `Origin`. */
function apiResponse(request: Request, { status, body, fields }: ApiAnswer, maxAgeSeconds: number): Response {
  const plain = bytesOf(JSON.stringify(body));
  const asksGzip = /\bgzip\b/.test(request.headers.get("accept-encoding") ?? "") && plain.length > 200;
  const bytes = asksGzip ? gzipOf(plain) : plain;
  const headers: Field[] = [
    ["content-type", "application/json;charset=utf-8"],
    ["content-length", String(bytes.length)],
    ["server", "openresty"],
    ["vary", "accept-encoding"],
    ["vary", "Origin"],
    ["x-memc", "HIT"],
    ["x-memc-key", createHash("md5").update(request.url).digest("hex")],
    ["x-cache", "Miss from cloudfront"],
    ["via", "1.1 0123456789abcdef.cloudfront.net (CloudFront)"],
    ["alt-svc", 'h3=":443"; ma=86400'],
    ...(fields ?? []).map(([name, value]): Field => [name, value]),
  ];
  if (asksGzip) headers.push(["content-encoding", "gzip"]);
  if (request.headers.has("origin")) {
    headers.push(["access-control-allow-origin", "*"], ["access-control-expose-headers", "ETag, X-Reseller"]);
  }
  if (status !== 200 || (request.method !== "GET" && request.method !== "HEAD")) {
    return new Response(request.method === "HEAD" ? null : bytes, { status, headers });
  }
  // Public even where the answer is one user's: what keeps that private must be the gateway's own table.
  headers.push(["cache-control", `public, max-age=${maxAgeSeconds}`], ["etag", `W/"${encoded(plain).md5}"`]);
  return conditional(request, headers, bytes);
}
