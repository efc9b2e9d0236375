import { type EngineCosts, EngineModel } from "./engine_model.ts";
import { quantile, Simulation } from "./simulation.ts";

export interface HotKeyFigures {
  readonly originRequests: number;
  /** From the purge until half of the gateways, and all, have the new response. */
  readonly halfMs: number;
  readonly allMs: number;
  /** Milliseconds of the engine's thread in all. */
  readonly engineMs: number;
}

const ORIGIN_MS = 200;
const BODY_BYTES = 100 * 1_024;
const POLL_MS = { first: 20, most: 250 };

/**
 * A response of 100 KB that every gateway is asked for 100 times a second is purged. One gateway fetches it under a lease, the others
 * ask again until it is there; in each gateway one flight serves all its clients.
 */
export function simulateHotKey(
  { gateways, seed }: { gateways: number; seed: number },
  costs: EngineCosts,
): HotKeyFigures {
  const simulation = new Simulation(seed);
  const engine = new EngineModel(simulation);
  let leased = false;
  let stored = false;
  let originRequests = 0;
  const hasItAtMs: number[] = [];
  const has = () => hasItAtMs.push(simulation.nowMs);

  const lead = () => {
    originRequests++;
    simulation.after(simulation.around(ORIGIN_MS), () => {
      has();
      engine.call(costs.put100Us, () => stored = true);
    });
  };
  const ask = (waitMs: number) => {
    // Judged at the engine's turn; the reply's size is known there too.
    engine.call(stored ? costs.get100Us : costs.leaseUs, () => {
      if (stored) return has();
      if (!leased) {
        leased = true;
        return lead();
      }
      simulation.after(waitMs, () => ask(Math.min(POLL_MS.most, waitMs * 2)));
    }, stored ? BODY_BYTES : 0);
  };
  for (let n = 0; n < gateways; n++) {
    simulation.after(-Math.log(1 - simulation.random()) * 10, () => ask(POLL_MS.first));
  }
  simulation.runUntil(60_000);
  return {
    originRequests,
    halfMs: quantile(hasItAtMs, 0.5),
    allMs: hasItAtMs.length < gateways ? Infinity : quantile(hasItAtMs, 1),
    engineMs: engine.busyMs,
  };
}
