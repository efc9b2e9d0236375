import { type EngineCosts, EngineModel } from "./engine_model.ts";
import { quantile, Simulation } from "./simulation.ts";

export interface FailoverRun {
  readonly gateways: number;
  readonly workers: number;
  readonly seed: number;
}

export interface FailoverFigures {
  /** From the primary's end to a new one. */
  readonly downMs: number;
  /** From the new primary until half of the connections, and all, are in use again. */
  readonly halfMs: number;
  readonly allMs: number;
  /** Misses that waited for the deadline, of all connections together. */
  readonly lateMisses: number;
  /** Gateways whose lease was over before they heard the bus again. */
  readonly leasesOver: number;
  /** Milliseconds of the new primary's thread for connections. */
  readonly engineMs: number;
}

const DOWN_AFTER_MS = 1_000;
const ELECTION_MS = 400;
const TIMEOUT_MS = 20;
const LEASE_MS = 5_000;
const BREAKER = { failures: 3, firstMs: 500, mostMs: 10_000 };
const MISSES_PER_SECOND = 5;

/** The primary dies; sentinels promote a replica; every worker's breaker finds it again by a probe of its own. */
export function simulateFailover({ gateways, workers, seed }: FailoverRun, costs: EngineCosts): FailoverFigures {
  const simulation = new Simulation(seed);
  const engine = new EngineModel(simulation);
  const downMs = DOWN_AFTER_MS + simulation.around(ELECTION_MS);
  engine.failUntil(downMs);
  const backAtMs: number[] = [];
  let lateMisses = 0;
  let leasesOver = 0;

  /** One connection: its failures open the breaker, a probe each time it is over tries to connect. */
  const connection = (isBus: boolean) => {
    const probe = (openMs: number) => {
      let answered = false;
      engine.call(costs.connectUs, () => {
        answered = true;
        backAtMs.push(simulation.nowMs - downMs);
        if (isBus && simulation.nowMs > LEASE_MS) leasesOver++;
      });
      // A connection that is refused or late is tried again after the next pause.
      const waitMs = Math.min(BREAKER.mostMs, openMs * 2) * (0.75 + 0.5 * simulation.random());
      simulation.after(Math.max(TIMEOUT_MS, 1_000), () => {
        if (!answered) simulation.after(waitMs, () => probe(waitMs));
      });
    };
    let failures = 0;
    const miss = () => {
      lateMisses++;
      simulation.after(TIMEOUT_MS, () => {
        if (++failures < BREAKER.failures) simulation.after(waitForMiss(), miss);
        else simulation.after(BREAKER.firstMs, () => probe(BREAKER.firstMs));
      });
    };
    const waitForMiss = () => -Math.log(1 - simulation.random()) * 1_000 / MISSES_PER_SECOND;
    // The bus asks once a second, whoever misses.
    if (isBus) simulation.after(simulation.random() * 1_000, () => probe(BREAKER.firstMs / 2));
    else simulation.after(waitForMiss(), miss);
  };
  for (let n = 0; n < gateways; n++) {
    connection(true);
    for (let worker = 0; worker < workers; worker++) connection(false);
  }
  simulation.runUntil(120_000);
  return {
    downMs,
    halfMs: quantile(backAtMs, 0.5),
    allMs: backAtMs.length < gateways * (workers + 1) ? Infinity : quantile(backAtMs, 1),
    lateMisses,
    leasesOver,
    engineMs: engine.busyMs,
  };
}
