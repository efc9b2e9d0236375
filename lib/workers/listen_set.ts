import { replyResponse, requestArrival } from "../server/fetch_adapter.ts";
import type { Handler } from "../server/reply.ts";
import { splitAddress } from "./split_address.ts";

/** Serves the requests that come to one address. */
export type AddressHandler = Handler;

/**
 * The addresses that a worker listens on. Every worker listens on all of them with `SO_REUSEPORT`; the kernel spreads the
 * connections. An address that stays in the configuration is never closed.
 */
export class ListenSet {
  readonly #handlerFor: (address: string) => AddressHandler;
  readonly #servers = new Map<string, Deno.HttpServer<Deno.NetAddr>>();
  readonly #closing = new Set<Promise<void>>();

  /** `handlerFor` makes the handler of an address, `host:port`. */
  constructor(handlerFor: (address: string) => AddressHandler) {
    this.#handlerFor = handlerFor;
  }

  /**
   * Listens on every address that it does not listen on yet.
   *
   * @throws {Error} naming the first address that cannot be used
   */
  open(addresses: Iterable<string>): void {
    for (const address of addresses) {
      if (!this.#servers.has(address)) this.#servers.set(address, this.#serve(address));
    }
  }

  /** Stops listening on every other address; requests that came in there are finished. */
  keepOnly(addresses: ReadonlySet<string>): void {
    for (const [address, server] of this.#servers) {
      if (addresses.has(address)) continue;
      this.#servers.delete(address);
      const closing: Promise<void> = server.shutdown().finally(() => this.#closing.delete(closing));
      this.#closing.add(closing);
    }
  }

  /** Stops listening and waits until what came in is finished, at most `graceMs`. */
  async close(graceMs: number): Promise<void> {
    this.keepOnly(new Set());
    let timer: ReturnType<typeof setTimeout> | undefined;
    const expiry = new Promise<void>((resolve) => timer = setTimeout(resolve, graceMs));
    await Promise.race([Promise.all(this.#closing), expiry]);
    clearTimeout(timer);
  }

  #serve(address: string): Deno.HttpServer<Deno.NetAddr> {
    const { hostname, port } = splitAddress(address);
    // It compresses by itself otherwise, and weakens entity tags with it.
    const options = { hostname, port, reusePort: true, automaticCompression: false, onListen: () => {} };
    try {
      const handler = this.#handlerFor(address);
      return Deno.serve(options, async (request, { remoteAddr }) => {
        const connection = { peer: remoteAddr.hostname, scheme: "http" } as const;
        return replyResponse(await handler(requestArrival(request, { connection })), request.method);
      });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`Cannot listen on ${address}: ${reason}`, { cause: error });
    }
  }
}
