import { momentOf } from "../../cache/purge/purge_clock.ts";
import { positionOf, type PurgeRule } from "../../cache/purge/purge_rules.ts";
import { Trust } from "../../cache/purge/trust.ts";
import { TRUST_AT } from "../../cache/flights/lease_table.ts";
import { ClusterBus } from "../../cluster/bus.ts";
import type { BusMember, BusSight } from "../../cluster/bus_listener.ts";
import type { BusMessage, ReceivedMessage } from "../../cluster/bus_message.ts";
import { pause } from "../../clock.ts";
import { messageOf } from "../../errors.ts";
import type { LogFields } from "../../logging/log_line.ts";
import type { Logger } from "../../logging/logger.ts";
import type { StateStore } from "../../state/state_store.ts";
import type { ClusterLink } from "./cluster_link.ts";
import { type ChangedTargets, type DraftRule, inMessages, readChanged, readRules } from "./cluster_rules.ts";
import type { PurgeLedger } from "./purge_ledger.ts";

/** A start waits so long for the engine and what it has to tell. */
const JOIN_MS = 2_000;
/** Rules of that time are sent again where the engine has lost them. */
const AGAIN_MS = 3_600_000;
/** Several gateways that find the same loss do not all send the same. */
const JITTER_MS = 100;

/** Who looks at the members costs the engine something that grows with their number. */
const LOOK_EVERY_MS = 1_000;

const POSITION_KEY = ["bus-position"];
const OUTBOX = "bus-outbox";

/** How far this gateway has read, and whose messages. */
interface SavedPosition {
  readonly cluster: string;
  readonly position: number;
  /** The engine's id of its data, which a failover changes. */
  readonly data: string | null;
}

/** Options of {@linkcode ClusterPurges}. */
export interface ClusterPurgesOptions {
  readonly link: ClusterLink;
  readonly state: StateStore | null;
  readonly ledger: PurgeLedger;
  /** Brings rules into every worker. */
  readonly spread: (rules: readonly PurgeRule[]) => Promise<unknown>;
  /** Unsafe requests elsewhere have changed what these stand for. */
  readonly onChanged: (changed: ChangedTargets) => Promise<void>;
  /** See `newLeaseMemory`. */
  readonly leaseMemory: SharedArrayBuffer;
  readonly logger: Logger;
}

/** What the other gateways of a cluster made of a purge. */
export interface ClusterAnswer {
  readonly state:
    /** Each that lives has applied it. */
    | "applied"
    /** Some are alone: they have applied it before they serve what is stored again, or may serve it meanwhile (`alone: serve`). */
    | "some alone"
    /** The engine cannot be reached: it is told when it can. */
    | "not told";
  readonly applied: readonly string[];
  readonly expired: readonly string[];
}

/** A purge that has its place; `answer` settles when the others have it. */
export interface PlacedPurge {
  readonly position: number;
  /** To be called when it holds in every worker here, or cannot. */
  readonly settle: () => void;
  readonly answer: () => Promise<ClusterAnswer>;
}

const NOT_TOLD: ClusterAnswer = { state: "not told", applied: [], expired: [] };

/** The purges of a cluster: those that are made here go to all gateways, those of others hold here before this one says so. */
export class ClusterPurges {
  readonly #options: ClusterPurgesOptions;
  readonly #bus: ClusterBus;
  readonly #trust: Trust;
  readonly #ending = new AbortController();
  readonly #handlers = new Map<string, (message: ReceivedMessage) => void>();
  #state: StateStore | null;
  #data: string | null;
  #outbox = new Map<string, DraftRule>();
  #flushing: Promise<void> | null = null;
  /** Rules that are on their way into the workers by their own order, by id. */
  readonly #placing = new Map<string, Promise<void>>();
  /** Ids of rules that have come since a loss was found. */
  #heard: Set<string> | null = null;
  readonly member: string;
  #known: readonly BusMember[] = [];
  #lookedAtMs = -Infinity;

