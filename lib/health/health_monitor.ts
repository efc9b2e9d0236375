import type { OutcomeBatch } from "../pool/outcome.ts";
import type { HealthTable } from "../pool/upstream_health.ts";
import type { CheckResult } from "./check.ts";
import type { StoredHealth } from "./health_writer.ts";
import { type MonitorDeps, type MonitoredPool, PoolMonitor } from "./pool_monitor.ts";

/** Outcomes of one pool in a serving worker. */
export interface PoolReport {
  readonly pool: string;
  readonly batches: readonly OutcomeBatch[];
}

/** Dependencies of the monitor. */
export interface HealthMonitorDeps extends MonitorDeps {
  /** Publishes tables to the serving workers; after a rejection the then current tables are published again. */
  readonly publish: (tables: readonly HealthTable[], removedPools: readonly string[]) => Promise<void>;
  /** Called when a publication fails, once until one succeeds again. */
  readonly onTrouble?: (error: unknown) => void;
}

/** How often tables are published. */
export interface HealthMonitorOptions {
  /** Between two publications at least, when a state has changed. */
  readonly stateIntervalMs?: number;
  /** The same when only weights have. */
  readonly weightIntervalMs?: number;
  /** Every pool is surveyed at least this often, because penalties decay over time. */
  readonly surveyIntervalMs?: number;
  /** Every table is published at least this often, so that readers know that its writer is alive. */
  readonly refreshMs?: number;
}

/** A pool and when it was last published. */
interface Entry {
  readonly monitor: PoolMonitor;
  toldAtMs: number;
  touched: boolean;
}

/** The health of all pools, published when it changes: the work of the health worker. */
export class HealthMonitor {
  readonly #deps: HealthMonitorDeps;
  readonly #options: Required<HealthMonitorOptions>;
  readonly #pools = new Map<string, Entry>();
  #removed: string[] = [];
  #version = 0;
  #publishedAtMs = 0;
  #surveyedAtMs = 0;
  #publishing = false;
  #closed = false;
  #wasTroubled = false;
  #wakeAtMs = Infinity;
  #cancelWake: () => void = () => {};

