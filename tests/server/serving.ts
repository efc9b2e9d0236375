import { HttpServer, type HttpServerOptions } from "../../lib/server/http_server.ts";
import type { ListenOptions, ListenTarget } from "../../lib/server/listen_target.ts";
import type { Handler, Reply, ReplyEnd } from "../../lib/server/reply.ts";
import { SERVER_LIMIT_DEFAULTS, type ServerLimits } from "../../lib/server/server_limits.ts";
import type { BodySource } from "../../lib/wire/body_source.ts";
import type { WireError } from "../../lib/wire/wire_error.ts";
import { latin1, textOf } from "./raw_client.ts";

/** Limits that no test meets by itself. */
export const WIDE_LIMITS: ServerLimits = { ...SERVER_LIMIT_DEFAULTS, maxConnections: 10_000 };

/** A server on a port of its own. */
export interface Serving extends AsyncDisposable {
  readonly server: HttpServer;
  /** `127.0.0.1:port` or `unix:PATH`. */
  readonly address: string;
  /** What `onFault` was told. */
  readonly faults: unknown[];
}

/** How a test's server differs from the usual one. */
export interface ServingOptions extends Partial<Omit<HttpServerOptions, "limits">>, ListenOptions {
  readonly limits?: Partial<ServerLimits>;
  readonly target?: ListenTarget;
}

/** Serves by `handler` until it is disposed of. */
export async function serving(handler: Handler, options: ServingOptions = {}): Promise<Serving> {
  const { limits, target = { hostname: "127.0.0.1", port: 0 }, hasProxyHeader = false, tls = null, ...rest } = options;
  const faults: unknown[] = [];
  const server = new HttpServer({
    refuse,
    isTrusted: () => false,
    onFault: (error) => faults.push(error),
    ...rest,
    limits: { ...WIDE_LIMITS, ...limits },
  });
  const address = await server.listen(target, handler, { hasProxyHeader, tls });
  return { server, address, faults, [Symbol.asyncDispose]: () => server.close(0) };
}

function refuse(error: WireError): Reply {
  return reply({ status: error.status, body: latin1(error.message) });
}

/** A reply of which only what matters is said; 200 without anything else. */
export function reply(parts: Partial<Reply> = {}): Reply {
  return { status: 200, fixed: null, lines: "", hasDate: false, lengthBytes: null, body: null, onEnd: null, ...parts };
}

/** A reply with text. */
export function textReply(text: string, parts: Partial<Reply> = {}): Reply {
  return reply({ body: latin1(text), lengthBytes: text.length, ...parts });
}

/** All content of a source as text. */
export async function readText(source: BodySource | null): Promise<string> {
  let text = "";
  for (let chunk = await source?.read(); chunk; chunk = await source?.read()) text += textOf(chunk);
  return text;
}

/** A source of what `next` gives; each chunk is lent in the same memory, as connections do. */
export function sourceOf(
  next: () => string | null | Promise<string | null>,
  parts: Partial<BodySource> = {},
): BodySource & { isCancelled: boolean } {
  const memory = new Uint8Array(256 * 1024);
  return {
    lengthBytes: null,
    isCancelled: false,
    async read() {
      const text = await next();
      if (text === null) return null;
      memory.fill(0);
      memory.set(latin1(text));
      return memory.subarray(0, text.length);
    },
    cancel() {
      this.isCancelled = true;
    },
    ...parts,
  };
}

/** A source of chunks that are there. */
export function chunksOf(...texts: string[]): BodySource & { isCancelled: boolean } {
  return sourceOf(() => texts.shift() ?? null);
}

/** Ends in the order in which they come, and a promise of the first. */
export function ends(): { onEnd: (end: ReplyEnd) => void; all: ReplyEnd[]; first: Promise<ReplyEnd> } {
  const all: ReplyEnd[] = [];
  const { promise, resolve } = Promise.withResolvers<ReplyEnd>();
  return { all, first: promise, onEnd: (end) => (all.push(end), resolve(end)) };
}
