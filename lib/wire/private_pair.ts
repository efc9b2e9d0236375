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
