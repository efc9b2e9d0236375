import { type Engine, EngineError, type EngineReply, type EngineScript } from "./engine.ts";

/** What gateways count of clients is brought together so often: at 500 ms five of them would let a client have half as much again. */
const EVERY_MS = 100;
/** Later than that the gateways go on alone: each works with its part of the quotas. */
const DEADLINE_MS = 80;
/** Clients in one call, and calls in a turn. */
const MAX_CLIENTS = 500;
const MAX_CALLS = 4;
/** So often a gateway says that it is there, where it has nothing else to say; one that has not for three times as long is gone. */
const BEAT_MS = 1_000;
const GONE_MS = 3 * BEAT_MS;
/** Further ahead than this no client is (a day): numbers of Lua are exact to 2^53. */
const FURTHEST_US = 86_400_000_000n;

/** What a client has spent, as a table of clients tells it; see `SpentClient` there. */
export interface RatedClient {
  readonly key: bigint;
  readonly spentUs: bigint;
  readonly furthestUs: bigint;
}

/** The clients of this gateway; times are microseconds. */
export interface RatedClients<C extends RatedClient> {
  /** Those that have something to tell or ask. */
  take(max: number): readonly C[];
  /** All gateways together have spent a client's quota so far ahead. */
  raise(client: C, aheadUs: bigint, nowUs: bigint): void;
  /** It could not be told. */
  putBack(client: C): void;
  /** From now on quotas are divided by so many gateways, and what is spent of a part is not told; `null` for whole ones. */
  divide(gateways: number | null): void;
}

/** Options of {@linkcode ClientRates}. */
export interface ClientRatesOptions<C extends RatedClient> {
  readonly engine: Engine;
  /** Of the cluster. */
  readonly name: string;
  /** Of this gateway. */
  readonly member: string;
  readonly clients: RatedClients<C>;
  /** Gateways to reckon with before the engine has told of any. */
  readonly membersBefore: number;
  readonly onMembers?: (members: number) => void;
  /**
   * Where quotas read the time: milliseconds since the Unix epoch.
   * @default the machine's clock
   */
  readonly now?: () => number;
}

/** How the gateways' counts are brought together. */
export interface ClientRatesState {
  /** Whether this gateway goes by its part of the quotas alone. */
  readonly isAlone: boolean;
  /** Gateways that count clients together, as far as is known. */
  readonly members: number;
  /** Since all gateways' counts were last known; `null` before. */
  readonly ageMs: number | null;
  /** Clients that were told of. */
  readonly told: number;
}

/**
 * A client's time until which its quota is spent (GCRA), brought together from all gateways by the engine's clock: what each has spent
 * is added to one time. Answers with the members and how far ahead each client's time is.
 */
export const SPEND: EngineScript = {
  name: "spend",
  text: `
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
redis.call('ZADD', KEYS[1], now + ARGV[2] * 1000, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], 60000)
local reply = { redis.call('ZCARD', KEYS[1]) }
for i = 2, #KEYS do
  local spent, furthest = tonumber(ARGV[i * 2 - 1]), tonumber(ARGV[i * 2])
  local untilUs = tonumber(redis.call('GET', KEYS[i]) or '0')
  if untilUs < now then untilUs = now end
  if spent ~= 0 then
    untilUs = math.max(now, math.min(untilUs + spent, now + furthest))
    redis.call('SET', KEYS[i], string.format('%.0f', untilUs), 'PX', math.ceil((untilUs - now) / 1000) + 1000)
  end
  reply[i] = untilUs - now
end
return reply`,
};

/** Takes a gateway out at once. */
const LEAVE: EngineScript = { name: "leave rates", text: "return redis.call('ZREM', KEYS[1], ARGV[1])" };

/** Counts clients together with the other gateways. Requests wait for nothing: they are held against what is known here. */
export class ClientRates<C extends RatedClient> {
  readonly #options: ClientRatesOptions<C>;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #unwatch: () => void;
  #members: number;
  #isAlone = false;
  #isBusy = false;
  #knownAtMs: number | null = null;
  #beatAtMs = -Infinity;
  #told = 0;

  constructor(options: ClientRatesOptions<C>) {
    this.#options = options;
    this.#members = Math.max(1, options.membersBefore);
    if (options.engine.state().connection !== "ready") this.#goAlone();
    this.#unwatch = options.engine.watch(({ connection }) => {
      if (connection !== "ready") this.#goAlone();
    });
    this.#timer = setInterval(() => void this.turn(), EVERY_MS);
  }

  state(): ClientRatesState {
    const ageMs = this.#knownAtMs === null ? null : performance.now() - this.#knownAtMs;
    return { isAlone: this.#isAlone, members: this.#members, ageMs, told: this.#told };
  }

  /** Brings the counts together once. Never rejects. */
  async turn(): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      for (let calls = 0; calls < MAX_CALLS; calls++) if (await this.#call() < MAX_CLIENTS) break;
    } finally {
      this.#isBusy = false;
    }
  }

  /** Ends it, and tells the others. Never rejects. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#unwatch();
    const { engine, member } = this.#options;
    await engine.script(LEAVE, [this.#key("members")], [member], { isUrgent: true }).catch(() => {});
  }

  /** @returns how many clients were told of */
  async #call(): Promise<number> {
    const { engine, clients, member } = this.#options;
    const taken = clients.take(MAX_CLIENTS);
    const isDue = this.#isAlone || performance.now() - this.#beatAtMs >= BEAT_MS;
    if (taken.length === 0 && !isDue) return 0;
    const keys = [this.#key("members"), ...taken.map(({ key }) => this.#key(BigInt.asUintN(64, key).toString(36)))];
    const args = [
      ...[member, GONE_MS],
      ...taken.flatMap(({ spentUs, furthestUs }) => [String(clamped(spentUs)), String(clamped(furthestUs * 2n))]),
    ];
    try {
      const reply = await engine.script(SPEND, keys, args, { deadlineMs: DEADLINE_MS, isUrgent: true });
      this.#known(reply, taken);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      // It may have been counted all the same, if it was late only: the client is then told twice.
      for (const client of taken) clients.putBack(client);
      this.#goAlone();
      return 0;
    }
    return taken.length;
  }

  #known(reply: EngineReply, taken: readonly C[]): void {
    if (!Array.isArray(reply)) throw new EngineError("wrong", "the engine told of no clients");
    const [members, ...ahead] = reply;
    this.#knownAtMs = this.#beatAtMs = performance.now();
    this.#told += taken.length;
    if (typeof members === "number" && members > 0 && members !== this.#members) {
      this.#members = members;
      this.#options.onMembers?.(members);
    }
    if (this.#isAlone) {
      this.#isAlone = false;
      this.#options.clients.divide(null);
    }
    const nowUs = BigInt(this.#options.now?.() ?? Date.now()) * 1_000n;
    for (const [index, client] of taken.entries()) {
      const aheadUs = ahead[index];
      if (typeof aheadUs === "number" && aheadUs > 0) this.#options.clients.raise(client, BigInt(aheadUs), nowUs);
    }
  }

  #goAlone(): void {
    if (this.#isAlone) return;
    this.#isAlone = true;
    this.#options.clients.divide(this.#members);
  }

  #key(rest: string): string {
    return `u:${this.#options.name}:{rate}:${rest}`;
  }
}

function clamped(us: bigint): bigint {
  return us > FURTHEST_US ? FURTHEST_US : us < -FURTHEST_US ? -FURTHEST_US : us;
}
