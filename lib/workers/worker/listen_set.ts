import { pause } from "../../clock.ts";
import { messageOf } from "../../errors.ts";
import { parseListenAddress } from "../../config/addresses.ts";
import type { TcpAddress } from "../../config/addresses.ts";
import type { ListenFacts } from "../../request/snapshot.ts";
import type { HttpServer } from "../../server/http_server.ts";
import { type ListenTarget, SHARES_PORTS } from "../../server/listen_target.ts";
import type { Handler } from "../../server/reply.ts";

/** Options of {@linkcode ListenSet}. */
export interface ListenSetOptions {
  readonly server: HttpServer;
  /** Makes the handler of an address. */
  readonly handlerFor: (address: string) => Handler;
  /** Whether several workers may listen on one address of host and port; else, and for unix sockets, one of them serves alone. */
  readonly sharesPorts?: boolean;
  /** Whether this worker is the one that serves what cannot be shared. */
  readonly servesAlone?: boolean;
  /** Told of what goes wrong with an address that is served already. */
  readonly onProblem?: (problem: string) => void;
}

/** A worker that has died may hold its sockets a moment longer. */
const TAKE_OVER_RETRY_MS = 50;
/** After so many tries it is one that hangs, whose sockets stay: its unix sockets are replaced. */
const TAKE_OVER_TRIES = 40;
const HOPELESS_RETRY_MS = 1_000;

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
  #replacesFile = false;
  #isClosed = false;
  #opening: Promise<void> = Promise.resolve();

  constructor(options: ListenSetOptions) {
    this.#options = options;
    this.#servesAlone = options.servesAlone ?? true;
  }

  /**
   * Listens on every address that it does not listen on yet.
   *
   * @throws {Error} naming the first address that cannot be used
   */
  open(listens: Listens): Promise<void> {
    // One call after the other: none may meet its own address half open.
    const opening = this.#opening.then(() => this.#openAll(listens));
    this.#opening = opening.catch(() => {});
    return opening;
  }

  async #openAll(listens: Listens): Promise<void> {
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
        this.#options.server.adjust(bound, { hasProxyHeader: facts.proxyProtocol, tls: facts.tls });
        if (facts.unix !== null) this.#setMode(facts.unix);
        continue;
      }
      this.#bound.delete(address);
      const closing: Promise<void> = this.#options.server.stopListening(bound).finally(() =>
        this.#closing.delete(closing)
      );
      this.#closing.add(closing);
    }
  }

  /**
   * This worker serves from now on what only one worker can, in the place of one that has died; `listens` gives the addresses of the
   * moment. Settles when it does: a socket that cannot be replaced is tried again for as long as it takes.
   */
  async serveAlone(listens: () => Listens): Promise<void> {
    this.#servesAlone = true;
    for (let tries = 1; !this.#isClosed; tries++) {
      this.#replacesFile = tries > TAKE_OVER_TRIES;
      try {
        await this.open(listens());
        break;
      } catch (error) {
        if (tries === TAKE_OVER_TRIES + 1) this.#options.onProblem?.(messageOf(error));
        const pauseMs = tries > TAKE_OVER_TRIES ? HOPELESS_RETRY_MS : TAKE_OVER_RETRY_MS;
        await pause(pauseMs);
      }
    }
    this.#replacesFile = false;
  }

  /**
   * This worker serves from now on what only one can, in the place of another process, whose unix sockets are replaced.
   *
   * @throws {Error} naming the first address that cannot be used
   */
  async takeOver(listens: Listens): Promise<void> {
    this.#servesAlone = true;
    this.#replacesFile = true;
    try {
      await this.open(listens);
    } finally {
      this.#replacesFile = false;
    }
  }

  /** Stops listening; settles when what came in is finished, but after `ms` at the latest, and cuts nothing off. */
  async leave(ms: number): Promise<void> {
    this.#isClosed = true;
    this.#bound.clear();
    await this.#options.server.leave(ms);
  }

  /** An address of the configuration as it is bound; `undefined` where it is not listened on here. */
  boundAs(address: string): string | undefined {
    return this.#bound.get(address);
  }

  /** By address as configured: why no connection can be accepted there, or `null` where they can. */
  listening(): Record<string, string | null> {
    return Object.fromEntries(
      [...this.#bound].map(([address, bound]) => [address, this.#options.server.trouble(bound)]),
    );
  }

  /** Stops listening and waits until what came in is finished, at most `graceMs`. */
  async close(graceMs: number): Promise<void> {
    this.#isClosed = true;
    this.#bound.clear();
    await this.#options.server.close(graceMs);
  }

  /** Somebody may have removed the file: no reason to leave a reload half done. */
  #setMode({ path, mode }: NonNullable<ListenFacts["unix"]>): void {
    try {
      Deno.chmodSync(path, mode);
    } catch (error) {
      this.#options.onProblem?.(`Cannot set the mode of unix:${path}: ${messageOf(error)}`);
    }
  }

  #isOurs({ unix }: ListenFacts): boolean {
    return this.#servesAlone || (unix === null && (this.#options.sharesPorts ?? SHARES_PORTS));
  }

  async #listen(address: string, { unix, proxyProtocol, tls }: ListenFacts): Promise<string> {
    const target: ListenTarget = unix !== null
      ? { path: unix.path, mode: unix.mode, replacesFile: this.#replacesFile }
      : { ...tcpAddress(address), reusePort: this.#options.sharesPorts ?? SHARES_PORTS };
    const { server, handlerFor } = this.#options;
    return await server.listen(target, handlerFor(address), { hasProxyHeader: proxyProtocol, tls });
  }
}

function tcpAddress(address: string): TcpAddress {
  const parsed = parseListenAddress(address);
  if (parsed === null) throw new Error(`Cannot listen on "${address}": it is no address and port`);
  return parsed;
}
