import { hash } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { Logger } from "../logging/logger.ts";
import { addressPrefix } from "../request/client_table.ts";
import { type AdminAccess, authenticate, bearerOf, type Caller, isLoopbackAddress, type Refusal } from "./auth.ts";

/** Different wrong tokens that an address may give within the window; one that a client holds on to counts once. */
const MAX_GUESSES = 10;
const WINDOW_MS = 60_000;
/** Addresses that are remembered; IPv6 addresses by their /64. */
const MAX_ADDRESSES = 1_024;
/** Lines about wrong tokens within a window, of all addresses together. */
const MAX_LINES = 20;

/** The wrong tokens of one address. */
interface Guesses {
  readonly sinceMs: number;
  readonly hashes: Set<string>;
}

/** A wrong token, and who gave it. */
interface Guess {
  /** As {@linkcode addressPrefix} has it. */
  readonly address: string;
  readonly remote: string;
  readonly token: string;
  readonly nowMs: number;
}

/** Options of {@linkcode GuessLimit}. */
export interface GuessLimitOptions {
  readonly logger: Pick<Logger, "warn">;
  readonly now: () => number;
}

/**
 * Lets an address try few wrong tokens a minute: after that no token of it is looked at for the rest of the minute, right or wrong, so
 * that no answer tells them apart. The process's own key is looked at: it is too long to be guessed. So are right tokens of this
 * machine, whose programs have one address together: a wrong one among them keeps no other out.
 */
export class GuessLimit {
  readonly #options: GuessLimitOptions;
  readonly #byAddress = new LRUCache<string, Guesses>({ max: MAX_ADDRESSES });
  #linesSinceMs = -Infinity;
  #lines = 0;

  constructor(options: GuessLimitOptions) {
    this.#options = options;
  }

  /** As {@linkcode authenticate}, within the limit. */
  authenticate(request: Request, remote: string, access: AdminAccess): Caller | Refusal {
    const answer = authenticate(request, remote, access);
    const isByToken = "status" in answer ? answer.isGuess === true : answer.by === "token";
    if (!isByToken) return answer;
    const nowMs = this.#options.now();
    const address = addressPrefix(remote, 32, 64);
    const guesses = this.#guessesOf(address, nowMs);
    const isBlocked = guesses.hashes.size >= MAX_GUESSES;
    if (isBlocked && ("status" in answer || !isLoopbackAddress(remote))) return blocked(guesses, nowMs);
    if ("status" in answer) this.#note(guesses, { address, remote, token: bearerOf(request) ?? "", nowMs });
    return answer;
  }

  #guessesOf(address: string, nowMs: number): Guesses {
    const known = this.#byAddress.get(address);
    return known !== undefined && nowMs - known.sinceMs < WINDOW_MS ? known : { sinceMs: nowMs, hashes: new Set() };
  }

  #note(guesses: Guesses, { address, remote, token, nowMs }: Guess): void {
    const before = guesses.hashes.size;
    guesses.hashes.add(hash("sha256", token, "base64"));
    this.#byAddress.set(address, guesses);
    if (guesses.hashes.size === before) return;
    if (before === 0) this.#warn("A wrong admin token was given", remote, nowMs);
    if (guesses.hashes.size === MAX_GUESSES) {
      this.#warn("Many wrong admin tokens were given: none of this address is looked at for a minute", remote, nowMs);
    }
  }

  #warn(message: string, client: string, nowMs: number): void {
    if (nowMs - this.#linesSinceMs >= WINDOW_MS) [this.#linesSinceMs, this.#lines] = [nowMs, 0];
    this.#lines++;
    if (this.#lines <= MAX_LINES) this.#options.logger.warn(message, { client });
    if (this.#lines === MAX_LINES) {
      this.#options.logger.warn("Further wrong admin tokens of this minute are not logged");
    }
  }
}

function blocked({ sinceMs }: Guesses, nowMs: number): Refusal {
  const retryAfterSeconds = Math.max(1, Math.ceil((sinceMs + WINDOW_MS - nowMs) / 1000));
  return { status: 429, detail: "Too many wrong admin tokens came from this address", retryAfterSeconds };
}
