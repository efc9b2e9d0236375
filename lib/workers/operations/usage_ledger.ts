import { messageOf } from "../../errors.ts";
import type { Logger } from "../../logging/logger.ts";
import { hitsOf, type ListenerCounts, type WorkerCounts } from "../../metrics/gateway_metrics.ts";
import type { LateStateStore } from "../../state/late_state_store.ts";

/** What a client used of a listener on one day. */
export interface UsageRow {
  /** In UTC, as `2026-01-31`. */
  readonly day: string;
  readonly listener: string;
  /** Name of its token in the configuration; `null` for requests without one. */
  readonly client: string | null;
  readonly requests: number;
  /** Those of them that the cache answered. */
  readonly hits: number;
  /** Of content, sent. */
  readonly bytes: number;
}

/** What is counted of one client. */
type Amount = Pick<UsageRow, "requests" | "hits" | "bytes">;

/** Amounts by listener and client, as {@linkcode nameOf} joins them. */
type Amounts = Map<string, Amount>;

/** Days that are kept. */
export const USAGE_DAYS = 400;
/** Names that one day holds at most; what comes under others is added up under the listener `*`. */
const MAX_NAMES = 5_000;
const WRITE_EVERY_MS = 60_000;
const DAY_MS = 24 * 3_600_000;

const NONE: Amount = { requests: 0, hits: 0, bytes: 0 };

/** Options of {@linkcode UsageLedger}. */
export interface UsageLedgerOptions {
  readonly state: LateStateStore;
  readonly logger: Logger;
  readonly now: () => number;
}

/**
 * What each client uses of each listener, by day, kept over restarts. What workers have counted since their start is taken as the
 * difference to the time before, so that nothing counts twice: not after a reload, nor after the death of a worker.
 */
export class UsageLedger {
  readonly #options: UsageLedgerOptions;
  /** As counted until now, since the start of the process. */
  #counted: Amounts = new Map();
  /** By day, what is not written yet. */
  #unwritten = new Map<string, Amounts>();
  #writtenMs: number;
  #tidiedDay = "";
  /** Reads and writes are made one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: UsageLedgerOptions) {
    this.#options = options;
    this.#writtenMs = options.now();
  }

  /** Takes what all workers have counted since the start of the process; about once a second. Writes it down once a minute. */
  record(counts: WorkerCounts): void {
    const nowMs = this.#options.now();
    const counted = amountsOf(counts);
    const day = dayOf(nowMs);
    for (const [name, amount] of counted) {
      const used = difference(amount, this.#counted.get(name) ?? NONE);
      if (used.requests > 0 || used.bytes > 0) this.#add(day, name, used);
    }
    this.#counted = counted;
    if (nowMs - this.#writtenMs < WRITE_EVERY_MS && nowMs >= this.#writtenMs) return;
    this.#writtenMs = nowMs;
    void this.write();
  }

  /** Writes down what is counted; trouble is logged, and the next time tries again. */
  write(): Promise<void> {
    return this.#inTurn(() => this.#write());
  }

  /** What was used on the last `days` days, this one included; the newest first. */
  rows(days: number): Promise<UsageRow[]> {
    return this.#inTurn(async () => {
      const nowMs = this.#options.now();
      const rows: UsageRow[] = [];
      for (let ago = 0; ago < Math.min(days, USAGE_DAYS); ago++) {
        const day = dayOf(nowMs - ago * DAY_MS);
        const amounts = sumOf(await this.#stored(day), this.#unwritten.get(day) ?? new Map());
        rows.push(...[...amounts].map(([name, amount]) => ({ day, ...partsOf(name), ...amount })).sort(byRequests));
      }
      return rows;
    });
  }

