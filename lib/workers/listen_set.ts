import type { ListenFacts } from "../request/snapshot.ts";
import type { HttpServer } from "../server/http_server.ts";
import { type ListenTarget, SHARES_PORTS } from "../server/listen_target.ts";
import type { Handler } from "../server/reply.ts";
import { splitAddress } from "./split_address.ts";

/** What a set of addresses is made of. */
export interface ListenSetOptions {
  readonly server: HttpServer;
  /** Makes the handler of an address. */
  readonly handlerFor: (address: string) => Handler;
  /** Whether several workers may listen on one address of host and port; else, and for unix sockets, one of them serves alone. */
  readonly sharesPorts?: boolean;
  /** Whether this worker is the one that serves what cannot be shared. */
  readonly servesAlone?: boolean;
}

/** How an address is listened on; what is not said is as with a plain TCP address. */
export type Listens = ReadonlyMap<string, ListenFacts>;

/**
 * The addresses that a worker listens on. Every worker listens on all of them with `SO_REUSEPORT`; the kernel spreads the
 * connections. An address that stays in the configuration is never closed.
 */
export class ListenSet {
  readonly #options: ListenSetOptions;
  /** By address as configured: the address as bound. */
  readonly #bound = new Map<string, string>();
  readonly #closing = new Set<Promise<void>>();
  #servesAlone: boolean;

  constructor(options: ListenSetOptions) {
    this.#options = options;
    this.#servesAlone = options.servesAlone ?? true;
  }

  /**
   * Listens on every address that it does not listen on yet.
   *
   * @throws {Error} naming the first address that cannot be used
   */
  async open(listens: Listens): Promise<void> {
    for (const [address, facts] of listens) {
      if (!this.#bound.has(address) && this.#isOurs(facts)) {
        this.#bound.set(address, await this.#listen(address, facts));
      }
    }
  }

  /** Stops listening on every other address, where requests that came in are finished, and serves the others as they are described. */
  keepOnly(listens: Listens): void {
    for (const [address, bound] of this.#bound) {
      const facts = listens.get(address);
      if (facts !== undefined) {
        this.#options.server.adjust(bound, { hasProxyHeader: facts.proxyProtocol });
        if (facts.unix !== null) Deno.chmodSync(facts.unix.path, facts.unix.mode);
        continue;
      }
      this.#bound.delete(address);
      const closing: Promise<void> = this.#options.server.stopListening(bound).finally(() =>
        this.#closing.delete(closing)
      );
      this.#closing.add(closing);
    }
  }

  /** This worker serves from now on what only one worker can. */
  async serveAlone(listens: Listens): Promise<void> {
    this.#servesAlone = true;
    await this.open(listens);
  }

  /** Stops listening and waits until what came in is finished, at most `graceMs`. */
  async close(graceMs: number): Promise<void> {
    this.#bound.clear();
    await this.#options.server.close(graceMs);
  }

  #isOurs({ unix }: ListenFacts): boolean {
    return this.#servesAlone || (unix === null && (this.#options.sharesPorts ?? SHARES_PORTS));
  }

  async #listen(address: string, { unix, proxyProtocol }: ListenFacts): Promise<string> {
    const target: ListenTarget = unix !== null
      ? { path: unix.path, mode: unix.mode }
      : { ...splitAddress(address), reusePort: this.#options.sharesPorts ?? SHARES_PORTS };
    try {
      const { server, handlerFor } = this.#options;
      return await server.listen(target, handlerFor(address), { hasProxyHeader: proxyProtocol });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`Cannot listen on ${address}: ${reason}`, { cause: error });
    }
  }
}
