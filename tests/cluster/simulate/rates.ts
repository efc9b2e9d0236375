import { type EngineCosts, EngineModel } from "./engine_model.ts";
import { Simulation } from "./simulation.ts";

export interface RateRun {
  readonly gateways: number;
  /** Milliseconds between two calls of a gateway; 0 where the engine is down: each takes its part of the limit. */
  readonly everyMs: number;
  readonly seed: number;
}

export interface RateFigures {
  /** Share of requests above what the limit allows, over the run. */
  readonly over: number;
  /** Share of the engine's thread, for 20 changed clients a call. */
  readonly engineBusy: number;
}

const LIMIT_PER_SECOND = 40;
const BURST = 40;
const OFFERED_PER_SECOND = 10 * LIMIT_PER_SECOND;
const SECONDS = 30;
const CHANGED_CLIENTS = 20;

/**
 * One client asks for ten times its limit, each request at a random gateway. A gateway counts what it has let through since its last
 * call; the engine adds that to the client's time (GCRA), and the gateway goes on from there.
 */
export function simulateRates({ gateways, everyMs, seed }: RateRun, costs: EngineCosts): RateFigures {
  const simulation = new Simulation(seed);
  const engine = new EngineModel(simulation);
  const untilMs = SECONDS * 1_000;
  const isAlone = everyMs === 0;
  const ownLimit = isAlone ? Math.max(1, LIMIT_PER_SECOND / gateways) : LIMIT_PER_SECOND;
  const eachMs = 1_000 / ownLimit;
  const burstMs = Math.max(1, isAlone ? BURST / gateways : BURST) * eachMs;
  const cells = Array.from({ length: gateways }, () => ({ spentUntilMs: 0, unsent: 0 }));
  let allSpentUntilMs = 0;
  let allowed = 0;

  simulation.randomly(OFFERED_PER_SECOND, untilMs, () => {
    const cell = cells[Math.floor(simulation.random() * gateways)]!;
    const after = Math.max(cell.spentUntilMs, simulation.nowMs) + eachMs;
    if (after - simulation.nowMs > burstMs) return;
    cell.spentUntilMs = after;
    cell.unsent++;
    allowed++;
  });
  const sync = (cell: { spentUntilMs: number; unsent: number }) => {
    const spent = cell.unsent;
    cell.unsent = 0;
    engine.call(costs.rateCallUs + CHANGED_CLIENTS * costs.rateUs, () => {
      allSpentUntilMs = Math.max(allSpentUntilMs, simulation.nowMs) + spent * eachMs;
      cell.spentUntilMs = Math.max(cell.spentUntilMs, allSpentUntilMs + cell.unsent * eachMs);
    });
    if (simulation.nowMs + everyMs < untilMs) simulation.after(everyMs, () => sync(cell));
  };
  if (!isAlone) { for (const cell of cells) simulation.after(simulation.random() * everyMs, () => sync(cell)); }
  simulation.runUntil(untilMs);
  return { over: allowed / (LIMIT_PER_SECOND * SECONDS + BURST) - 1, engineBusy: engine.busyMs / untilMs };
}
