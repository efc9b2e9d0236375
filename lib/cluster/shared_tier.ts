import { changeTimeMs, type Clock, within } from "../clock.ts";
import { deadAtMs, DEFAULT_KEEP_MS, listenerOfKey } from "../cache/store.ts";
import { heldBytes, type StoredResponse } from "../cache/stored_response.ts";
import { isMadeKey } from "../cache/key.ts";
import type { RareWarnings } from "../logging/rare_warnings.ts";
import { bucketOf, DURATION_BUCKETS_MS } from "../metrics/histogram.ts";
import { Claim, LEASE_MS } from "./claim.ts";
import { type Engine, EngineError } from "./engine.ts";
import { EntryKeys, entryName, type Sharing } from "./entry_names.ts";
import { type EntryName, EntrySeal, partsOf, piecesAtMost } from "./entry_seal.ts";
import {
  DELETE,
  deletionMark,
  DROP_PARTS,
  type LeaseState,
  LOOK,
  lookReply,
  orderOf,
  PUT,
  PUT_PART,
  RELEASE,
  RENEW,
} from "./_entry_scripts.ts";
import { PutQueue } from "./_put_queue.ts";
import { newSharedCounts, type SharedCounts } from "./shared_counts.ts";

/** Options of the tier that gateways share. */
export interface SharedTierOptions {
  /** Closed by its owner. */
  readonly engine: Engine;
  /** The name of the cluster: others on the same engine see none of its entries. */
  readonly cluster: string;
  /** What entries are authenticated, and encrypted, with. */
  readonly secret: string;
  readonly encrypts: boolean;
  /** Whether one gateway fetches what several miss. */
  readonly leases: boolean;
  /** Larger bodies stay with the gateway that fetched them. */
  readonly maxEntryBytes: number;
  /** A look-up that takes longer finds nothing. */
  readonly timeoutMs: number;
  /** The longest time that an entry stays. */
  readonly ttlMs: number;
  /**
   * Time for a put, which nobody waits for.
   * @default one second
   */
  readonly putTimeoutMs?: number;
  readonly clock: Clock;
  readonly warnings: Pick<RareWarnings, "warn">;
}

/** What a look-up came to. */
export interface Looked {
  /** The entry, verified, but neither judged by the purges nor by the policy. */
  readonly response: StoredResponse | null;
  /** The lease where the entry is stale or missing; `none` also where the engine gave no answer. */
  readonly lease: LeaseState;
  /** Until the lease of another ends by itself, in milliseconds. */
  readonly leaseMs: number;
}

/** What is looked for. */
export interface LookUp {
  readonly sharing: Sharing;
  readonly key: string;
  /** Takes the lease of what is missing or stale; `null` only looks. */
  readonly claim: Claim | null;
  /** An entry that is known and of no use. */
  readonly ignored?: StoredResponse | null;
}

const NOTHING: Looked = { response: null, lease: "none", leaseMs: 0 };
/** Look-ups under way at most: each may bring a whole entry. */
const MAX_LOOKS = 256;
/** So long nothing is put into an engine that has no room. */
const FULL_MS = 10_000;
/** How long the mark of a deletion stays: older responses still on their way come within that time. */
const DELETED_MS = 30_000;

/**
 * Responses that all gateways of a cluster share, in an engine. Nothing here throws or rejects, and no look-up takes longer than its
 * timeout: trouble is a miss and a warning. An entry is verified before it is answered.
 */
export class SharedTier {
  readonly counts: SharedCounts = newSharedCounts();
  readonly #options: SharedTierOptions;
  readonly #keys: EntryKeys;
  readonly #seal: EntrySeal;
  readonly #queue: PutQueue;
  readonly #claims = new Map<string, Claim>();
  readonly #tokenBeginning = crypto.randomUUID();
  readonly #deleting = new Set<Promise<void>>();
  #tokens = 0;
  #looks = 0;
  #fullUntilMs = 0;

  constructor(options: SharedTierOptions) {
    this.#options = options;
    this.#keys = new EntryKeys(options.cluster);
    this.#seal = new EntrySeal(options.secret, options.encrypts);
    this.#queue = new PutQueue({ clock: options.clock });
  }

  /** Whether a body of this length may be shared. */
  takes(lengthBytes: number): boolean {
    return lengthBytes <= this.#options.maxEntryBytes;
  }

