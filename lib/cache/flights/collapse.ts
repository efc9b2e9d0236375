import { type Clock, elapsedMs } from "../../clock.ts";
import type { FillBudget } from "./fill.ts";
import { Flight, type FlightResult } from "./flight.ts";
import type { Lease, LeaseTable } from "./lease_table.ts";
import { PeerFlights } from "./peer_flights.ts";
import { ttlMs } from "../policy/reuse.ts";
import { heldBytes, type StoredResponse } from "../stored_response.ts";
import { KEY_SEPARATOR } from "../key.ts";
import { primaryKeyOf, varyMarker } from "../variants.ts";

/** How long after a flight this worker answers the others for its key at least, so that the disk tier's write can be made. */
const LINGER_MS = 1_000;
/** Limits of what lingers; the oldest are removed first. */
const MAX_LINGERING = 1_000;
const MAX_LINGERING_BYTES = 32 * 1024 * 1024;
/** Keys that are remembered as not to be shared. */
const MAX_SOLO_KEYS = 10_000;

/** Options of a collapse. */
export interface CollapseOptions {
  readonly leases: LeaseTable;
  readonly clock: Clock;
  /** How long a request waits for another's fetch before it fetches for itself. */
  readonly timeoutMs: number;
  /** Limit of the bodies being received from other workers. */
  readonly budget: FillBudget;
  /** Takes over a response that another worker has fetched and stored. */
  readonly adopt: (response: StoredResponse) => void;
  /** Whether what this worker has stored under a key still waits to be written where the others look. */
  readonly isOnItsWay: (key: string) => boolean;
}

/** The part of a request that needs an upstream. */
export type Entry =
  /** Fetch, and tell the flight. */
  | { readonly role: "leader"; readonly flight: Flight }
  /** Wait for the result; `solo` when it takes too long. */
  | { readonly role: "follower"; readonly result: Promise<FlightResult> }
  /** Fetch for itself: the key is known not to be shared. */
  | { readonly role: "solo" };

interface Lingering {
  readonly lease: Lease;
  readonly response: StoredResponse;
  readonly bytes: number;
  /** By {@linkcode elapsedMs}. */
  readonly untilMs: number;
  /** When it is no longer fresh: it must not be given out unjudged after that. */
  readonly freshUntilMs: number;
}

/** One flight per key: within the worker by a map, across workers by leases and peers. */
export class Collapse {
  /** The way to the other workers. */
  readonly peers: PeerFlights;
  readonly #options: CollapseOptions;
  readonly #flights = new Map<string, Flight>();
  readonly #leases = new Map<Flight, Lease>();
  /** By key, oldest first. */
  readonly #lingering = new Map<string, Lingering>();
  #lingeringBytes = 0;
  readonly #solo = new SoloKeys();
  #sweep: ReturnType<typeof setTimeout> | undefined;

  constructor(options: CollapseOptions) {
    this.#options = options;
    this.peers = new PeerFlights({
      flightOf: (key) => this.#flights.get(key),
      heldOf: (key) => this.#heldOf(key),
      timeoutMs: options.timeoutMs,
      budget: options.budget,
    });
  }

  /** How long a request waits for another's fetch, in milliseconds. */
  get timeoutMs(): number {
    return this.#options.timeoutMs;
  }

  /** Flights under way in this worker. */
  get size(): number {
    return this.#flights.size;
  }

