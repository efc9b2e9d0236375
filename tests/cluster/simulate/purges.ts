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

/** Positions that a gateway applies within so long are reported at once. */
const REPORT_MS = 10;
/** From a message to the gateway's last worker that has applied it; one in two hundred is held up, as by a collection of garbage. */
const APPLY_MS = 1.5;
const HELD_UP = { share: 0.005, ms: 60 };
/** The caller asks for all members' positions where an answer does not come. */
const ASK_EVERY_MS = 250;

interface Gateway {
  position: number;
  /** As the engine knows it. */
  reported: number;
  reportsAtMs: number;
  /** Whom the next report is for. */
  readonly senders: Set<Gateway>;
  readonly waiting: Set<Purge>;
}

interface Purge {
  readonly beganMs: number;
  readonly position: number;
  readonly open: Set<Gateway>;
}

/** Purges by random gateways, each answered when all gateways have applied it. */
export function simulatePurges(run: PurgeRun, costs: EngineCosts): PurgeFigures {
  const simulation = new Simulation(run.seed);
  const engine = new EngineModel(simulation);
  const untilMs = run.seconds * 1_000;
  const gateways = Array.from({ length: run.gateways }, (): Gateway => (
    { position: 0, reported: 0, reportsAtMs: -1, senders: new Set(), waiting: new Set() }
  ));
  holdLeases(simulation, engine, { gateways: run.gateways, untilMs, renewUs: costs.renewUs });
  let head = 0;
  let asked = 0;
  const tookMs: number[] = [];

  const note = (sender: Gateway, member: Gateway, position: number) => {
    for (const purge of sender.waiting) {
      if (position < purge.position || !purge.open.delete(member) || purge.open.size > 0) continue;
      sender.waiting.delete(purge);
      tookMs.push(simulation.nowMs - purge.beganMs);
    }
  };
  const report = (gateway: Gateway) => {
    if (gateway.reportsAtMs >= simulation.nowMs) return;
    gateway.reportsAtMs = simulation.nowMs + REPORT_MS;
    simulation.at(gateway.reportsAtMs, () => {
      const { position } = gateway;
      const heard = [...gateway.senders].map((sender) => () => note(sender, gateway, position));
      gateway.senders.clear();
      engine.publish({ callUs: costs.reportUs, deliverUs: costs.deliverUs }, heard, () => {
        gateway.reported = Math.max(gateway.reported, position);
      });
    });
  };
  const receive = (gateway: Gateway, sender: Gateway, position: number) => () => {
    const heldUpMs = simulation.random() < HELD_UP.share ? simulation.around(HELD_UP.ms) : 0;
    simulation.after(simulation.around(APPLY_MS) + heldUpMs, () => {
      gateway.position = Math.max(gateway.position, position);
      gateway.senders.add(sender);
      report(gateway);
    });
  };
  const ask = (sender: Gateway, purge: Purge) => {
    simulation.after(ASK_EVERY_MS, () => {
      if (!sender.waiting.has(purge)) return;
      engine.call(costs.behindUs * gateways.length / 1_000, () => {
        for (const member of [...purge.open]) note(sender, member, member.reported);
      });
      ask(sender, purge);
    });
  };
  const send = (sender: Gateway) => {
    const purge: Purge = { beganMs: simulation.nowMs, position: ++head, open: new Set(gateways) };
    sender.waiting.add(purge);
    const receivers = gateways.map((gateway) => receive(gateway, sender, purge.position));
    engine.publish({ callUs: costs.purgeUs, deliverUs: costs.deliverUs }, receivers, () => ask(sender, purge));
  };

  simulation.randomly(run.purgesPerSecond, untilMs, () => {
    asked++;
    send(gateways[Math.floor(simulation.random() * gateways.length)]!);
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
