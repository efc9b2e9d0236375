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

/**
 * Both ends of a private connection within this process: another local process that connects at the same moment is refused.
 *
 * @throws {Error} where no sockets are available
 */
export async function privatePair(): Promise<[near: Deno.TcpConn, far: Deno.TcpConn]> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const near = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  try {
    for (;;) {
      const far = await listener.accept();
      const { hostname, port } = far.remoteAddr;
      // Another process may have the same port at another loopback address.
      if (port === near.localAddr.port && hostname === near.localAddr.hostname) {
        near.setNoDelay(true);
        far.setNoDelay(true);
        return [near, far];
      }
      far.close();
    }
  } catch (error) {
    near.close();
    throw error;
  }
}
