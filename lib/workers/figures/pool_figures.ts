import type { PoolConfig } from "../../config/pool.ts";
import type { UpstreamConfig } from "../../config/upstream.ts";
import type { PoolState, UpstreamState } from "../../gateway/resilience_state.ts";
import { gauge, type Metric, type Sample } from "../../metrics/exposition.ts";
import {
  type ListenerCounts,
  newListenerCounts,
  newPoolCounts,
  type WorkerCounts,
} from "../../metrics/gateway_metrics.ts";
import type { BreakerState } from "../../pool/local_breaker.ts";
import { admits, type HealthTable, type UpstreamHealth } from "../../pool/upstream_health.ts";
import type { Drain } from "../operations/upstream_desk.ts";
import type { Slot } from "../supervisor/slot.ts";
import type { CredentialState } from "../../upstream_type/upstream_type.ts";

/** What pools' figures are made from. */
export interface ResilienceFacts {
  readonly slots: readonly Slot[];
  readonly pools: readonly PoolConfig[];
  readonly drains: readonly Drain[];
  /** Names of the listeners. */
  readonly listeners: readonly string[];
}

const KEY_STATES: readonly CredentialState["state"][] = ["ready", "limited", "refused"];
const CIRCUIT_STATES: readonly BreakerState[] = ["closed", "open", "half_open"];

/** What a pool's status is made from. */
export interface PoolFacts {
  readonly slots: readonly Slot[];
  readonly counts: WorkerCounts;
  readonly drains: readonly Drain[];
}

/** A pool in `/status`. */
export function poolStatus(pool: PoolConfig, { slots, counts, drains }: PoolFacts) {
  const counted = own(counts.pools, pool.name) ?? newPoolCounts();
  const states = poolStates(pool.name, slots);
  return {
    name: pool.name,
    type: pool.type,
    strategy: pool.strategy,
    retries: {
      made: counted.retries,
      refused: counted.retriesRefused,
      in_flight: sum(states, ({ retrying }) => retrying),
      waiting: sum(states, ({ retriesWaiting }) => retriesWaiting),
    },
    hedges: { sent: counted.hedges, won: counted.hedgesWon },
    queue: { waiting: sum(states, ({ waiting }) => waiting), waited: counted.queued, refused: counted.turnedAway },
    ...keyStatus(pool, slots, counts),
    upstreams: pool.upstreams.map((upstream) => ({
      ...healthStatus(upstream.id, healthOf(slots, pool.name, upstream.id)),
      drained: shownDrain(drainOf(drains, pool.name, upstream.id)),
      ...loadStatus(upstream, upstreamStates(pool.name, upstream.id, slots)),
      tries: own(own(counts.upstreams, pool.name) ?? {}, upstream.id)?.outcomes ?? {},
    })),
  };
}

/** The limits of a listener in `/status`. */
export function listenerLimits(listener: string, slots: readonly Slot[], counts: ListenerCounts | undefined): {
  readonly queue: { readonly waiting: number; readonly waited: number; readonly refused: number };
  readonly rate_limited: number;
} {
  const { queued, turnedAway, rateLimited } = counts ?? newListenerCounts();
  return {
    queue: { waiting: listenerWaiting(listener, slots), waited: queued, refused: turnedAway },
    rate_limited: rateLimited,
  };
}

/** How pools, their upstreams and listeners' queues stand at this moment. */
export function resilienceMetrics({ slots, pools, drains, listeners }: ResilienceFacts): Metric[] {
  const poolSamples = (of: (state: PoolState) => number) =>
    pools.map(({ name }) => ({ labels: { pool: name }, value: sum(poolStates(name, slots), of) }));
  return [
    ...upstreamMetrics(slots, pools, drains),
    gauge("usher_retries_in_flight", "Retries under way", poolSamples(({ retrying }) => retrying)),
    gauge("usher_retries_waiting", "Retries that wait for the budget", poolSamples((state) => state.retriesWaiting)),
    gauge("usher_pool_waiting", "Requests that wait for an upstream with room", poolSamples((state) => state.waiting)),
    ...keyGauges(slots, pools),
    gauge(
      "usher_listener_waiting",
      "Requests that wait under max_in_flight",
      listeners.map((listener) => ({ labels: { listener }, value: listenerWaiting(listener, slots) })),
    ),
  ];
}

