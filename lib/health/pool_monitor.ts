import type { OutcomeBatch } from "../pool/outcome.ts";
import type { HealthState, HealthTable, UpstreamHealth } from "../pool/upstream_health.ts";
import { ActiveChecker } from "./active_checker.ts";
import type { CheckResult, CheckSpec, CheckTransport, Schedule } from "./check.ts";
import { OUTLIER_DEFAULTS, OutlierDetector, type OutlierOptions } from "./outlier_detector.ts";
import { combinedWeight, type Measured, UpstreamWeight, WEIGHT_DEFAULTS, type WeightOptions } from "./weights.ts";

/** One upstream that the health worker monitors. */
export interface MonitoredUpstream {
  /** The same as in the serving workers. */
  readonly id: string;
  readonly weight: number;
  /** `null` leaves its health to requests alone. */
  readonly check: CheckSpec | null;
  /** How checks reach it. */
  readonly transport: CheckTransport;
}

/** One pool that the health worker monitors. */
export interface MonitoredPool {
  readonly name: string;
  readonly upstreams: readonly MonitoredUpstream[];
  readonly outliers?: OutlierOptions;
  readonly weights?: WeightOptions;
}

/** A change of an upstream's state, for the log and the metrics. */
export interface Transition {
  readonly pool: string;
  readonly id: string;
  readonly from: HealthState;
  readonly to: HealthState;
  readonly reason: string;
  readonly atMs: number;
}

/** Dependencies of a monitor. */
export interface MonitorDeps {
  readonly now: () => number;
  readonly schedule: Schedule;
  /** In [0, 1). */
  readonly random: () => number;
  readonly onTransition: (transition: Transition) => void;
  /** Told of every active check. */
  readonly onCheck?: (check: CheckResult & { readonly pool: string; readonly id: string }) => void;
}

/** State of one upstream. */
interface Watched {
  configuredWeight: number;
  checker: ActiveChecker | null;
  readonly weight: UpstreamWeight;
  checkReason: string;
  credential: string;
  /** Whether requests were answered or failed. */
  heard: boolean;
  /** Unhealthy by an earlier health worker: it stays out until a check has run. */
  held: boolean;
  row: UpstreamHealth;
  /** The weight factor that was published last. */
  toldFactor: number;
}

/** Smaller changes of a weight, as a share, are not published. */
const WEIGHT_CHANGE = 0.02;

/** Least share of the others' mean weight for an upstream whose response time is unknown, even where it fails. */
const UNKNOWN_FLOOR = 0.05;

const NEW_ROW: UpstreamHealth = {
  state: "unknown",
  reason: "",
  sinceMs: 0,
  weightFactor: 1,
  weight: 1,
  rampFromMs: 0,
  fastMs: 0,
  slowMs: 0,
  successRate: 1,
  checks: 0,
  failedChecks: 0,
  credential: "",
};

/** The health of one pool: active checks, outlier detection and weights, in one table. */
export class PoolMonitor {
  readonly name: string;
  readonly #deps: MonitorDeps;
  /** Called when a check has changed something. */
  readonly #onChange: () => void;
  readonly #detector: OutlierDetector;
  readonly #watched = new Map<string, Watched>();
  #outliers: OutlierOptions = OUTLIER_DEFAULTS;
  #stateChanged = true;

  constructor(name: string, deps: MonitorDeps, onChange: () => void) {
    this.name = name;
    this.#deps = deps;
    this.#onChange = onChange;
    this.#detector = new OutlierDetector(this.#outliers, { random: deps.random, mayEject: () => this.#mayEject() });
  }

  /** Whether a state has changed, which is published at once. */
  get stateChanged(): boolean {
    return this.#stateChanged;
  }

  /** Whether a weight has changed enough to be published. */
  get weightChanged(): boolean {
    for (const watched of this.#watched.values()) {
      const change = Math.abs(watched.row.weightFactor - watched.toldFactor);
      if (change > WEIGHT_CHANGE * watched.toldFactor) return true;
    }
    return false;
  }

  /** When the next ejection ends, in milliseconds since the Unix epoch. */
  nextEventMs(): number {
    return this.#detector.nextEventMs();
  }

