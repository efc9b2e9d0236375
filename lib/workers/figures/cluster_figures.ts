import { momentOf } from "../../cache/purge/purge_clock.ts";
import type { BusSight } from "../../cluster/bus_listener.ts";
import type { EngineFigures, EngineState } from "../../cluster/engine.ts";
import { engineLabel } from "../../cluster/engine_options.ts";
import { counter, gauge, type Metric } from "../../metrics/exposition.ts";
import { type EngineCounts, withEngine } from "./lasting_counts.ts";
import type { Slot } from "../supervisor/slot.ts";
import type { ClusterLimitsState } from "../operations/cluster_limits.ts";
import type { ClusterLink } from "../operations/cluster_link.ts";

/** What the supervisor's connection to the engine is called beside those of the workers. */
const SUPERVISOR = "supervisor";

/** One connection to an engine, by the worker whose it is. */
interface Connection {
  readonly worker: string;
  readonly state: EngineState;
  readonly figures: EngineCounts | null;
}

/** How the cluster stands, as `/status` shows it; `null` where there is none. */
export function clusterStatus(link: ClusterLink | null) {
  if (link === null) return null;
  const { config, member, engine, limits } = link;
  return {
    name: config.name,
    member,
    share: config.share,
    bus: link.bus === null ? null : shownBus(link.bus()),
    limits: shownLimits(limits.state()),
    engine: { address: engineLabel(config.engine), ...shownState(engine.state()), ...shownFigures(engine.figures()) },
  };
}

/** How far this gateway and the others have applied what goes over the bus. */
function shownBus({ isLive, position, head, waiting, known }: BusSight) {
  return {
    live: isLive,
    position,
    lag_seconds: lagSeconds(position, head),
    waiting,
    members: known.map((member) => ({
      name: member.name,
      live: member.leaseMs > 0,
      lease_ms: Math.round(member.leaseMs),
      position: member.position,
      lag_seconds: lagSeconds(member.position, head),
    })),
  };
}

/** Positions tell the time; see `PurgeClock`. */
function lagSeconds(position: number, head: number): number {
  return position === 0 ? 0 : Math.max(0, momentOf(head) - momentOf(position)) / 1_000;
}

function busMetrics({ isLive, position, head, waiting, members, known }: BusSight): Metric[] {
  const behind = known.filter((member) => member.leaseMs <= 0 || member.position < position).length;
  return [
    gauge("usher_bus_live", "1 where every purge of the cluster is known", [{ labels: {}, value: isLive ? 1 : 0 }]),
    gauge("usher_bus_lag_seconds", "Between the last message and the last that was applied", [
      { labels: {}, value: lagSeconds(position, head) },
    ]),
    gauge("usher_bus_members", "Gateways of the cluster that have a lease or had one lately", [
      { labels: {}, value: members },
    ]),
    gauge("usher_bus_behind", "Of these, without a lease or behind this gateway", [{ labels: {}, value: behind }]),
    gauge("usher_bus_waiting", "Purges that wait until the engine can be told", [{ labels: {}, value: waiting }]),
  ];
}

/** How a connection to an engine stands, as `/status` shows it. */
export function shownState({ connection, isHearing, breaker, problem, sinceMs, roundTripMs }: EngineState) {
  return {
    connection,
    since: new Date(sinceMs).toISOString(),
    hearing: isHearing,
    breaker,
    round_trip_ms: roundTripMs === null ? null : Math.round(roundTripMs * 1_000) / 1_000,
    problem,
  };
}

function shownLimits({ clients, shares }: ClusterLimitsState) {
  return {
    clients: clients === null ? null : {
      ...{ alone: clients.isAlone, members: clients.members, told: clients.told },
      age_ms: clients.ageMs === null ? null : Math.round(clients.ageMs),
    },
    keys: shares === null ? null : { alone: shares.isAlone, members: shares.members, rates: shares.rates },
  };
}

function shownFigures({ commands, connections, waiting }: EngineFigures) {
  return { commands, connections, waiting };
}

/** The metrics of the cluster; none where there is none. */
export function clusterMetrics(link: ClusterLink | null, slots: readonly Slot[]): Metric[] {
  if (link === null) return [];
  const { engine, limits } = link;
  const workers = slots.flatMap(({ name, handle, retired }): Connection[] => {
    const shared = handle?.report?.shared ?? null;
    return shared === null
      ? []
      : [{ worker: name, state: shared.engine, figures: withEngine(retired.engine, shared.figures) }];
  });
  return [
    ...engineMetrics([{ worker: SUPERVISOR, state: engine.state(), figures: engine.figures() }, ...workers]),
    ...link.bus === null ? [] : busMetrics(link.bus()),
    ...limitMetrics(limits.state()),
  ];
}

function limitMetrics({ clients }: ClusterLimitsState): Metric[] {
  if (clients === null) return [];
  const { isAlone, members, ageMs, told } = clients;
  const one = (value: number) => [{ labels: {}, value }];
  return [
    gauge("usher_cluster_limits_alone", "1 while clients have only this gateway's part of their quotas", one(+isAlone)),
    gauge("usher_cluster_limits_members", "Gateways that count clients together, as far as is known", one(members)),
    gauge(
      "usher_cluster_limits_age_seconds",
      "Time since all gateways' counts of clients were last known; 0 before",
      one((ageMs ?? 0) / 1_000),
    ),
    counter(
      "usher_cluster_clients_told_total",
      "Clients that other gateways were told of, each time counted",
      one(told),
    ),
  ];
}

function engineMetrics(all: readonly Connection[]): Metric[] {
  const each = (value: (state: EngineState) => number) =>
    all.map(({ worker, state }) => ({ labels: { worker }, value: value(state) }));
  const counted = all.flatMap(({ worker, figures }) => figures === null ? [] : [{ worker, figures }]);
  return [
    gauge("usher_engine_up", "1 where there is a connection to the cluster's engine", [
      ...each(({ connection }) => connection === "ready" ? 1 : 0),
    ]),
    gauge("usher_engine_breaker_open", "1 where the engine is not asked for a while, since it was late or failed", [
      ...each(({ breaker }) => breaker === "closed" ? 0 : 1),
    ]),
    gauge("usher_engine_round_trip_seconds", "Smoothed time of a round trip to the engine; 0 before the first", [
      ...each(({ roundTripMs }) => (roundTripMs ?? 0) / 1_000),
    ]),
    counter(
      "usher_engine_commands_total",
      "Commands to the engine, by how they ended",
      counted.flatMap(({ worker, figures }) =>
        Object.entries(figures.commands).map(([result, value]) => ({ labels: { worker, result }, value }))
      ),
    ),
    counter(
      "usher_engine_connections_total",
      "Connections to the engine that were made",
      counted.map(({ worker, figures }) => ({ labels: { worker }, value: figures.connections })),
    ),
  ];
}