function upstreamMetrics(slots: readonly Slot[], pools: readonly PoolConfig[], drains: readonly Drain[]): Metric[] {
  const rows = pools.flatMap(({ name, upstreams }) =>
    upstreams.map((config) => ({
      config,
      labels: { pool: name, upstream: config.id },
      health: healthOf(slots, name, config.id),
      states: upstreamStates(name, config.id, slots),
      isDrained: drainOf(drains, name, config.id) !== undefined,
    }))
  );
  type Row = typeof rows[number];
  const each = (of: (row: Row) => number) => rows.map((row) => ({ labels: row.labels, value: of(row) }));
  return [
    gauge(
      "usher_upstream_healthy",
      "1 while the health of the upstream lets it have requests",
      each(({ health }) => health === undefined || admits(health.state) ? 1 : 0),
    ),
    gauge("usher_upstream_weight", "Effective weight", each(({ health }) => health?.weight ?? 0)),
    gauge(
      "usher_upstream_circuit",
      "1 for the state of the circuit, as the health worker sees it",
      rows.flatMap(({ labels, health }) =>
        CIRCUIT_STATES.map((state) => ({ labels: { ...labels, state }, value: circuitOf(health) === state ? 1 : 0 }))
      ),
    ),
    gauge(
      "usher_upstream_breakers_open",
      "Serving workers whose own breaker keeps the upstream out",
      each(({ states }) => openBreakers(states)),
    ),
    gauge(
      "usher_upstream_in_flight",
      "Requests at the upstream",
      each(({ states }) => sum(states, ({ inFlight }) => inFlight)),
    ),
    gauge(
      "usher_upstream_drained",
      "1 while the upstream gets no requests because an operator has drained it",
      each(({ isDrained }) => isDrained ? 1 : 0),
    ),
    gauge(
      "usher_upstream_share",
      "Part of the pool's requests that the upstream may expect, 0 to 1",
      each(({ states }) => shareOf(states)),
    ),
    gauge(
      "usher_upstream_limit",
      "What the upstream may be given: requests at a time and per second",
      rows.flatMap(({ labels, config }) => limitSamples(labels, config)),
    ),
  ];
}

function limitSamples(
  labels: Readonly<Record<string, string>>,
  { maxInFlight, maxPerSecond }: UpstreamConfig,
): Sample[] {
  return Object.entries({ in_flight: maxInFlight, per_second: maxPerSecond }).flatMap(([limit, value]) =>
    value === null ? [] : [{ labels: { ...labels, limit }, value }]
  );
}

function healthStatus(id: string, health: UpstreamHealth | undefined) {
  return {
    url: id,
    state: health?.state ?? "unknown",
    healthy: health === undefined ? null : admits(health.state),
    circuit: circuitOf(health),
    reason: health?.reason ?? "",
    since: health === undefined ? null : new Date(health.sinceMs).toISOString(),
    weight: health?.weight ?? null,
    fast_ms: health?.fastMs ?? null,
    slow_ms: health?.slowMs ?? null,
    success_rate: health?.successRate ?? null,
    checks: health?.checks ?? 0,
    failed_checks: health?.failedChecks ?? 0,
    credential: health?.credential ?? "",
  };
}

function loadStatus(config: UpstreamConfig, states: readonly UpstreamState[]) {
  return {
    share: shareOf(states),
    breakers_open: openBreakers(states),
    in_flight: sum(states, ({ inFlight }) => inFlight),
    max_in_flight: config.maxInFlight,
    max_rps: config.maxPerSecond,
  };
}

/** What the health worker lets through: it holds one breaker for all workers. */
function circuitOf(health: UpstreamHealth | undefined): BreakerState {
  if (health?.state === "half_open") return "half_open";
  return health === undefined || admits(health.state) ? "closed" : "open";
}

/** Each worker picks for itself: the mean of what they expect. */
function shareOf(states: readonly UpstreamState[]): number {
  return Math.round(sum(states, ({ share }) => share) / Math.max(1, states.length) * 10_000) / 10_000;
}

function drainOf(drains: readonly Drain[], pool: string, upstream: string): Drain | undefined {
  return drains.find((drain) => drain.pool === pool && drain.upstream === upstream);
}

