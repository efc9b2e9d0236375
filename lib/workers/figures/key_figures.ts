import type { PoolConfig } from "../../config/pool.ts";
import type { PoolState } from "../../gateway/resilience_state.ts";
import type { Metric, Sample } from "../../metrics/exposition.ts";
import { newPoolCounts, type WorkerCounts } from "../../metrics/gateway_metrics.ts";
import type { CredentialState } from "../../upstream_type/upstream_type.ts";
import type { Slot } from "../supervisor/fleet.ts";

const STATES: readonly CredentialState["state"][] = ["ready", "limited", "refused"];

/** A pool's keys in `/status`, each by its place and never by its text; nothing for a pool without keys. */
export function keyStatus(pool: PoolConfig, slots: readonly Slot[], counts: WorkerCounts): Record<string, unknown> {
  const states = statesOf(pool.name, slots);
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
    key_queue: { waiting: waitingFor(pool.name, slots), waited: credentialQueued, refused: credentialTurnedAway },
  };
}

/** How pools' keys stand at this moment. */
export function keyGauges(slots: readonly Slot[], pools: readonly PoolConfig[]): Metric[] {
  const each = (of: (state: CredentialState, labels: Record<string, string>) => Sample[]): Sample[] =>
    pools.flatMap(({ name }) =>
      statesOf(name, slots).flatMap((state) => of(state, { pool: name, key: String(state.place) }))
    );
  return [
    {
      name: "usher_key_state",
      help: "1 for the state of a key: ready, limited (resting after a 429) or refused (out after a 401)",
      type: "gauge",
      values: each((one, labels) =>
        STATES.map((state) => ({ labels: { ...labels, state }, value: one.state === state ? 1 : 0 }))
      ),
    },
    {
      name: "usher_key_rate",
      help: "Requests per second that a key may be given now, where that is limited",
      type: "gauge",
      values: each(({ ratePerSecond }, labels) => ratePerSecond === null ? [] : [{ labels, value: ratePerSecond }]),
    },
    {
      name: "usher_key_waiting",
      help: "Requests that wait for a key with room",
      type: "gauge",
      values: pools.flatMap(({ name }) =>
        statesOf(name, slots).length === 0 ? [] : [{ labels: { pool: name }, value: waitingFor(name, slots) }]
      ),
    },
  ];
}

/** All workers know the same of the keys: that of the one whose word is the newest will do. */
function statesOf(pool: string, slots: readonly Slot[]): readonly CredentialState[] {
  return poolStates(pool, slots).at(-1)?.credentials ?? [];
}

function waitingFor(pool: string, slots: readonly Slot[]): number {
  return poolStates(pool, slots).reduce((sum, { waitingForKey }) => sum + waitingForKey, 0);
}

/** The pool in each serving worker, that with the oldest configuration first. */
function poolStates(pool: string, slots: readonly Slot[]): PoolState[] {
  return slots
    .flatMap(({ handle }) => handle?.report ?? [])
    .toSorted((one, other) => one.generation - other.generation)
    .flatMap((report) => own(report.resilience?.pools ?? {}, pool) ?? []);
}

/** Names come from the configuration: one may be called like something that objects inherit. */
function own<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}
