import type { ByteStream } from "../wire/byte_stream.ts";

/** A connection's socket: TCP, TLS, or TLS through TLS. */
export type Socket = ByteStream & Pick<Deno.Conn, "ref" | "unref"> & Disposable;

/** Whether a socket has no layer above TCP. */
export function isTcp(socket: Socket): socket is Deno.TcpConn {
  return "setNoDelay" in socket;
}

/** A socket's two directions. */
export type Duplex = Pick<ByteStream, "read" | "write">;

/**
 * Runs a step of opening a connection. When it fails, or `signal` aborts, the socket is closed, which ends pending operations.
 */
export async function openingStep<T>(socket: Disposable, signal: AbortSignal, step: () => Promise<T>): Promise<T> {
  const close = () => socket[Symbol.dispose]();
  signal.addEventListener("abort", close);
  try {
    signal.throwIfAborted();
    return await step();
  } catch (error) {
    close();
    throw error;
  } finally {
    signal.removeEventListener("abort", close);
  }
}

/** Reads until `target` is full and not one byte more; `false` where the stream ends before. */
export async function readFull(socket: Duplex, target: Uint8Array): Promise<boolean> {
  for (let at = 0; at < target.length;) {
    const count = await socket.read(target.subarray(at));
    if (count === null) return false;
    at += count;
  }
  return true;
}