  constructor(deps: HealthMonitorDeps, options: HealthMonitorOptions = {}) {
    this.#deps = deps;
    this.#options = {
      stateIntervalMs: options.stateIntervalMs ?? 20,
      weightIntervalMs: options.weightIntervalMs ?? 250,
      surveyIntervalMs: options.surveyIntervalMs ?? 1_000,
      refreshMs: options.refreshMs ?? 30_000,
    };
  }

  /**
   * Monitors these pools from now on; known upstreams keep their state.
   *
   * @throws {RangeError} a check's method is not a safe one
   */
  reconfigure(pools: readonly MonitoredPool[]): void {
    const names = new Set(pools.map((pool) => pool.name));
    for (const [name, entry] of [...this.#pools]) {
      if (names.has(name)) continue;
      entry.monitor.close();
      this.#pools.delete(name);
      this.#removed.push(name);
    }
    this.#removed = this.#removed.filter((name) => !names.has(name));
    for (const pool of pools) this.#entry(pool.name).monitor.reconfigure(pool);
    this.#wakeBy(this.#deps.now());
  }

  /** Continues from the tables of an earlier health worker. Called after {@linkcode reconfigure}. */
  restore(stored: StoredHealth): void {
    this.#version = Math.max(this.#version, stored.version);
    for (const table of stored.tables) this.#pools.get(table.pool)?.monitor.restore(table);
    this.#removed.push(...stored.pools.filter((pool) => !this.#pools.has(pool)));
  }

  /** Records the outcomes of a serving worker. */
  report(reports: readonly PoolReport[]): void {
    for (const report of reports) {
      const entry = this.#pools.get(report.pool);
      if (entry === undefined) continue;
      entry.monitor.record(report.batches);
      this.#touch(entry);
    }
  }

  /** Checks an upstream at once; see {@linkcode PoolMonitor.check}. `null` for an unknown pool too. */
  async check(pool: string, id: string): Promise<CheckResult | null> {
    return await this.#pools.get(pool)?.monitor.check(id) ?? null;
  }

  /** Every pool's table as last surveyed, at most a second ago. */
  tables(): HealthTable[] {
    return [...this.#pools.values()].map(({ monitor }) => monitor.peek(this.#version));
  }

  /** Stops all checks and publishes no more. */
  close(): void {
    this.#closed = true;
    this.#cancelWake();
    for (const { monitor } of this.#pools.values()) monitor.close();
  }

  #entry(name: string): Entry {
    let entry = this.#pools.get(name);
    if (entry === undefined) {
      const monitor = new PoolMonitor(name, this.#deps, () => this.#touch(created));
      const created: Entry = { monitor, toldAtMs: 0, touched: true };
      this.#pools.set(name, created);
      entry = created;
    }
    entry.touched = true;
    return entry;
  }

  #touch(entry: Entry): void {
    entry.touched = true;
    this.#wakeBy(this.#after(this.#publishedAtMs, this.#options.stateIntervalMs));
  }

  /** `sinceMs` plus the interval, not before now, nor later than now plus the interval: the clock may have been set back. */
  #after(sinceMs: number, intervalMs: number): number {
    const nowMs = this.#deps.now();
    return Math.min(Math.max(sinceMs + intervalMs, nowMs), nowMs + intervalMs);
  }

  /** Wakes at `atMs` or before. */
  #wakeBy(atMs: number): void {
    if (this.#closed || this.#publishing || atMs >= this.#wakeAtMs) return;
    this.#cancelWake();
    this.#wakeAtMs = atMs;
    this.#cancelWake = this.#deps.schedule(() => this.#wake(), Math.max(0, atMs - this.#deps.now()));
  }

  #wake(): void {
    this.#wakeAtMs = Infinity;
    const nowMs = this.#deps.now();
    const all = Math.abs(nowMs - this.#surveyedAtMs) >= this.#options.surveyIntervalMs;
    if (all) this.#surveyedAtMs = nowMs;
    const due: Entry[] = [];
    for (const entry of this.#pools.values()) {
      if (all || entry.touched || entry.monitor.nextEventMs() <= nowMs) entry.monitor.survey();
      entry.touched = false;
      if (this.#isDue(entry, nowMs)) due.push(entry);
    }
    if (due.length > 0 || this.#removed.length > 0) void this.#publish(due, nowMs);
    else this.#sleep();
  }

  #isDue(entry: Entry, nowMs: number): boolean {
    const sinceMs = Math.abs(nowMs - entry.toldAtMs);
    if (entry.monitor.stateChanged || sinceMs >= this.#options.refreshMs) return true;
    return sinceMs >= this.#options.weightIntervalMs && entry.monitor.weightChanged;
  }

  async #publish(due: readonly Entry[], nowMs: number): Promise<void> {
    // Versions follow the clock, so that they grow across restarts of the worker.
    this.#version = Math.max(this.#version + 1, nowMs);
    this.#publishedAtMs = nowMs;
    const tables = due.map((entry) => entry.monitor.take(this.#version));
    for (const entry of due) entry.toldAtMs = nowMs;
    const removed = this.#removed;
    this.#removed = [];
    this.#publishing = true;
    try {
      await this.#deps.publish(tables, removed);
      this.#wasTroubled = false;
    } catch (error) {
      if (!this.#wasTroubled) this.#deps.onTrouble?.(error);
      this.#wasTroubled = true;
      // Published again after a second.
      const againAtMs = this.#deps.now() - this.#options.refreshMs + 1_000;
      for (const entry of due) entry.toldAtMs = againAtMs;
      this.#removed.push(...removed.filter((name) => !this.#pools.has(name)));
    }
    this.#publishing = false;
    this.#sleep();
  }

  /** Milliseconds until the next survey, end of an ejection or changed pool. */
  #sleep(): void {
    const { surveyIntervalMs, stateIntervalMs } = this.#options;
    let untilMs = this.#after(this.#surveyedAtMs, surveyIntervalMs);
    for (const { monitor, touched } of this.#pools.values()) {
      untilMs = Math.min(untilMs, touched ? this.#after(this.#publishedAtMs, stateIntervalMs) : monitor.nextEventMs());
    }
    this.#wakeBy(Math.max(untilMs, this.#deps.now()));
  }
}
