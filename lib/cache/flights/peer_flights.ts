import { type ErrorCode, GatewayError, type GatewayErrorOptions, messageOf } from "../../errors.ts";
import { listenerOfKey } from "../store.ts";
import { Fill, type FillBudget } from "./fill.ts";
import { Flight, type FlightResult } from "./flight.ts";
import { decodeHead, encodeRecord } from "../record.ts";
import type { StoredResponse } from "../stored_response.ts";

/** Messages between workers about flights; `id` is chosen by the worker that joins. */
type PeerMessage =
  | { readonly type: "join"; readonly id: number; readonly key: string }
  /** Nobody reads what was joined any more; it goes on as long as its holder wants it. */
  | { readonly type: "leave"; readonly id: number }
  | HeadMessage
  | { readonly type: "chunk"; readonly id: number; readonly bytes: Uint8Array }
  | { readonly type: "solo"; readonly id: number }
  | { readonly type: "failed"; readonly id: number; readonly failure: PeerFailure };

type HeadMessage = {
  readonly type: "head";
  readonly id: number;
  /** The response's record; see `record.ts`. */
  readonly record: ArrayBuffer;
  readonly lengthBytes: number;
};

/** An error in a message between workers: messages carry no classes, and clients are answered by the code. */
type PeerFailure = { readonly message: string; readonly code: ErrorCode | null; readonly options: GatewayErrorOptions };

/** Options of flights between workers. */
export interface PeerFlightsOptions {
  /** The flight of a key in this worker, if one is under way. */
  readonly flightOf: (key: string) => Flight | undefined;
  /** A response that this worker holds in memory. */
  readonly heldOf: (key: string) => StoredResponse | undefined;
  /** How long a join waits for the first answer, in milliseconds. */
  readonly timeoutMs: number;
  /** Limit of the bodies being received from other workers; where there is no room, a join lands as `solo`. */
  readonly budget: FillBudget;
}

interface Joined {
  readonly flight: Flight;
  readonly peer: number;
  readonly timer: ReturnType<typeof setTimeout>;
  fill: Fill | null;
}

/**
 * Flights across workers: a worker that finds a key's lease taken asks the owner over a message port, and the owner streams the
 * response along as it comes in. The asking worker sees a flight like its own.
 */
export class PeerFlights {
  readonly #options: PeerFlightsOptions;
  readonly #ports = new Map<number, MessagePort>();
  readonly #joined = new Map<number, Joined>();
  /** Bodies being sent to other workers whose clients still read, by port and the other side's id. */
  readonly #lent = new Map<MessagePort, Map<number, Fill>>();
  #nextId = 1;

  constructor(options: PeerFlightsOptions) {
    this.#options = options;
  }

  /** Takes the port to a worker; a worker that was restarted comes with a new one. */
  connect(peer: number, port: MessagePort): void {
    this.#leave(peer);
    this.#ports.set(peer, port);
    this.#lent.set(port, new Map());
    port.onmessage = (event: MessageEvent<PeerMessage>) => this.#receive(peer, port, event.data);
  }

  /** The worker is gone: nothing more comes from it, so that requests that wait for it fetch for themselves at once. */
  disconnect(peer: number): void {
    this.#leave(peer);
  }

