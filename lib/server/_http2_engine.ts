/** The runtime's information on a request. */
interface RequestInfo {
  /** Settles when the response was sent; rejects where it could not be. */
  readonly completed: Promise<void>;
}

/** One connection that the runtime serves. */
export interface Http2Engine {
  /** Settles when it has ended. */
  readonly finished: Promise<void>;
  /** Takes no further requests, and ends once the pending ones are answered. */
  shutdown(): Promise<void>;
}

type Serve = (
  connection: Deno.Conn,
  signal: AbortSignal,
  handler: (request: Request, info: RequestInfo) => Promise<Response>,
  onError: (error: unknown) => Response,
  onListen: () => void,
) => Http2Engine;

/**
 * The runtime's server for an accepted connection: `Deno.serve` without its listener. The name is not documented (Deno 2.9.6); where a
 * version lacks it, HTTP/2 is not offered.
 */
export const serveHttp2: Serve | null = find();

function find(): Serve | null {
  const runtime = Deno as unknown as Record<PropertyKey, Record<string, unknown> | undefined> & { internal?: symbol };
  const serve = runtime.internal === undefined ? undefined : runtime[runtime.internal]?.serveHttpOnConnection;
  return typeof serve === "function" ? serve as Serve : null;
}