  /** A claim on an entry, which {@linkcode look} has the engine decide on. */
  claim(sharing: Sharing, key: string): Claim {
    const { hash } = entryName(sharing, key);
    const lease = this.#keys.lease(hash);
    const claim: Claim = new Claim(`${this.#tokenBeginning}:${this.#tokens++}`, {
      renew: async (token) => await this.#quietly(() => this.#script(RENEW, [lease], [token, LEASE_MS])) !== 0,
      release: (token, soloMs) =>
        void this.#quietly(() => this.#script(RELEASE, [lease], [token, this.#keys.channel(hash), soloMs])),
      ended: () => {
        if (this.#claims.get(hash) === claim) this.#claims.delete(hash);
      },
    });
    return claim;
  }

  /** What the key's entry holds, and who fetches it where that is of no use. */
  async look({ sharing, key, claim, ignored = null }: LookUp): Promise<Looked> {
    if (this.#looks >= MAX_LOOKS) {
      this.counts.skipped++;
      return NOTHING;
    }
    this.#looks++;
    const beganMs = performance.now();
    try {
      const name = entryName(sharing, key);
      const looked = await this.#look(name, claim, ignored);
      this.#time(beganMs);
      looked.response === null ? this.counts.misses++ : this.counts.hits++;
      return looked;
    } catch (error) {
      return this.#failed(error, beganMs);
    } finally {
      this.#looks--;
    }
  }

  /** Settles when there may be something new of a key's entry, at the latest after `ms`. */
  async changed(sharing: Sharing, key: string, ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const leave = this.#options.engine.subscribe(this.#keys.channel(entryName(sharing, key).hash), () => resolve());
    await within(promise, ms, undefined);
    leave();
  }

  /**
   * Puts a response, and then the marker that leads to it, in the background; it is left out where there is a newer one already. Leases
   * that this gateway holds on them are given back with them.
   */
  put(sharing: Sharing, response: StoredResponse, marker: StoredResponse | null): void {
    if (!isShareable(response) || !this.takes(response.body.byteLength)) return;
    const entries = [response, ...(marker === null ? [] : [marker])].map((stored) => {
      const name = entryName(sharing, stored.key);
      const claim = this.#claims.get(name.hash) ?? null;
      return { name, stored, claim, token: claim?.handOver() ?? "" };
    });
    const drop = () => {
      this.counts.dropped++;
      for (const { claim } of entries) claim?.putFailed();
    };
    if (this.#options.clock.now() < this.#fullUntilMs) return drop();
    this.#queue.push({
      bytes: heldBytes(response) + (marker === null ? 0 : heldBytes(marker)),
      drop,
      run: async () => {
        try {
          // In this order: a marker leads to what is there.
          for (const { name, stored, token, claim } of entries) {
            await this.#put(name, stored, token);
            claim?.putDone();
          }
        } catch (error) {
          this.#putFailed(error);
          drop();
        }
      },
    });
  }

