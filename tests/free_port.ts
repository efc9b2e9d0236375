/** Ports that were given out: the system may offer one again at once. */
const given = new Set<number>();

/** A port of 127.0.0.1 that was free a moment ago; never the same one twice. */
export function freePort(): number {
  for (;;) {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    listener.close();
    if (given.has(port)) continue;
    given.add(port);
    return port;
  }
}

/** An address, `127.0.0.1:port`, that was free a moment ago; never the same one twice. */
export function freeAddress(): string {
  return `127.0.0.1:${freePort()}`;
}