function shownDrain(drain: Drain | undefined) {
  return drain === undefined ? null : { since: new Date(drain.sinceMs).toISOString(), by: drain.by };
}

function openBreakers(states: readonly UpstreamState[]): number {
  return states.filter(({ breaker }) => breaker === "open").length;
}

function healthOf(slots: readonly Slot[], pool: string, upstream: string): UpstreamHealth | undefined {
  return own(healthTable(pool, slots)?.upstreams ?? {}, upstream);
}

function healthTable(pool: string, slots: readonly Slot[]): HealthTable | undefined {
  const tables = slots.find((slot) => slot.role === "health")?.handle?.report?.health;
  return tables?.find((table) => table.pool === pool);
}

function upstreamStates(pool: string, upstream: string, slots: readonly Slot[]): UpstreamState[] {
  return poolStates(pool, slots).flatMap(({ upstreams }) => own(upstreams, upstream) ?? []);
}

/** The pool in each serving worker, that with the oldest configuration first. */
function poolStates(pool: string, slots: readonly Slot[]): PoolState[] {
  return slots
    .flatMap(({ handle }) => handle?.report ?? [])
    .toSorted((one, other) => one.generation - other.generation)
    .flatMap((report) => own(report.resilience?.pools ?? {}, pool) ?? []);
}

/** All workers know the same of the keys: the newest configuration's are shown. */
function keyStates(pool: string, slots: readonly Slot[]): readonly CredentialState[] {
  return poolStates(pool, slots).at(-1)?.credentials ?? [];
}

function keyWaiting(pool: string, slots: readonly Slot[]): number {
  return sum(poolStates(pool, slots), ({ waitingForKey }) => waitingForKey);
}

function listenerWaiting(listener: string, slots: readonly Slot[]): number {
  return sum(slots, (slot) => own(slot.handle?.report?.resilience?.waiting ?? {}, listener) ?? 0);
}

/** Names come from the configuration: one may be called like something that objects inherit. */
function own<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

function sum<T>(values: readonly T[], of: (value: T) => number): number {
  return values.reduce((total, value) => total + of(value), 0);
}

/** A pool's keys in `/status`, each by its place and never by its text; nothing for a pool without keys. */
export function keyStatus(pool: PoolConfig, slots: readonly Slot[], counts: WorkerCounts) {
  const states = keyStates(pool.name, slots);
  if (states.length === 0) return {};
  const counted = own(counts.credentials, pool.name) ?? {};
  const { credentialQueued, credentialTurnedAway } = own(counts.pools, pool.name) ?? newPoolCounts();
  return {
    keys: states.map(({ place, state, untilMs, ratePerSecond }) => ({
      key: place,
      state,
      until: untilMs === 0 ? null : new Date(untilMs).toISOString(),
      ...(counted[place] ?? { requests: 0, limited: 0, refused: 0 }),
      max_rps: ratePerSecond,
    })),
    key_queue: { waiting: keyWaiting(pool.name, slots), waited: credentialQueued, refused: credentialTurnedAway },
  };
}

/** How pools' keys stand at this moment. */
export function keyGauges(slots: readonly Slot[], pools: readonly PoolConfig[]): Metric[] {
  const each = (of: (state: CredentialState, labels: Record<string, string>) => Sample[]): Sample[] =>
    pools.flatMap(({ name }) =>
      keyStates(name, slots).flatMap((state) => of(state, { pool: name, key: String(state.place) }))
    );
  return [
    gauge(
      "usher_key_state",
      "1 for the state of a key: ready, limited (resting after a 429) or refused (out after a 401)",
      each((one, labels) =>
        KEY_STATES.map((state) => ({ labels: { ...labels, state }, value: one.state === state ? 1 : 0 }))
      ),
    ),
    gauge(
      "usher_key_rate",
      "Requests per second that a key may be given now, where that is limited",
      each(({ ratePerSecond }, labels) => ratePerSecond === null ? [] : [{ labels, value: ratePerSecond }]),
    ),
    gauge(
      "usher_key_waiting",
      "Requests that wait for a key with room",
      pools.flatMap(({ name }) =>
        keyStates(name, slots).length === 0 ? [] : [{ labels: { pool: name }, value: keyWaiting(name, slots) }]
      ),
    ),
  ];
}
