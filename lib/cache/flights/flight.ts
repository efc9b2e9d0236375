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

/** One fetch that several requests wait for. */
export class Flight {
  readonly #result: Promise<FlightResult>;
  #resolve!: (result: FlightResult) => void;
  #landed = false;
  #isFollowed = false;

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
