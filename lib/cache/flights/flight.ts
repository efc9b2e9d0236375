import type { Fill } from "./fill.ts";
import type { StoredHead } from "../stored_response.ts";

/** The result of a flight for the requests that wait for it. */
export type FlightResult =
  /** A response that may be shared; the body may still be coming in. */
  | { readonly kind: "shared"; readonly head: StoredHead; readonly fill: Fill }
  /** The response belongs to the request that led: every other one fetches for itself. */
  | { readonly kind: "solo" }
  /** No upstream answered. */
  | { readonly kind: "failed"; readonly error: Error };

/** The right to fetch for other gateways too, which wait for what comes of it. */
export interface FlightClaim {
  /** What comes is not for them, nor what comes for the key in the next `forMs` milliseconds: they wait no longer. */
  solo(forMs: number): void;
  /** The flight is over; what it brought may still be on its way to them. */
  end(): void;
}

/** One fetch that several requests wait for. */
export class Flight {
  readonly #result: Promise<FlightResult>;
  #resolve!: (result: FlightResult) => void;
  #landed = false;
  #isFollowed = false;
  /** `null` where no other gateway waits. */
  claim: FlightClaim | null = null;

  constructor(readonly key: string) {
    this.#result = new Promise((resolve) => this.#resolve = resolve);
  }

  /** The result, for one more that waits for it. */
  get result(): Promise<FlightResult> {
    this.#isFollowed = true;
    return this.#result;
  }

  /** Whether a request has ever waited for the result. */
  get isFollowed(): boolean {
    return this.#isFollowed;
  }

  /** Whether a result is known. */
  get landed(): boolean {
    return this.#landed;
  }

  /** Gives the result to all that wait; only the first call counts. */
  land(result: FlightResult): void {
    this.#landed = true;
    this.#resolve(result);
  }
}