  private constructor(options: ClusterPurgesOptions, saved: SavedPosition | null) {
    const { link: { engine, config: cluster, member }, leaseMemory } = options;
    this.#options = options;
    this.#state = options.state;
    this.#data = saved?.data ?? null;
    this.member = member;
    this.#trust = new Trust(leaseMemory, TRUST_AT);
    if (cluster.alone === "revalidate") this.#trust.set(0, Date.now());
    this.#bus = new ClusterBus({
      ...{ engine, name: cluster.name, secret: cluster.secret, leaseMs: cluster.leaseMs, member },
      position: saved?.position ?? 0,
      listener: {
        apply: (messages) => this.#apply(messages),
        missed: (position) => this.#distrust(position),
        lost: (left) => this.#lost(left),
        onLease: (untilMs) => this.#onLease(untilMs),
      },
      onTrouble: (what, problem) => this.#warn(what, { problem }),
    });
  }

  /** Reads how far the process before has come. */
  static async open(options: ClusterPurgesOptions): Promise<ClusterPurges> {
    const { state, link: { config: cluster }, logger } = options;
    const saved = await state?.get(POSITION_KEY).catch((error) => {
      logger.error("It cannot be read how far the bus was read", { problem: messageOf(error) });
      return null;
    }) as SavedPosition | null ?? null;
    const purges = new ClusterPurges(options, saved?.cluster === cluster.name ? saved : null);
    await purges.#readOutbox();
    return purges;
  }

  /** Learns what was purged meanwhile, before anything that is stored is served; returns after a while without the engine too. */
  async start(): Promise<void> {
    const { engine, config: { alone } } = this.#options.link;
    // Where there is no connection, it was waited for already.
    const waitMs = engine.state().connection === "ready" ? JOIN_MS : 0;
    if (!await this.#bus.join(waitMs)) this.#options.logger.warn("This gateway is alone", { stored: alone });
  }

  /** Goes on with another store. */
  attach(state: StateStore): void {
    this.#state = state;
  }

  /** Has `hear` called with every message of a kind, from all gateways, this one included. */
  on(kind: string, hear: (message: ReceivedMessage) => void): void {
    this.#handlers.set(kind, hear);
  }

  /** Sends a message of any kind to all gateways; whether the engine took it. */
  async tell(message: BusMessage): Promise<boolean> {
    try {
      await this.#bus.send([message], this.#options.ledger.newest);
      return true;
    } catch {
      return false;
    }
  }

  /** Gives purges their place among those of all gateways; `null` where the engine cannot be reached. Then they are told later. */
  async place(rules: readonly DraftRule[]): Promise<PlacedPurge | null> {
    const { ledger, link: { config: cluster } } = this.#options;
    if (!cluster.share.includes("purges")) return null;
    const { promise, resolve } = Promise.withResolvers<void>();
    for (const { id } of rules) this.#placing.set(id, promise);
    const settle = () => {
      for (const { id } of rules) this.#placing.delete(id);
      resolve();
    };
    try {
      const parts = inMessages(rules);
      const sent = await Promise.all(
        parts.map((data) => this.#bus.send([{ kind: "rules", data }], ledger.newest)),
      );
      const last = sent.reduce((a, b) => a.position > b.position ? a : b);
      return {
        position: last.position,
        settle,
        answer: async () => {
          const { applied, expired } = await this.#bus.applied(last);
          return { state: expired.length === 0 ? "applied" : "some alone", applied, expired };
        },
      };
    } catch (error) {
      settle();
      this.#warn("A purge cannot be told to the cluster yet", { problem: messageOf(error) });
      await this.#keep(rules);
      return null;
    }
  }

  /** The answer to a purge that could not be placed. */
  get notTold(): ClusterAnswer | undefined {
    return this.#options.link.config.share.includes("purges") ? NOT_TOLD : undefined;
  }

  /** How the bus stands; who looks twice sees the members as they were a moment before. */
  sight(): BusSight {
    const nowMs = performance.now();
    if (nowMs - this.#lookedAtMs > LOOK_EVERY_MS) {
      this.#lookedAtMs = nowMs;
      this.#bus.members().then((members) => this.#known = members, () => {});
    }
    return { ...this.#bus.state, waiting: this.#outbox.size, known: this.#known };
  }

  /** Leaves the cluster. */
  async close(): Promise<void> {
    this.#ending.abort();
    await this.#bus.close();
  }

  async #apply(messages: readonly ReceivedMessage[]): Promise<void> {
    const rules: PurgeRule[] = [];
    for (const message of messages) {
      if (message.kind === "rules") rules.push(...await this.#rulesOf(message));
      else if (message.kind === "changed") {
        const changed = readChanged(message.data);
        if (changed !== null && message.from !== this.member) await this.#options.onChanged(changed);
      } else this.#handlers.get(message.kind)?.(message);
    }
    await this.#take(rules);
    const last = messages.at(-1);
    if (last !== undefined) await this.#save(last.position);
  }

  async #rulesOf({ data, position, from }: ReceivedMessage): Promise<readonly PurgeRule[]> {
    const { rules, unread } = readRules(data);
    // What is ordered here counts what it finds: nobody is to be faster.
    for (const { id } of rules) await this.#placing.get(id);
    if (unread > 0) this.#warn("A purge of a later version cannot be read", { member: from });
    const timeMs = this.#options.ledger.momentMs;
    for (const { id } of rules) this.#heard?.add(id);
    return rules.map((rule) => ({ ...rule, timeMs, position: rule.position ?? position }));
  }

  /** Takes rules that are not known, or known at a smaller position: they hold in every worker when this returns. */
  async #take(rules: readonly PurgeRule[]): Promise<void> {
    const { ledger, spread } = this.#options;
    const known = new Map(ledger.rules.map((rule) => [rule.id, positionOf(rule)]));
    const unknown = rules.filter((rule) => (known.get(rule.id) ?? 0) < positionOf(rule));
    if (unknown.length === 0) return;
    await ledger.record(unknown);
    await spread(unknown);
  }

  async #distrust(position: number): Promise<void> {
    const { logger, ledger } = this.#options;
    logger.warn("More was purged than the engine still knows: all that is stored is stale");
    const id = `missed ${position}`;
    await this.#take([{ id, scope: { kind: "all", listener: null }, soft: true, timeMs: ledger.momentMs, position }]);
    await this.#save(position);
  }

  async #lost(left: readonly ReceivedMessage[]): Promise<void> {
    const { ledger } = this.#options;
    // What was purged while this gateway had no lease may be lost for it.
    if (!this.#bus.isLive) await this.#distrust(ledger.next().position);
    if (this.#heard !== null) return;
    this.#heard = new Set(
      left.flatMap((message) => message.kind === "rules" ? readRules(message.data).rules : []).map(({ id }) => id),
    );
    void this.#sendAgain().finally(() => this.#heard = null);
  }

  async #sendAgain(): Promise<void> {
    await pause(Math.random() * JITTER_MS, this.#ending.signal);
    const { ledger } = this.#options;
    const sinceMs = ledger.momentMs - AGAIN_MS;
    const lacking = ledger.rules.filter((rule) =>
      momentOf(positionOf(rule)) >= sinceMs && !this.#heard!.has(rule.id) && !OWN.test(rule.id)
    );
    for (const data of inMessages(lacking.map(({ id, scope, soft, position }) => ({ id, scope, soft, position })))) {
      await this.tell({ kind: "rules", data });
    }
  }

  #onLease(untilMs: number): void {
    const { alone } = this.#options.link.config;
    if (alone === "revalidate") this.#trust.set(untilMs, Date.now());
    if (untilMs > 0 && this.#outbox.size > 0) this.#flushing ??= this.#flush().finally(() => this.#flushing = null);
  }

  /** Tells what could not be told. */
  async #flush(): Promise<void> {
    const rules = [...this.#outbox.values()];
    for (const data of inMessages(rules)) if (!await this.tell({ kind: "rules", data })) return;
    for (const { id } of rules) {
      this.#outbox.delete(id);
      await this.#state?.delete([OUTBOX, id]).catch(() => {});
    }
    this.#options.logger.info("The cluster was told of purges that had to wait", { rules: rules.length });
  }

  async #keep(rules: readonly DraftRule[]): Promise<void> {
    for (const rule of rules) this.#outbox.set(rule.id, rule);
    await this.#state?.set(rules.map((rule) => ({ key: [OUTBOX, rule.id], value: rule }))).catch((error) => {
      this.#options.logger.error("A purge for the cluster cannot be written down: it ends with this process", {
        problem: messageOf(error),
      });
    });
  }

  async #readOutbox(): Promise<void> {
    if (this.#state === null) return;
    try {
      for await (const { value } of this.#state.list([OUTBOX])) {
        this.#outbox.set((value as DraftRule).id, value as DraftRule);
      }
    } catch (error) {
      this.#options.logger.error("Purges for the cluster cannot be read", { problem: messageOf(error) });
    }
  }

  async #save(position: number): Promise<void> {
    const saved: SavedPosition = { cluster: this.#options.link.config.name, position, data: this.#data };
    await this.#state?.set([{ key: POSITION_KEY, value: saved }]).catch((error) => {
      this.#warn("It cannot be written down how far the bus was read", { problem: messageOf(error) });
    });
  }

  #warn(message: string, fields: LogFields): void {
    this.#options.link.warnings.warn(message, message, fields);
  }
}

/** Rules that are for this gateway alone. */
const OWN = /^(?:written|missed) /;