  /** Removes the entry of a key, for all gateways; what was asked for before is not put any more. */
  delete(sharing: Sharing, key: string, purgePosition: number): void {
    const { hash } = entryName(sharing, key);
    const mark = deletionMark({ purgePosition, requestTimeMs: changeTimeMs(this.#options.clock) });
    const done = this.#quietly(async () => {
      const held = await this.#script(DELETE, [this.#keys.entry(hash)], [mark, DELETED_MS]);
      await this.#dropParts(hash, held);
    }).then(() => void this.#deleting.delete(done));
    this.#deleting.add(done);
  }

  /** Settles when what was deleted so far is gone, at the latest after `ms`. */
  async deleted(ms: number): Promise<void> {
    if (this.#deleting.size > 0) await within(Promise.all([...this.#deleting]), ms, undefined);
  }

  /** Waits for what is on its way to the engine, at most `graceMs`. */
  async close(graceMs: number): Promise<void> {
    for (const claim of [...this.#claims.values()]) claim.end();
    await within(this.#queue.idle(), graceMs, undefined);
  }

  async #look(name: EntryName, claim: Claim | null, ignored: StoredResponse | null): Promise<Looked> {
    const { clock, engine, timeoutMs } = this.#options;
    const { hash } = name;
    const untilMs = performance.now() + timeoutMs;
    // An engine that is full refuses scripts that write, and what is there can still be read.
    const mayWrite = this.#options.leases && clock.now() >= this.#fullUntilMs;
    const token = mayWrite ? claim?.token ?? "" : "";
    const reply = await engine.script(
      LOOK,
      [this.#keys.entry(hash), this.#keys.lease(hash)],
      [token, LEASE_MS, clock.now(), ignored === null ? "" : orderOf(ignored)],
      { deadlineMs: timeoutMs },
    );
    const { value, lease, leaseMs } = lookReply(reply);
    if (lease === "held" && claim !== null) {
      this.#claims.set(hash, claim);
      claim.hold();
    }
    return { response: value === null ? null : await this.#opened(name, value, untilMs), lease, leaseMs };
  }

  async #opened(name: EntryName, value: Uint8Array<ArrayBuffer>, untilMs: number): Promise<StoredResponse | null> {
    const { id, count } = partsOf(value);
    const deadlineMs = Math.max(1, untilMs - performance.now());
    // More than any gateway of this configuration puts: it is not asked for.
    if (count >= piecesAtMost(this.#options.maxEntryBytes)) return null;
    const parts = await Promise.all(
      Array.from(
        { length: count },
        (_, n) => this.#options.engine.get(this.#keys.part(name.hash, id, n), { deadlineMs }),
      ),
    );
    const there = parts.filter((part) => part !== null);
    // Evicted, or replaced by those of a newer version.
    if (there.length < count) return null;
    const opened = await this.#seal.open([value, ...there], name, this.#options.clock.now());
    if (opened.kind === "found") return opened.response;
    if (opened.kind === "other") this.counts.foreign++;
    if (opened.kind === "corrupt") {
      this.counts.corrupt++;
      this.#options.warnings.warn("corrupt", "A shared entry is not as a gateway of this cluster wrote it", {
        listener: listenerOfKey(name.key),
      });
    }
    return null;
  }

  async #put({ key, hash }: EntryName, stored: StoredResponse, token: string): Promise<void> {
    const nowMs = this.#options.clock.now();
    const deadMs = deadAtMs(stored, DEFAULT_KEEP_MS);
    const keepMs = Math.ceil(Math.min(deadMs - nowMs, this.#options.ttlMs));
    const sealed = keepMs <= 0 ? null : await this.#seal.seal(stored, { key, hash }, { nowMs, deadAtMs: deadMs });
    if (sealed === null) return void (token !== "" && await this.#release(hash, token));
    for (const [index, part] of sealed.parts.entries()) {
      await this.#script(PUT_PART, [this.#keys.part(hash, sealed.id, index)], [part, keepMs]);
    }
    const replaced = await this.#script(
      PUT,
      [this.#keys.entry(hash), this.#keys.lease(hash)],
      [sealed.value, keepMs, token, this.#keys.channel(hash)],
    );
    if (replaced === 0) {
      this.counts.older++;
      if (sealed.parts.length > 0) await this.#drop(hash, { id: sealed.id, count: sealed.parts.length });
    } else {
      this.counts.puts++;
      await this.#dropParts(hash, replaced);
    }
  }

  async #release(hash: string, token: string): Promise<void> {
    await this.#script(RELEASE, [this.#keys.lease(hash)], [token, this.#keys.channel(hash), 0]);
  }

  /** Removes the parts of a value that was replaced. */
  async #dropParts(hash: string, header: unknown): Promise<void> {
    if (header instanceof Uint8Array) await this.#drop(hash, partsOf(header));
  }

  async #drop(hash: string, { id, count }: { readonly id: string; readonly count: number }): Promise<void> {
    if (count === 0) return;
    await this.#script(DROP_PARTS, Array.from({ length: count }, (_, n) => this.#keys.part(hash, id, n)), []);
  }

  #script(...[script, keys, args]: Parameters<Engine["script"]>) {
    const deadlineMs = this.#options.putTimeoutMs ?? 1_000;
    return this.#options.engine.script(script, keys, args, { deadlineMs });
  }

  /** What only saves requests may fail. */
  async #quietly<T>(work: () => Promise<T>): Promise<T | null> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      return null;
    }
  }

  #failed(error: unknown, beganMs: number): Looked {
    const kind = error instanceof EngineError ? error.kind : "wrong";
    if (kind === "skipped" || kind === "down" || kind === "busy" || kind === "closed") {
      this.counts.skipped++;
      return NOTHING;
    }
    this.#time(beganMs);
    if (kind === "full") this.#isFull();
    if (kind === "late") this.counts.late++;
    else this.counts.errors++;
    if (kind !== "late") {
      this.#options.warnings.warn("look", "A shared entry could not be looked up", { problem: String(error) });
    }
    return NOTHING;
  }

  #putFailed(error: unknown): void {
    const kind = error instanceof EngineError ? error.kind : "wrong";
    if (kind === "full") return this.#isFull();
    if (kind === "wrong" || kind === "refused") {
      this.#options.warnings.warn("put", "A shared entry could not be put", { problem: String(error) });
    }
  }

  #isFull(): void {
    this.#fullUntilMs = this.#options.clock.now() + FULL_MS;
    this.#options.warnings.warn(
      "full",
      "The engine has no room for shared entries: its maxmemory is used up, and its policy evicts none",
      {},
    );
  }

  #time(beganMs: number): void {
    const tookMs = performance.now() - beganMs;
    this.counts.lookUps[bucketOf(DURATION_BUCKETS_MS, tookMs)]!++;
    this.counts.lookUpSumMs += tookMs;
  }
}

/** What is made here of stored responses is made again elsewhere; a part or an index is of use where its whole is. */
function isShareable({ kind, key, tiers }: StoredResponse): boolean {
  return (kind === "response" || kind === "marker") && tiers.shared && !isMadeKey(key);
}
