import { type EngineCosts, EngineModel } from "./engine_model.ts";
import { quantile, Simulation } from "./simulation.ts";

export interface PurgeRun {
  readonly gateways: number;
  readonly purgesPerSecond: number;
  readonly seconds: number;
  readonly seed: number;
}

export interface PurgeFigures {
  readonly purges: number;
  /** From the call to its answer. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Calls that had no answer when the run was over. */
  readonly unanswered: number;
  /** Share of the engine's thread that was used, leases and reports included. */
  readonly engineBusy: number;
}

/** Rules that a gateway makes within so long go out as one message. */
const GATHER_MS = 5;
/** Positions that a gateway applies within so long are reported at once. */
const REPORT_MS = 10;
/** From a message to the gateway's last worker that has applied it; one in two hundred is held up, as by a collection of garbage. */
const APPLY_MS = 1.5;
const HELD_UP = { share: 0.005, ms: 60 };
/** The caller asks who is behind after so long, then less often. */
const POLL_MS = { first: 5, most: 50 };

interface Gateway {
  position: number;
  reported: number;
  reportsAtMs: number;
  gathers: ((position: number) => void)[];
}

/** Purges by random gateways, each answered when all gateways have applied it. */
export function simulatePurges(run: PurgeRun, costs: EngineCosts): PurgeFigures {
  const simulation = new Simulation(run.seed);
  const engine = new EngineModel(simulation);
  const untilMs = run.seconds * 1_000;
  const gateways = Array.from({ length: run.gateways }, (): Gateway => (
    { position: 0, reported: 0, reportsAtMs: -1, gathers: [] }
  ));
  holdLeases(simulation, engine, { gateways: run.gateways, untilMs, renewUs: costs.renewUs });
  let head = 0;
  let asked = 0;
  const tookMs: number[] = [];

  const report = (gateway: Gateway) => {
    if (gateway.reportsAtMs >= simulation.nowMs) return;
    gateway.reportsAtMs = simulation.nowMs + REPORT_MS;
    simulation.at(gateway.reportsAtMs, () => {
      const { position } = gateway;
      engine.call(costs.reportUs, () => gateway.reported = Math.max(gateway.reported, position));
    });
  };
  const receive = (gateway: Gateway, position: number) => () => {
    const heldUpMs = simulation.random() < HELD_UP.share ? simulation.around(HELD_UP.ms) : 0;
    simulation.after(simulation.around(APPLY_MS) + heldUpMs, () => {
      gateway.position = Math.max(gateway.position, position);
      report(gateway);
    });
  };
  const send = (gateway: Gateway) => {
    const waiting = gateway.gathers;
    gateway.gathers = [];
    const position = ++head;
    const receivers = gateways.map((other) => receive(other, position));
    engine.publish({ callUs: costs.purgeUs, deliverUs: costs.deliverUs }, receivers, () => {
      for (const sent of waiting) sent(position);
    });
  };
  const awaitAll = (position: number, waitMs: number, done: () => void) => {
    simulation.after(waitMs, () =>
      engine.call(costs.behindUs, () => {
        if (gateways.every(({ reported }) => reported >= position)) return done();
        awaitAll(position, Math.min(POLL_MS.most, waitMs * 2), done);
      }));
  };

  simulation.randomly(run.purgesPerSecond, untilMs, () => {
    const gateway = gateways[Math.floor(simulation.random() * gateways.length)]!;
    const beganMs = simulation.nowMs;
    asked++;
    if (gateway.gathers.length === 0) simulation.after(GATHER_MS, () => send(gateway));
    gateway.gathers.push((position) =>
      awaitAll(position, POLL_MS.first, () => tookMs.push(simulation.nowMs - beganMs))
    );
  });
  simulation.runUntil(untilMs + 5_000);
  return {
    purges: asked,
    p50Ms: quantile(tookMs, 0.5),
    p99Ms: quantile(tookMs, 0.99),
    unanswered: asked - tookMs.length,
    engineBusy: engine.busyMs / (untilMs + 5_000),
  };
}

/** Each gateway renews its lease once a second, at a moment of its own. */
export function holdLeases(
  simulation: Simulation,
  engine: EngineModel,
  { gateways, untilMs, renewUs }: { gateways: number; untilMs: number; renewUs: number },
): void {
  const renew = () => {
    engine.call(renewUs, () => {});
    if (simulation.nowMs + 1_000 < untilMs) simulation.after(1_000, renew);
  };
  for (let n = 0; n < gateways; n++) simulation.after(simulation.random() * 1_000, renew);
}
