import { type Socket, writeAll } from "./_socket.ts";

const BUFFER_BYTES = 64 * 1024;

async function pump(from: Socket, to: Socket): Promise<void> {
  const buffer = new Uint8Array(BUFFER_BYTES);
  for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
    await writeAll(to, buffer.subarray(0, count));
  }
  await to.closeWrite();
}

/** The connection that `near` made: another process of this machine may have been quicker. */
async function acceptOwn(listener: Deno.TcpListener, near: Deno.TcpConn): Promise<Deno.TcpConn> {
  for (;;) {
    const accepted = await listener.accept();
    if (accepted.remoteAddr.port === near.localAddr.port) return accepted;
    accepted.close();
  }
}

/**
 * A TCP socket whose bytes go through another connection. Deno starts TLS over TCP sockets alone: this is how it runs through TLS,
 * and how a handshake can be ended. It costs two loopback sockets, and one listening for a moment.
 */
export class Relay implements Disposable {
  readonly #far: Deno.TcpConn;
  readonly #through: Socket;

  private constructor(readonly near: Deno.TcpConn, far: Deno.TcpConn, through: Socket) {
    this.#far = far;
    this.#through = through;
    // Whoever uses the near end keeps the process alive, or does not.
    far.unref();
    through.unref();
    const close = () => this[Symbol.dispose]();
    Promise.all([pump(far, through), pump(through, far)]).then(close, close);
  }

  /** Opens one; `through` belongs to it from now on. */
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

  /** Closes all of it. Safe to call twice. */
  [Symbol.dispose](): void {
    for (const end of [this.near, this.#far, this.#through]) end[Symbol.dispose]();
  }
}
