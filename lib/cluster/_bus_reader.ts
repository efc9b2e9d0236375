import type { BusListener } from "./bus_listener.ts";
import type { BusSeal, ReceivedMessage, RungMessage } from "./bus_message.ts";
import { idOfPosition, positionOfId } from "./bus_names.ts";
import type { StreamEntry } from "./engine.ts";

/** Entries that are read at a time. */
const READ_AT_ONCE = 500;
/** Messages that have been rung and wait, at most; beyond that the stream is read. */
const MAX_RUNG = 1_000;
/** After a loss, so much of what is left is read again: others may have put back what was lost. */
const MEND_MS = 3_600_000;

/** Options of {@linkcode BusReader}. */
export interface BusReaderOptions {
  readonly position: number;
  readonly seal: BusSeal;
  readonly listener: BusListener;
  /** Entries of the stream behind an id, oldest first. */
  readonly read: (after: string, count: number) => Promise<readonly StreamEntry[]>;
  readonly onApplied: (messages: readonly ReceivedMessage[]) => void;
  readonly onTrouble: (what: string, problem: string) => void;
}

const decoder = new TextDecoder();

/**
 * Applies messages one after the other, and none twice: each tells the position before it, so that a gap is seen, and filled from the
 * stream.
 */
export class BusReader {
  readonly #options: BusReaderOptions;
  #position: number;
  readonly #rung: RungMessage[] = [];
  #turn: Promise<void> = Promise.resolve();
  #isDraining = false;

  constructor(options: BusReaderOptions) {
    this.#options = options;
    this.#position = options.position;
  }

  /** Everything up to here is applied. */
  get position(): number {
    return this.#position;
  }

  /** A message has been rung. */
  ring(message: RungMessage): void {
    if (this.#rung.length < MAX_RUNG) this.#rung.push(message);
    if (this.#isDraining) return;
    this.#isDraining = true;
    void this.#inTurn(() => this.#drain()).catch(() => {}).finally(() => this.#isDraining = false);
  }

  /** Reads and applies all that is behind the position. Rejects with what the engine rejects with. */
  catchUp(): Promise<void> {
    return this.#inTurn(() => this.#read());
  }

  /** The engine has less than was applied here: reads again what it has, and has what it lacks sent again. */
  mend(): Promise<void> {
    return this.#inTurn(() => this.#mend());
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  async #drain(): Promise<void> {
    while (this.#rung.length > 0) {
      const rung = this.#rung.splice(0);
      const received: ReceivedMessage[] = [];
      let last = this.#position;
      let isWhole = true;
      for (const { before, position, body, code } of rung) {
        if (position <= last) continue;
        const messages = before === last ? this.#open(position, body, code) : null;
        // Who rings need not be one of the cluster: what is in the stream counts.
        isWhole &&= messages !== null;
        if (messages === null) break;
        received.push(...messages);
        last = position;
      }
      if (last > this.#position) await this.#apply(received, last);
      if (!isWhole) await this.#read();
    }
  }

  async #read(): Promise<void> {
    while (true) {
      const entries = await this.#options.read(idOfPosition(this.#position), READ_AT_ONCE);
      if (entries.length === 0) return;
      const before = Number(fieldOf(entries[0]!, "p"));
      if (before < this.#position) return await this.#mend();
      // What was between is not kept any more.
      if (before > this.#position) await this.#options.listener.missed(before);
      await this.#applyEntries(entries);
      if (entries.length < READ_AT_ONCE) return;
    }
  }

  async #applyEntries(entries: readonly StreamEntry[]): Promise<readonly ReceivedMessage[]> {
    const received = entries.flatMap((entry) => {
      const body = entry.fields.get("b") ?? new Uint8Array();
      return this.#open(positionOfId(entry.id), body, fieldOf(entry, "c")) ?? [];
    });
    await this.#apply(received, positionOfId(entries.at(-1)!.id));
    return received;
  }

  async #mend(): Promise<void> {
    this.#options.onTrouble("The engine has lost messages of the bus", "what it lacks is sent again");
    const left: ReceivedMessage[] = [];
    let from = Math.max(0, this.#position - MEND_MS * 4096);
    let last = 0;
    while (true) {
      const entries = await this.#options.read(idOfPosition(from), READ_AT_ONCE);
      if (entries.length === 0) break;
      left.push(...await this.#applyEntries(entries));
      from = last = positionOfId(entries.at(-1)!.id);
    }
    this.#position = last;
    await this.#options.listener.lost(left);
  }

  async #apply(received: readonly ReceivedMessage[], position: number): Promise<void> {
    await this.#options.listener.apply(received);
    this.#position = position;
    this.#options.onApplied(received);
  }

  /** `null` for a message that is not the cluster's. */
  #open(position: number, body: Uint8Array, code: string): readonly ReceivedMessage[] | null {
    const messages = this.#options.seal.open(position, body, code);
    if (messages === null) this.#options.onTrouble("A message of the bus was not taken", "its code is wrong");
    return messages;
  }
}

function fieldOf({ fields }: StreamEntry, name: string): string {
  return decoder.decode(fields.get(name));
}