  /**
   * Monitors these upstreams from now on. Known ones keep their state; new ones begin with a slow start unless the pool itself is
   * new; others are forgotten.
   *
   * @throws {RangeError} a check's method is not a safe one
   */
  reconfigure(pool: MonitoredPool): void {
    const isNew = this.#watched.size === 0;
    this.#outliers = pool.outliers ?? OUTLIER_DEFAULTS;
    this.#detector.configure(this.#outliers);
    const ids = new Set(pool.upstreams.map((upstream) => upstream.id));
    for (const id of [...this.#watched.keys()]) if (!ids.has(id)) this.#remove(id);
    for (const upstream of pool.upstreams) {
      const watched = this.#watched.get(upstream.id) ?? this.#add(upstream.id, pool.weights, isNew);
      watched.configuredWeight = upstream.weight;
      watched.weight.configure(pool.weights ?? WEIGHT_DEFAULTS);
      this.#configureChecker(upstream, watched);
    }
    this.#stateChanged = true;
  }

  /** Records the outcomes of a serving worker; unknown upstreams are ignored. */
  record(batches: readonly OutcomeBatch[]): void {
    const nowMs = this.#deps.now();
    for (const batch of batches) {
      const watched = this.#watched.get(batch.id);
      if (watched === undefined) continue;
      if (batch.counts.ok + batch.counts.failed + batch.counts.unreachable > 0) watched.heard = true;
      watched.weight.record(batch, nowMs);
      this.#detector.record(batch, nowMs);
    }
  }

  /**
   * Continues from an earlier health worker's table: response times are kept, unhealthy upstreams stay so until a check has run,
   * ejected ones are probed.
   */
  restore(table: HealthTable): void {
    const nowMs = this.#deps.now();
    for (const [id, watched] of this.#watched) {
      const row = Object.hasOwn(table.upstreams, id) ? table.upstreams[id] : undefined;
      if (row === undefined) continue;
      watched.weight.restore(row.fastMs, row.slowMs, nowMs);
      watched.checkReason = row.state === "unhealthy" ? row.reason : "";
      watched.held = row.state === "unhealthy" && watched.checker?.state === "unknown";
      if (row.state === "ejected" || row.state === "half_open") this.#detector.restore(id, row.reason, nowMs);
    }
  }

  /** Computes every row, and reports changes. */
  survey(): void {
    const nowMs = this.#deps.now();
    this.#detector.tick(nowMs);
    const measured = new Map([...this.#watched].map(([id, watched]) => [id, watched.weight.measure(nowMs)]));
    const meanWeight = this.#meanWeight(measured);
    for (const [id, watched] of this.#watched) this.#surveyOne(id, watched, { nowMs, measured, meanWeight });
  }

  /** The table as last surveyed. */
  peek(version: number): HealthTable {
    const upstreams = Object.fromEntries([...this.#watched].map(([id, watched]) => [id, watched.row]));
    return { pool: this.name, version, atMs: this.#deps.now(), upstreams };
  }

  /** The table to publish: changes up to now count as published. */
  take(version: number): HealthTable {
    for (const watched of this.#watched.values()) watched.toldFactor = watched.row.weightFactor;
    this.#stateChanged = false;
    return this.peek(version);
  }

  /** Runs an upstream's active check at once, or waits for the one under way; `null` where it has none, or is not known. */
  async check(id: string): Promise<CheckResult | null> {
    return await this.#watched.get(id)?.checker?.checkNow() ?? null;
  }

  /** Stops all checks. */
  close(): void {
    for (const watched of this.#watched.values()) watched.checker?.close();
  }

  #add(id: string, weights: WeightOptions | undefined, poolIsNew: boolean): Watched {
    const nowMs = this.#deps.now();
    const watched: Watched = {
      configuredWeight: 1,
      checker: null,
      weight: new UpstreamWeight(weights),
      checkReason: "",
      credential: "",
      heard: false,
      held: false,
      row: { ...NEW_ROW, sinceMs: nowMs, rampFromMs: poolIsNew ? 0 : nowMs },
      toldFactor: 0,
    };
    this.#watched.set(id, watched);
    return watched;
  }

  #remove(id: string): void {
    this.#watched.get(id)?.checker?.close();
    this.#watched.delete(id);
    this.#detector.remove(id);
  }

  #configureChecker(upstream: MonitoredUpstream, watched: Watched): void {
    const { id, check, transport } = upstream;
    if (check === null) {
      watched.checker?.close();
      watched.checker = null;
      watched.held = false;
    } else if (watched.checker !== null) watched.checker.configure(check, transport);
    else {
      watched.checker = new ActiveChecker(check, transport, {
        ...this.#deps,
        onResult: (result, state, before) =>
          this.#checked(id, watched, { result, recovered: before === "down" && state === "up" }),
      });
    }
  }

  #checked(id: string, watched: Watched, check: { result: CheckResult; recovered: boolean }): void {
    const { verdict, reason, latencyMs } = check.result;
    this.#deps.onCheck?.({ pool: this.name, id, verdict, reason, latencyMs });
    watched.held = false;
    watched.checkReason = verdict === "fail" ? `check: ${reason}` : "";
    watched.credential = verdict === "credential" ? reason : "";
    const nowMs = this.#deps.now();
    if (verdict === "pass") watched.weight.recordCheck(latencyMs, nowMs);
    if (check.recovered) this.#detector.recovered(id);
    else if (verdict !== "fail") this.#detector.checkPassed(id, nowMs);
    this.#onChange();
  }

  /** Whether one more upstream may be ejected; those that checks have taken out count too. */
  #mayEject(): boolean {
    let out = 0;
    for (const [id, watched] of this.#watched) {
      if (watched.checker?.state === "down" || this.#detector.state(id) === "open") out++;
    }
    return out + 1 <= Math.max(1, Math.floor(this.#watched.size * this.#outliers.maxEjected));
  }

  #surveyOne(
    id: string,
    watched: Watched,
    survey: { nowMs: number; measured: ReadonlyMap<string, Measured>; meanWeight: number },
  ): void {
    const { nowMs } = survey;
    const state = this.#stateOf(id, watched);
    const before = watched.row;
    const measured = survey.measured.get(id)!;
    const perUnit = watched.weight.known
      ? combinedWeight(measured, watched.weight.options)
      : survey.meanWeight * Math.max(measured.successRate, UNKNOWN_FLOOR);
    watched.row = {
      state,
      reason: this.#reasonOf(id, watched, state),
      sinceMs: state === before.state ? before.sinceMs : nowMs,
      weightFactor: round(perUnit),
      weight: round(watched.configuredWeight * perUnit),
      rampFromMs: state === "healthy" && isOut(before.state) ? nowMs : before.rampFromMs,
      fastMs: round(measured.fastMs),
      slowMs: round(measured.slowMs),
      successRate: round(measured.successRate),
      checks: watched.checker?.checks ?? 0,
      failedChecks: watched.checker?.failedChecks ?? 0,
      credential: watched.credential,
    };
    if (watched.row.credential !== before.credential) this.#stateChanged = true;
    if (state !== before.state) this.#changed(id, watched, before.state);
  }

  #changed(id: string, watched: Watched, from: HealthState): void {
    const { state: to, reason, sinceMs: atMs } = watched.row;
    this.#stateChanged = true;
    watched.checker?.hurry(to === "ejected" || to === "half_open");
    this.#deps.onTransition({ pool: this.name, id, from, to, reason, atMs });
  }

  #stateOf(id: string, watched: Watched): HealthState {
    if (watched.checker?.state === "down" || watched.held) return "unhealthy";
    const circuit = this.#detector.state(id);
    if (circuit !== "closed") return circuit === "open" ? "ejected" : "half_open";
    return watched.checker?.state === "up" || watched.heard ? "healthy" : "unknown";
  }

  #reasonOf(id: string, watched: Watched, state: HealthState): string {
    if (state === "unhealthy") return watched.checkReason === "" ? watched.row.reason : watched.checkReason;
    return this.#detector.reason(id);
  }

  /** Mean weight factor of the upstreams with a known response time; 1 where there are none. */
  #meanWeight(measured: ReadonlyMap<string, Measured>): number {
    let sum = 0;
    let known = 0;
    for (const [id, watched] of this.#watched) {
      if (!watched.weight.known) continue;
      sum += combinedWeight(measured.get(id)!, watched.weight.options);
      known++;
    }
    return known === 0 ? 1 : sum / known;
  }
}

function isOut(state: HealthState): boolean {
  return state === "unhealthy" || state === "ejected" || state === "half_open";
}

/** Rounds to four digits: exact enough, and an unchanged table stays equal. */
function round(value: number): number {
  return Number(value.toPrecision(4));
}
