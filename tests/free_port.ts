/**
 * Below the ports that systems give to outgoing connections and to port 0 (from 32,768 on Linux, from 49,152 elsewhere): what is free here
 * is taken by nobody until it is used.
 */
const FIRST = 10_000;
const COUNT = 20_000;

/** Ports that were given out here. */
const given = new Set<number>();

/** A port of 127.0.0.1 that was free a moment ago; never the same one twice. Tests that run side by side choose at random. */
export function freePort(): number {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if (given.has(port) || !isFree(port)) continue;
    given.add(port);
    return port;
  }
}

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse || error instanceof Deno.errors.PermissionDenied) return false;
    throw error;
  }
}

/** An address, `127.0.0.1:port`, that was free a moment ago; never the same one twice. */
export function freeAddress(): string {
  return `127.0.0.1:${freePort()}`;
}
