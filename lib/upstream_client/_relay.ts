import { writeAll } from "../wire/byte_stream.ts";
import type { Socket } from "./_socket.ts";

const BUFFER_BYTES = 64 * 1024;

async function pump(from: Socket, to: Socket): Promise<void> {
  const buffer = new Uint8Array(BUFFER_BYTES);
  for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
    await writeAll(to, buffer.subarray(0, count));
  }
  await to.closeWrite();
}

/** Accepts the connection of `near`: another process may have connected first. */
async function acceptOwn(listener: Deno.TcpListener, near: Deno.TcpConn): Promise<Deno.TcpConn> {
  for (;;) {
    const accepted = await listener.accept();
    if (accepted.remoteAddr.port === near.localAddr.port) return accepted;
    accepted.close();
  }
}

/**
 * A TCP socket that relays its bytes over another connection. Deno starts TLS on TCP sockets only: this allows TLS inside TLS, and
 * ending a handshake. It costs two loopback sockets, and a listening one for a moment.
 */
export class Relay implements Disposable {
  readonly #far: Deno.TcpConn;
  readonly #through: Socket;

  private constructor(readonly near: Deno.TcpConn, far: Deno.TcpConn, through: Socket) {
    this.#far = far;
    this.#through = through;
    // Only the near end may keep the process alive.
    far.unref();
    through.unref();
    const close = () => this[Symbol.dispose]();
    Promise.all([pump(far, through), pump(through, far)]).then(close, close);
  }

  /** Opens a relay, which owns `through` from now on. */
  static async open(through: Socket): Promise<Relay> {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    let near: Deno.TcpConn | undefined;
    try {
      near = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
      const far = await acceptOwn(listener, near);
      near.setNoDelay(true);
      far.setNoDelay(true);
      return new Relay(near, far, through);
    } catch (error) {
      near?.close();
      throw error;
    } finally {
      listener.close();
    }
  }

  /** Closes all of its sockets. Idempotent. */
  [Symbol.dispose](): void {
    for (const end of [this.near, this.#far, this.#through]) end[Symbol.dispose]();
  }
}
