import { pause, within } from "../clock.ts";
import { messageOf } from "../errors.ts";
import { BusAcks, type SentMessage } from "./_bus_acks.ts";
import { BusReader } from "./_bus_reader.ts";
import { BEAT, LEAVE, MEMBERS, REPORT, SEND } from "./_bus_scripts.ts";
import { Lease, leaseMoment } from "./_lease.ts";
import type { BusListener, BusMember, BusState } from "./bus_listener.ts";
import { type BusMessage, BusSeal, readBell, type ReceivedMessage } from "./bus_message.ts";
import { type BusNames, busNames, idOfPosition } from "./bus_names.ts";
import { type Engine, EngineError, type EngineReply } from "./engine.ts";

/** Entries of the stream that are kept. */
const MAX_ENTRIES = 20_000;
/** Times that a lease is renewed before it is over. */
const BEATS_A_LEASE = 5;
/** Reports of that time are one. */
const REPORT_MS = 10;
/** A member without a lease is shown for so long. */
const REMEMBERED_MS = 600_000;
/** Attempts to come to the end of the stream while others write to it. */
const MAX_TURNS = 100;

/** What a bus is made of. */
export interface BusOptions {
  readonly engine: Engine;
  /** Of the cluster. */
  readonly name: string;
  readonly secret: string;
  /** Name of this gateway. */
  readonly member: string;
  readonly leaseMs: number;
  /** The position up to which all was applied; 0 where nothing is known. */
  readonly position: number;
  readonly listener: BusListener;
  readonly onTrouble: (what: string, problem: string) => void;
}

/**
 * The way between the gateways of a cluster: a stream that keeps messages in order, and a doorbell that carries each to those who listen.
 * A member that has applied all has a lease; one that has none knows that it may have missed something.
 */
export class ClusterBus {
  readonly #options: BusOptions;
  readonly #names: BusNames;
  readonly #seal: BusSeal;
  readonly #lease = new Lease();
  readonly #reader: BusReader;
  readonly #acks: BusAcks;
  readonly #ending = new AbortController();
  readonly #unsubscribe: (() => void)[];
  #head = 0;
  #members = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #reporting: ReturnType<typeof setTimeout> | undefined;
  #ackTo = new Set<string>();
  #beating: Promise<boolean> | null = null;
  #wasLive = false;

