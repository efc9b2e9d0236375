import { type Engine, EngineError, type EngineReply, type EngineScript } from "./engine.ts";

/** So often gateways ask for their parts. */
const EVERY_MS = 250;
const DEADLINE_MS = 200;
/** A part that was not granted again for so long lapses. */
const LAPSE_MS = 3_000;
/** What a gateway that is cut off may still use is kept for it so long; then it counts as gone. */
const KEPT_MS = 300_000;
const MAX_RATES = 200;
const ONE = 1_000;

/** A rate that gateways share, as this one sees it; numbers are thousandths of a request per second. */
export interface SharedRatePart {
  /** The same at all gateways. */
  readonly id: string;
  /** Of all gateways together. */
  readonly max: number;
  /** Requests that wanted to be sent, so far; overflows at 32 bits. */
  readonly wanted: number;
  readonly granted: number;
  grant(part: number): void;
}

/** Options of {@linkcode RateShares}. */
export interface RateSharesOptions {
  readonly engine: Engine;
  /** Of the cluster. */
  readonly name: string;
  /** Of this gateway. */
  readonly member: string;
  /** All rates that are shared now. */
  readonly rates: () => readonly SharedRatePart[];
}

/** How the parts stand. */
export interface RateSharesState {
  readonly rates: number;
  /** Whether parts have lapsed, since the engine does not answer. */
  readonly isAlone: boolean;
  /** Gateways among which they are shared, as far as is known. */
  readonly members: number;
}

/**
 * Grants parts of rates that never add up to more than the whole: what another gateway uses, or may use while it is cut off, is taken
 * off first. What is left goes by demand. A part that shrinks is free for others once its gateway has said that it uses less.
 */
const GRANT: EngineScript = {
  name: "grant shares",
  text: `
local t = redis.call('TIME')
local now = math.floor(t[1] * 1000 + t[2] / 1000)
local me = ARGV[1]
local reply = {}
for i, key in ipairs(KEYS) do
  local max, demand, have = tonumber(ARGV[i * 3 - 1]), tonumber(ARGV[i * 3]), tonumber(ARGV[i * 3 + 1])
  local all = redis.call('HGETALL', key)
  local members, held, demands = 1, 0, demand
  for j = 1, #all, 2 do
    if all[j] ~= me then
      local part, kept, wanted, till = string.match(all[j + 1], '^(%d+) (%d+) (%d+) (%d+)$')
      till = tonumber(till)
      if now <= till then
        members = members + 1
        held = held + part
        demands = demands + wanted
      elseif now <= till + ${KEPT_MS} then
        members = members + 1
        held = held + kept
      else
        redis.call('HDEL', key, all[j])
      end
    end
  end
  local least = math.min(${ONE}, max / members)
  local byDemand = max - members * least
  local target = least + (demands > 0 and byDemand * demand / demands or byDemand / members)
  local grant = math.max(0, math.floor(math.min(target, max - held)))
  local kept = math.floor(math.min(grant, max / members))
  redis.call('HSET', key, me, string.format('%d %d %d %.0f', math.max(have, grant), kept, demand, now + ${LAPSE_MS}))
  redis.call('PEXPIRE', key, ${KEPT_MS + 10 * LAPSE_MS})
  reply[i * 2 - 1], reply[i * 2] = grant, members
end
return reply`,
};

const LEAVE: EngineScript = {
  name: "leave shares",
  text: "for _, key in ipairs(KEYS) do redis.call('HDEL', key, ARGV[1]) end",
};

/** Keeps this gateway's parts of rates that hold over all gateways: of keys and upstreams, whose owners ban who goes beyond. */
export class RateShares {
  readonly #options: RateSharesOptions;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #unwatch: () => void;
  /** Requests that had wanted to be sent at the last turn, by rate. */
  readonly #wanted = new Map<string, number>();
  /** Rates of which a part was granted. */
  readonly #granted = new Set<string>();
  #members = 1;
  #grantedAtMs: number | null = null;
  #isAlone = false;
  #isBusy = false;
  #turnAtMs = performance.now();

  constructor(options: RateSharesOptions) {
    this.#options = options;
    // The engine is not there: nothing is to be waited for.
    this.#unwatch = options.engine.watch(({ connection }) => {
      if (connection === "down" && this.#grantedAtMs === null) this.#lapse();
    });
    this.#timer = setInterval(() => void this.turn(), EVERY_MS);
  }

  state(): RateSharesState {
    return { rates: this.#options.rates().length, isAlone: this.#isAlone, members: this.#members };
  }

  /** Asks for all parts once. Never rejects. */
  async turn(): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      await this.#ask(this.#options.rates().slice(0, MAX_RATES));
    } finally {
      this.#isBusy = false;
    }
  }

  /** Ends it, and frees what this gateway had for the others. Never rejects. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#unwatch();
    const { engine, member, rates } = this.#options;
    const keys = rates().map(({ id }) => this.#key(id));
    if (keys.length > 0) await engine.script(LEAVE, keys, [member], { isUrgent: true }).catch(() => {});
  }

  async #ask(rates: readonly SharedRatePart[]): Promise<void> {
    if (rates.length === 0) return;
    const { engine, member } = this.#options;
    const sentAtMs = performance.now();
    const seconds = Math.max(0.001, (sentAtMs - this.#turnAtMs) / 1_000);
    this.#turnAtMs = sentAtMs;
    const args = rates.flatMap(({ id, max, wanted, granted }) => {
      const more = (wanted - (this.#wanted.get(id) ?? wanted)) | 0;
      this.#wanted.set(id, wanted);
      return [max, Math.round(Math.max(0, more) * ONE / seconds), granted];
    });
    try {
      const keys = rates.map(({ id }) => this.#key(id));
      const reply = await engine.script(GRANT, keys, [member, ...args], { deadlineMs: DEADLINE_MS, isUrgent: true });
      this.#take(reply, rates, sentAtMs);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      const lapsesAtMs = this.#grantedAtMs === null ? -Infinity : this.#grantedAtMs + LAPSE_MS;
      if (performance.now() + EVERY_MS + DEADLINE_MS >= lapsesAtMs) this.#lapse();
    }
  }

  #take(reply: EngineReply, rates: readonly SharedRatePart[], sentAtMs: number): void {
    if (!Array.isArray(reply)) throw new EngineError("wrong", "the engine granted nothing");
    this.#grantedAtMs = sentAtMs;
    this.#isAlone = false;
    for (const [index, rate] of rates.entries()) {
      const [part, members] = [reply[index * 2], reply[index * 2 + 1]];
      if (typeof part === "number") {
        rate.grant(part);
        this.#granted.add(rate.id);
      }
      if (typeof members === "number") this.#members = members;
    }
  }

  /** Without the engine nobody has more than an equal part, and nobody more than was granted last. */
  #lapse(): void {
    this.#isAlone = true;
    for (const rate of this.#options.rates()) {
      const equal = Math.floor(rate.max / this.#members);
      rate.grant(this.#granted.has(rate.id) ? Math.min(rate.granted, equal) : equal);
    }
  }

  #key(id: string): string {
    return `u:${this.#options.name}:{keys}:${id}`;
  }
}