  /** A flight led by another worker. Without an answer in time it lands as `solo`. */
  join(peer: number, key: string): Flight {
    const flight = new Flight(key);
    const port = this.#ports.get(peer);
    if (port === undefined) {
      flight.land({ kind: "solo" });
      return flight;
    }
    const id = this.#nextId++;
    const timer = setTimeout(() => this.#land(id, { kind: "solo" }), this.#options.timeoutMs);
    this.#joined.set(id, { flight, peer, timer, fill: null });
    port.postMessage({ type: "join", id, key } satisfies PeerMessage);
    return flight;
  }

  /** Closes every port. */
  close(): void {
    for (const peer of [...this.#ports.keys()]) this.#leave(peer);
  }

  /** Closes the port to a worker and ends what is received and sent over it. */
  #leave(peer: number): void {
    const port = this.#ports.get(peer);
    port?.close();
    this.#ports.delete(peer);
    this.#failAll(peer);
    if (port === undefined) return;
    for (const fill of this.#lent.get(port)?.values() ?? []) fill.leave();
    this.#lent.delete(port);
  }

  #receive(peer: number, port: MessagePort, message: PeerMessage): void {
    if (message.type === "join") return void this.#answer(port, message.id, message.key);
    if (message.type === "leave") return this.#unlend(port, message.id);
    const joined = this.#joined.get(message.id);
    if (joined === undefined || joined.peer !== peer) return;
    switch (message.type) {
      case "head":
        this.#begin(port, joined, message);
        break;
      case "chunk":
        this.#take(message.id, joined, message.bytes);
        break;
      case "solo":
        this.#land(message.id, { kind: "solo" });
        break;
      case "failed":
        this.#land(message.id, { kind: "failed", error: revived(message.failure) });
    }
  }

  #begin(port: MessagePort, joined: Joined, { id, record, lengthBytes }: HeadMessage): void {
    const head = decodeHead(new Uint8Array(record));
    if (head === null || !this.#options.budget.reserve(lengthBytes, listenerOfKey(joined.flight.key))) {
      return this.#land(id, { kind: "solo" });
    }
    joined.fill = Fill.ofLength(lengthBytes);
    joined.fill.onAbandoned = () => port.postMessage({ type: "leave", id } satisfies PeerMessage);
    clearTimeout(joined.timer);
    joined.flight.land({ kind: "shared", head, fill: joined.fill });
    if (lengthBytes === 0) this.#end(id);
  }

  #take(id: number, { fill }: Joined, bytes: Uint8Array): void {
    try {
      fill?.push(bytes);
      if (fill?.body !== null) this.#end(id);
    } catch (error) {
      // Thrown on in a message handler, it would end this worker for what another one sent.
      this.#land(id, { kind: "failed", error: error as Error });
    }
  }

  #land(id: number, result: FlightResult): void {
    const joined = this.#end(id);
    if (joined === undefined) return;
    if (result.kind === "failed") joined.fill?.fail(result.error);
    joined.flight.land(result);
  }

  /** Nothing more is taken for this join; what its body had reserved is given back. */
  #end(id: number): Joined | undefined {
    const joined = this.#joined.get(id);
    if (joined === undefined) return undefined;
    this.#joined.delete(id);
    clearTimeout(joined.timer);
    if (joined.fill !== null) this.#options.budget.release(joined.fill.lengthBytes, listenerOfKey(joined.flight.key));
    return joined;
  }

  #failAll(peer: number): void {
    for (const [id, joined] of this.#joined) {
      if (joined.peer !== peer) continue;
      joined.fill?.fail(new Error("The worker that fetched the response has stopped"));
      this.#land(id, { kind: "solo" });
    }
  }

  /** Answers a join: with the flight's result as it comes in, or with what this worker holds, or with `solo`. */
  async #answer(port: MessagePort, id: number, key: string): Promise<void> {
    const send = (message: PeerMessage, ...moved: ArrayBuffer[]) => port.postMessage(message, moved);
    try {
      const result = await this.#resultOf(key);
      if (result.kind === "solo") return send({ type: "solo", id });
      if (result.kind === "failed") return send({ type: "failed", id, failure: portable(result.error) });
      const record = encodeRecord(result.head).buffer;
      send({ type: "head", id, record, lengthBytes: result.fill.lengthBytes }, record);
      const read = result.fill.reader();
      this.#lent.get(port)?.set(id, result.fill);
      for (let chunk = await read(); chunk !== null; chunk = await read()) {
        // A view would be sent with the whole array that it looks into; the copy is handed over without another one.
        const bytes = chunk.slice();
        send({ type: "chunk", id, bytes }, bytes.buffer);
      }
    } catch (error) {
      send({ type: "failed", id, failure: portable(error) });
    } finally {
      this.#lent.get(port)?.delete(id);
    }
  }

  /** Bodies sent over the port count as read by nobody there. */
  #unlend(port: MessagePort, id: number): void {
    const lent = this.#lent.get(port);
    lent?.get(id)?.leave();
    lent?.delete(id);
  }

  #resultOf(key: string): FlightResult | Promise<FlightResult> {
    const flight = this.#options.flightOf(key);
    if (flight !== undefined) return flight.result;
    const held = this.#options.heldOf(key);
    if (held === undefined) return { kind: "solo" };
    return { kind: "shared", head: held, fill: Fill.ofBody(held.body) };
  }
}

function portable(error: unknown): PeerFailure {
  const message = messageOf(error);
  if (!(error instanceof GatewayError)) return { message, code: null, options: {} };
  const { code, hint, retryAfterSeconds } = error;
  return { message, code, options: { hint, retryAfterSeconds: retryAfterSeconds ?? null } };
}

function revived({ message, code, options }: PeerFailure): Error {
  return code === null ? new Error(message) : new GatewayError(code, message, options);
}
