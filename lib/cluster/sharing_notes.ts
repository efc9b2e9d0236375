import type { Engine, EngineScript } from "./engine.ts";

/** Options of sharing notes. */
export interface SharingNotesOptions {
  readonly engine: Engine;
  /** The name of the cluster. */
  readonly cluster: string;
  /** The name of this gateway. */
  readonly member: string;
  /** Fingerprints by listener, of those that share. */
  readonly fingerprints: () => ReadonlyMap<string, string>;
}

/** Gateways with a listener of the same name that shares nothing with the one here. */
export interface SharingDifference {
  readonly listener: string;
  /** At most fifty of them. */
  readonly members: readonly string[];
}

/** So long a note counts. */
const KEPT_MS = 150_000;
const EVERY_MS = 60_000;
/** Until others have been started, too. */
const FIRST_MS = [0, 1_000, 3_000, 10_000];

/** `KEYS`: notes of a listener. `ARGV`: member, fingerprint, milliseconds that notes count. Answers who differs. */
const NOTE: EngineScript = {
  name: "note fingerprint",
  text: `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
local all = redis.call('HGETALL', KEYS[1])
local differ = {}
for i = 1, #all, 2 do
  local fingerprint, at = string.match(all[i + 1], '^(%S+) (%d+)$')
  if not at or tonumber(at) + tonumber(ARGV[3]) < now then
    redis.call('HDEL', KEYS[1], all[i])
  elseif fingerprint ~= ARGV[2] and #differ < 50 then
    differ[#differ + 1] = all[i]
  end
end
return differ
`,
};

/** Notes of what the listeners of each gateway stand for, so that operators see where gateways share nothing, and with whom. */
export class SharingNotes {
  readonly #options: SharingNotesOptions;
  #differences: readonly SharingDifference[] = [];
  #times = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: SharingNotesOptions) {
    this.#options = options;
    this.#later();
  }

  /** As last known. */
  get differences(): readonly SharingDifference[] {
    return this.#differences;
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #later(): void {
    this.#timer = setTimeout(() => void this.#note(), FIRST_MS[this.#times++] ?? EVERY_MS);
  }

  async #note(): Promise<void> {
    const { engine, cluster, member, fingerprints } = this.#options;
    const differences: SharingDifference[] = [];
    try {
      for (const [listener, fingerprint] of fingerprints()) {
        const key = `u:${cluster}:d:${listener}`;
        const reply = await engine.script(NOTE, [key], [member, fingerprint, KEPT_MS], { deadlineMs: 1_000 });
        const members = (Array.isArray(reply) ? reply : []).flatMap((one) =>
          one instanceof Uint8Array ? [new TextDecoder().decode(one)] : []
        );
        if (members.length > 0) differences.push({ listener, members: members.sort() });
      }
      this.#differences = differences;
    } catch {
      // The engine's own trouble, told elsewhere; what was known stays.
    }
    this.#later();
  }
}