  constructor(options: BusOptions) {
    const { engine, name, secret, member, listener, position } = options;
    this.#options = options;
    this.#names = busNames(name);
    this.#seal = new BusSeal(secret, name);
    this.#reader = new BusReader({
      ...{ position, listener, seal: this.#seal, onTrouble: options.onTrouble },
      read: (after, count) => engine.readStream(this.#names.stream, { after, count }),
      onApplied: (messages) => this.#report(messages),
    });
    this.#acks = new BusAcks(() => this.members());
    this.#unsubscribe = [
      engine.subscribe(this.#names.bell, (bytes) => this.#hear(bytes)),
      engine.subscribe(this.#names.acks(member), (bytes) => this.#acks.hear(new TextDecoder().decode(bytes))),
      engine.watch(({ connection, isHearing }) => {
        if (connection === "ready" && isHearing && !this.isLive) void this.beat();
      }),
    ];
  }

  /** Whether every purge is known here whose call has returned. */
  get isLive(): boolean {
    return !this.#lease.isOver;
  }

  get state(): BusState {
    const { position } = this.#reader;
    return { isLive: this.isLive, position, head: Math.max(this.#head, position), members: this.#members };
  }

  /** Reads what was missed and takes a lease; whether that was done within `timeoutMs`. It goes on in any case. */
  async join(timeoutMs: number): Promise<boolean> {
    const isIn = await within(
      this.#options.engine.ready(timeoutMs).then((ready) => ready && this.beat()),
      timeoutMs,
      false,
    );
    this.#schedule();
    return isIn;
  }

  /**
   * Appends messages, behind `known` and all that is in the stream, and rings.
   *
   * @throws {EngineError} where the engine does not take them; where it is late they may have been sent
   */
  async send(messages: readonly BusMessage[], known: number): Promise<SentMessage> {
    const { engine, member } = this.#options;
    const { body, code } = this.#seal.close(member, messages);
    const { stream, members, bell } = this.#names;
    const least = Math.max(known, this.#reader.position);
    const sent = leaseMoment();
    const reply = listOf(await engine.script(SEND, [stream, members], [least, bell, MAX_ENTRIES, body, code]));
    const nowMs = Number(textOf(reply[2]));
    const others = scoresOf(reply[1]).filter(([name]) => name !== member);
    return {
      position: Number(textOf(reply[0])),
      sentAtMs: sent.atMs,
      living: others.filter(([, untilMs]) => untilMs > nowMs).map(([name]) => name),
      expired: others.filter(([, untilMs]) => untilMs <= nowMs).map(([name]) => name),
    };
  }

  /** Waits until every member that lives has applied a message, or its lease is over. */
  applied(sent: SentMessage): Promise<{ readonly applied: readonly string[]; readonly expired: readonly string[] }> {
    return this.#acks.wait(sent, this.#options.leaseMs);
  }

  /** All members, by name. @throws {EngineError} */
  async members(): Promise<readonly BusMember[]> {
    const { members, positions } = this.#names;
    const reply = listOf(await this.#options.engine.script(MEMBERS, [members, positions], []));
    const at = new Map(scoresOf(reply[1]));
    const nowMs = Number(textOf(reply[2]));
    return scoresOf(reply[0]).map(([name, untilMs]) => ({
      ...{ name, leaseMs: untilMs - nowMs },
      position: at.get(name) ?? 0,
    })).sort((a, b) => a.name < b.name ? -1 : 1);
  }

  /** Renews the lease, and reads what is new; whether the lease holds then. */
  beat(): Promise<boolean> {
    return this.#beating ??= this.#beat().finally(() => {
      this.#beating = null;
      this.#tell();
    });
  }

  /** Gives the lease back: nobody waits for this member any more. */
  async close(): Promise<void> {
    this.#ending.abort();
    clearTimeout(this.#timer);
    clearTimeout(this.#reporting);
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#lease.end();
    this.#tell();
    const { members, positions } = this.#names;
    const left = this.#options.engine.script(LEAVE, [members, positions], [this.#options.member]);
    // Without it others wait for the end of the lease.
    await within(left, 500, null).catch(() => {});
  }

  #schedule(): void {
    const { leaseMs } = this.#options;
    if (this.#ending.signal.aborted) return;
    // At the end of the lease too: what serves by it has to hear of that.
    const nextMs = leaseMs / BEATS_A_LEASE;
    this.#timer = setTimeout(async () => {
      this.#tell();
      await within(this.beat(), nextMs, false);
      this.#schedule();
    }, Math.min(nextMs, this.isLive ? this.#lease.leftMs + 1 : nextMs));
  }

  async #beat(): Promise<boolean> {
    try {
      for (let turn = 0; turn < MAX_TURNS && !this.#ending.signal.aborted; turn++) {
        const before = this.#reader.position;
        if (await this.#renew(before)) return true;
        await this.#reader.catchUp();
        if (this.#reader.position === before) await pause(REPORT_MS, this.#ending.signal);
      }
    } catch (error) {
      if (!(error instanceof EngineError)) this.#options.onTrouble("The bus cannot be read", messageOf(error));
    }
    return this.isLive;
  }

  /** Whether the lease holds, with all applied that there is. */
  async #renew(position: number): Promise<boolean> {
    const { engine, member, leaseMs } = this.#options;
    const { stream, members, positions } = this.#names;
    const sent = leaseMoment();
    const args = [member, leaseMs, position, idOfPosition(position), REMEMBERED_MS];
    const reply = listOf(await engine.script(BEAT, [stream, members, positions], args, { isUrgent: true }));
    const [nowMs, sinceMs, head, count] = reply.map((value) => Number(textOf(value))) as [
      number,
      number,
      number,
      number,
    ];
    this.#head = head;
    this.#members = count;
    if (head < position) {
      await this.#reader.mend();
      // Behind all that was ever applied here: what comes next is to be newer.
      if (head < position) await this.send([{ kind: "tick", data: null }], position);
      return false;
    }
    if (sinceMs > 0) this.#lease.renew(sent, leaseMs - (nowMs - sinceMs));
    return head === position && this.isLive;
  }

  #hear(bytes: Uint8Array): void {
    const rung = readBell(bytes);
    if (rung === null) return this.#options.onTrouble("A message of the bus was not taken", "it is none");
    this.#head = Math.max(this.#head, rung.position);
    this.#reader.ring(rung);
  }

  #report(messages: readonly ReceivedMessage[]): void {
    for (const { from } of messages) if (from !== this.#options.member) this.#ackTo.add(from);
    this.#reporting ??= setTimeout(() => {
      this.#reporting = undefined;
      const { engine, member } = this.#options;
      const channels = [...this.#ackTo].map((name) => this.#names.acks(name));
      this.#ackTo = new Set();
      // Should it be lost, the next beat says it.
      engine.script(REPORT, [this.#names.positions], [member, this.#reader.position, ...channels]).catch(() => {});
    }, REPORT_MS);
  }

  #tell(): void {
    const isLive = this.isLive;
    if (isLive || this.#wasLive) this.#options.listener.onLease(this.#lease.wallMs);
    this.#wasLive = isLive;
  }
}

function listOf(reply: EngineReply): readonly EngineReply[] {
  if (Array.isArray(reply)) return reply;
  throw new EngineError("wrong", "the engine answered no list");
}

function textOf(reply: EngineReply | undefined): string {
  if (reply instanceof Uint8Array) return new TextDecoder().decode(reply);
  return String(reply);
}

/** Names and numbers, one after the other. */
function scoresOf(reply: EngineReply | undefined): (readonly [name: string, score: number])[] {
  const parts = listOf(reply ?? null).map(textOf);
  return Array.from({ length: parts.length / 2 }, (_, n) => [parts[n * 2]!, Number(parts[n * 2 + 1])]);
}