  /** Joins the key's flight or begins one. */
  enter(key: string): Entry {
    if (this.#solo.has(key, this.#options.clock)) return { role: "solo" };
    const own = this.#flights.get(key);
    if (own !== undefined) return { role: "follower", result: this.#within(own) };
    const lingering = this.#dropLingering(key);
    const answer = lingering === undefined
      ? this.#options.leases.acquire(key)
      : { kind: "held", lease: lingering.lease } as const;
    if (answer.kind === "taken") return { role: "follower", result: this.#joinPeer(answer.owner, key) };
    const flight = new Flight(key);
    this.#flights.set(key, flight);
    if (answer.kind === "held") this.#leases.set(flight, answer.lease);
    return { role: "leader", flight };
  }

  /**
   * Lets no further request join what is under way for a key and its variants, or has just ended: it is too old for those who come now.
   * The flights go on for those who wait already.
   */
  detach(key: string): void {
    const variants = key + KEY_SEPARATOR;
    const isMeant = (other: string) => other === key || other.startsWith(variants);
    for (const other of this.#flights.keys()) if (isMeant(other)) this.#flights.delete(other);
    for (const other of [...this.#lingering.keys()]) if (isMeant(other)) this.#release(other);
  }

  /**
   * The same for all keys, after a purge, but for what has just ended and is not purged: `keeps` tells. What is under way is not known
   * yet, so that all of it goes.
   */
  detachAll(keeps: (response: StoredResponse) => boolean): void {
    this.#flights.clear();
    for (const [key, { response }] of [...this.#lingering]) if (!keeps(response)) this.#release(key);
  }

  /** Ends a flight that this worker led. Call it when `stored` is in the store, or with `null` when nothing will be. */
  finish(flight: Flight, stored: StoredResponse | null): void {
    flight.land({ kind: "solo" });
    flight.claim?.end();
    const isCurrent = this.#flights.get(flight.key) === flight;
    if (isCurrent) this.#flights.delete(flight.key);
    const lease = this.#leases.get(flight);
    if (lease === undefined) return;
    this.#leases.delete(flight);
    if (stored === null || !isCurrent) this.#options.leases.release(lease);
    else this.#linger(flight.key, lease, stored);
  }

  /** Remembers that the response to a flight's key is not to be shared (hit-for-miss), here and in other gateways. */
  rememberSolo({ key, claim }: Flight, forMs: number): void {
    if (forMs <= 0) return;
    this.#solo.add(key, this.#options.clock.now() + forMs);
    claim?.solo(forMs);
  }

  /** Releases every lease and leaves the other workers. */
  close(): void {
    clearTimeout(this.#sweep);
    for (const key of [...this.#lingering.keys()]) this.#release(key);
    for (const lease of this.#leases.values()) this.#options.leases.release(lease);
    this.#leases.clear();
    this.peers.close();
  }

  #joinPeer(owner: number, key: string): Promise<FlightResult> {
    const flight = this.peers.join(owner, key);
    this.#flights.set(key, flight);
    this.#adoptWhole(flight).catch(() => {}).finally(() => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    });
    return flight.result;
  }

  /** Waits until another worker's response has come over whole, and keeps it. Rejects when it breaks off. */
  async #adoptWhole(flight: Flight): Promise<void> {
    const landed = await flight.result;
    if (landed.kind !== "shared") return;
    const response = landed.head.withBody(await landed.fill.whole(false));
    // Detached meanwhile: what it brings was purged or invalidated.
    if (this.#flights.get(flight.key) !== flight) return;
    if (response.selectedBy.length > 0) this.#options.adopt(varyMarker(primaryKeyOf(response), response));
    this.#options.adopt(response);
  }

  #within(flight: Flight): Promise<FlightResult> {
    if (flight.landed) return flight.result;
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve({ kind: "solo" }), this.#options.timeoutMs);
      flight.result.then((result) => {
        clearTimeout(timer);
        resolve(result);
      });
    });
  }

  #heldOf(key: string): StoredResponse | undefined {
    const lingering = this.#lingering.get(key);
    return lingering === undefined || this.#isOver(lingering) ? undefined : lingering.response;
  }

  /** A disk that is slow just now has more time. */
  #isOver({ untilMs, freshUntilMs, response }: Lingering): boolean {
    const nowMs = elapsedMs(this.#options.clock);
    return nowMs >= untilMs && (nowMs >= freshUntilMs || !this.#options.isOnItsWay(response.key));
  }

  #linger(key: string, lease: Lease, response: StoredResponse): void {
    const bytes = heldBytes(response);
    const { clock } = this.#options;
    // A request that comes after the response may use it only as long as it is fresh: nobody evaluates it again.
    const freshMs = response.freshness.alwaysValidate ? 0 : ttlMs(response, clock.now());
    if (freshMs <= 0 || bytes > MAX_LINGERING_BYTES) return this.#options.leases.release(lease);
    // A clock that is set back would let it linger, unjudged, for as long.
    const nowMs = elapsedMs(clock);
    const untilMs = nowMs + Math.min(LINGER_MS, freshMs);
    this.#lingering.set(key, { lease, response, bytes, untilMs, freshUntilMs: nowMs + freshMs });
    this.#lingeringBytes += bytes;
    while (this.#lingering.size > MAX_LINGERING || this.#lingeringBytes > MAX_LINGERING_BYTES) {
      this.#release(this.#lingering.keys().next().value!);
    }
    this.#sweep ??= setTimeout(() => this.#releaseOld(), LINGER_MS);
  }

  #dropLingering(key: string): Lingering | undefined {
    const lingering = this.#lingering.get(key);
    if (lingering === undefined) return undefined;
    this.#lingering.delete(key);
    this.#lingeringBytes -= lingering.bytes;
    return lingering;
  }

  #release(key: string): void {
    const lingering = this.#dropLingering(key);
    if (lingering !== undefined) this.#options.leases.release(lingering.lease);
  }

  #releaseOld(): void {
    for (const [key, lingering] of this.#lingering) if (this.#isOver(lingering)) this.#release(key);
    this.#sweep = this.#lingering.size === 0 ? undefined : setTimeout(() => this.#releaseOld(), LINGER_MS / 4);
  }
}

/** Keys of responses that are not to be shared, for a while. What was noted longest ago is forgotten by halves: that costs nothing. */
class SoloKeys {
  #young = new Map<string, number>();
  #old = new Map<string, number>();

  add(key: string, untilMs: number): void {
    if (this.#young.size >= MAX_SOLO_KEYS / 2) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, untilMs);
  }

  has(key: string, clock: Clock): boolean {
    const untilMs = this.#young.get(key) ?? this.#old.get(key);
    return untilMs !== undefined && untilMs > clock.now();
  }
}