  async #write(): Promise<void> {
    const { state, logger } = this.#options;
    if (!state.isAttached) return this.#forgetOld();
    for (const [day, unwritten] of [...this.#unwritten]) {
      const amounts = new Map(unwritten);
      try {
        const all = sumOf(await this.#stored(day), amounts);
        await state.set([{
          key: ["usage", day],
          value: [...all].map(([name, amount]) => [name, ...valuesOf(amount)]),
        }]);
        // What has come meanwhile is not part of it.
        const left = leftOf(unwritten, amounts);
        if (left.size === 0) this.#unwritten.delete(day);
        else this.#unwritten.set(day, left);
      } catch (error) {
        return logger.warn("What clients have used cannot be written down yet", { problem: messageOf(error) });
      }
    }
    await this.#tidy();
  }

  /** Removes the days that are over, once a day. */
  async #tidy(): Promise<void> {
    const { state, now } = this.#options;
    const today = dayOf(now());
    if (today === this.#tidiedDay) return;
    const oldest = dayOf(now() - (USAGE_DAYS - 1) * DAY_MS);
    for await (const { key } of state.list(["usage"])) if (String(key[1]) < oldest) await state.delete(key);
    this.#tidiedDay = today;
  }

  /** There may never be a file to write to. */
  #forgetOld(): void {
    const oldest = dayOf(this.#options.now() - (USAGE_DAYS - 1) * DAY_MS);
    for (const day of this.#unwritten.keys()) if (day < oldest) this.#unwritten.delete(day);
  }

  async #stored(day: string): Promise<Amounts> {
    const { state } = this.#options;
    return state.isAttached ? amountsIn(await state.get(["usage", day])) : new Map();
  }

  #add(day: string, name: string, used: Amount): void {
    let amounts = this.#unwritten.get(day);
    if (amounts === undefined) this.#unwritten.set(day, amounts = new Map());
    addTo(amounts, name, used);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return turn;
  }
}

/** Requests of named clients, and under no name what is left of the listener's. */
function amountsOf({ listeners }: WorkerCounts): Amounts {
  const amounts: Amounts = new Map();
  for (const [listener, counts] of Object.entries(listeners)) {
    let rest: Amount = { requests: counts.requests, hits: hitsOf(counts), bytes: counts.responseBytes };
    for (const client of Object.keys(counts.clients)) {
      const used = clientAmount(counts, client);
      amounts.set(nameOf(listener, client), used);
      rest = difference(rest, used);
    }
    amounts.set(nameOf(listener, null), rest);
  }
  return amounts;
}

function clientAmount({ clients, clientHits, clientBytes }: ListenerCounts, client: string): Amount {
  return { requests: clients[client] ?? 0, hits: clientHits[client] ?? 0, bytes: clientBytes[client] ?? 0 };
}

/** What has come since; all of it where less is counted than before: then it was counted anew. */
function difference(now: Amount, before: Amount): Amount {
  if (now.requests < before.requests || now.bytes < before.bytes) return now;
  return {
    requests: now.requests - before.requests,
    hits: Math.max(0, now.hits - before.hits),
    bytes: now.bytes - before.bytes,
  };
}

function sumOf(one: Amounts, other: Amounts): Amounts {
  const sum = new Map(one);
  for (const [name, amount] of other) addTo(sum, name, amount);
  return sum;
}

function leftOf(now: Amounts, written: Amounts): Amounts {
  const left = [...now].map(([name, amount]) => [name, difference(amount, written.get(name) ?? NONE)] as const);
  return new Map(left.filter(([, { requests, bytes }]) => requests > 0 || bytes > 0));
}

function addTo(amounts: Amounts, name: string, used: Amount): void {
  const known = amounts.has(name) || amounts.size < MAX_NAMES ? name : nameOf("*", null);
  const { requests, hits, bytes } = amounts.get(known) ?? NONE;
  amounts.set(known, { requests: requests + used.requests, hits: hits + used.hits, bytes: bytes + used.bytes });
}

/** What {@linkcode UsageLedger} has written for a day. */
function amountsIn(value: unknown): Amounts {
  const amounts: Amounts = new Map();
  for (const row of Array.isArray(value) ? value : []) {
    const [name, requests, hits, bytes] = row as [string, number, number, number];
    amounts.set(name, { requests, hits, bytes });
  }
  return amounts;
}

function valuesOf({ requests, hits, bytes }: Amount): number[] {
  return [requests, hits, bytes];
}

/** Names of listeners and clients hold no line feed. */
function nameOf(listener: string, client: string | null): string {
  return client === null ? listener : `${listener}\n${client}`;
}

function partsOf(name: string): Pick<UsageRow, "listener" | "client"> {
  const [listener = "", client = null] = name.split("\n");
  return { listener, client };
}

function byRequests(one: UsageRow, other: UsageRow): number {
  return other.requests - one.requests || (one.listener < other.listener ? -1 : 1);
}

function dayOf(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10);
}
