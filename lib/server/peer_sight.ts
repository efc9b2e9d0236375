import type { Arrival } from "./arrival.ts";
import { UNIX_PEER } from "./listen_target.ts";

/** Where connections came from, as far as it tells whether a proxy hides the clients. Plain data. */
export interface PeerFigures {
  /** Connections of addresses that are not trusted. */
  readonly connections: number;
  /** Those of them whose first request names another client in `X-Forwarded-For` or `Forwarded`. */
  readonly forwarding: number;
  /** Connections of trusted proxies. */
  readonly trusted: number;
  /** The one address that all connections came from; `null` where there are several or none. */
  readonly only: string | null;
}

/** Notes where connections come from, by the first request of each. It holds one address at most. */
export class PeerSight {
  readonly #isTrusted: (address: string) => boolean;
  #connections = 0;
  #forwarding = 0;
  #trusted = 0;
  #only: string | null = null;
  #areSeveral = false;

  constructor(isTrusted: (address: string) => boolean) {
    this.#isTrusted = isTrusted;
  }

  /** Begins anew: whom to trust has changed. */
  clear(): void {
    this.#connections = this.#forwarding = this.#trusted = 0;
    this.#only = null;
    this.#areSeveral = false;
  }

  /** What was seen since the start, or since it began anew. */
  figures(): PeerFigures {
    return {
      connections: this.#connections,
      forwarding: this.#forwarding,
      trusted: this.#trusted,
      only: this.#only,
    };
  }

  /** Notes the first request of a connection. */
  note({ connection: { peer }, fields }: Pick<Arrival, "connection" | "fields">): void {
    // A unix socket's peer has no address.
    if (peer === UNIX_PEER) return;
    if (this.#isTrusted(peer)) {
      this.#trusted++;
      return;
    }
    this.#connections++;
    if (fields.header("x-forwarded-for") !== null || fields.header("forwarded") !== null) this.#forwarding++;
    if (this.#areSeveral || peer === this.#only) return;
    this.#areSeveral = this.#only !== null;
    this.#only = this.#areSeveral ? null : peer;
  }
}

/** The figures of several servers together. */
export function joinedPeers(all: readonly PeerFigures[]): PeerFigures {
  const seen = all.filter(({ connections }) => connections > 0);
  const [first] = seen;
  const sum = (of: (one: PeerFigures) => number) => all.reduce((total, one) => total + of(one), 0);
  return {
    connections: sum(({ connections }) => connections),
    forwarding: sum(({ forwarding }) => forwarding),
    trusted: sum(({ trusted }) => trusted),
    only: first !== undefined && seen.every(({ only }) => only === first.only) ? first.only : null,
  };
}
