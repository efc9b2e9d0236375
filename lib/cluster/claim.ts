import type { FlightClaim } from "../cache/flights/flight.ts";

/** How long a lease lasts, in milliseconds: so long others wait for a gateway that has died. */
export const LEASE_MS = 2_000;
/** How often it is renewed. */
const RENEW_EVERY_MS = 700;
/** After so many renewals it is left to end: nobody waits that long. */
const MAX_RENEWALS = 90;

/** What a claim does at the engine; nothing here rejects. */
export interface ClaimWork {
  /** `false` where the lease is another's by now. */
  readonly renew: (token: string) => Promise<boolean>;
  /** Gives the lease back, or has nobody wait for `soloMs`. */
  readonly release: (token: string, soloMs: number) => void;
  /** Called once, when the lease is of no more use here. */
  readonly ended: () => void;
}

/** The right of one gateway to fetch an entry for all: a lease, renewed while the fetch goes on. It saves requests; nothing else depends on it. */
export class Claim implements FlightClaim {
  readonly #work: ClaimWork;
  #state: "new" | "held" | "handed-over" | "ended" = "new";
  #timer: ReturnType<typeof setTimeout> | undefined;
  #renewals = 0;

  constructor(readonly token: string, work: ClaimWork) {
    this.#work = work;
  }

  /** The engine has given the lease. */
  hold(): void {
    if (this.#state !== "new") return;
    this.#state = "held";
    this.#renewLater();
  }

  /** The token, for the put that gives the lease back; `null` where there is none to give. */
  handOver(): string | null {
    if (this.#state !== "held") return null;
    this.#state = "handed-over";
    return this.token;
  }

  /** The put that it was handed over to was not made. */
  putFailed(): void {
    if (this.#state === "handed-over") this.#finish(0);
  }

  /** The put that it was handed over to was made. */
  putDone(): void {
    if (this.#state === "handed-over") this.#finish(null);
  }

  solo(forMs: number): void {
    if (this.#state === "held") this.#finish(Math.ceil(forMs));
  }

  end(): void {
    if (this.#state === "held") this.#finish(0);
  }

  #finish(soloMs: number | null): void {
    this.#state = "ended";
    clearTimeout(this.#timer);
    this.#work.ended();
    if (soloMs !== null) this.#work.release(this.token, soloMs);
  }

  #renewLater(): void {
    this.#timer = setTimeout(async () => {
      if (!await this.#work.renew(this.token) || ++this.#renewals >= MAX_RENEWALS) return;
      if (this.#state === "held" || this.#state === "handed-over") this.#renewLater();
    }, RENEW_EVERY_MS);
  }
}
