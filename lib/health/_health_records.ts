import type { HealthTable } from "../pool/upstream_health.ts";
import type { StateEntry, StateKey, StateStore } from "../state/state_store.ts";
import { decodeHealthTable, encodeHealthTable } from "./health_table.ts";

/** What changed last: the one value that readers watch. */
export const INDEX_KEY: StateKey = ["health", "index"];

/** `["health", "table", pool]` holds the bytes of a pool's table. */
export const TABLES_KEY: StateKey = ["health", "table"];

/** Tables of the layout before this one lie below it, in parts. */
export const EARLIER_TABLES_KEY: StateKey = ["health", "pool"];

/** Older tables are of a health worker that has ended: a running one publishes every table twice a minute. */
export const MAX_AGE_MS = 120_000;

/** A table of more bytes is not published: about 5,000 upstreams. */
export const TABLE_LIMIT_BYTES = 600_000;

/** A name is part of a key (2,048 bytes) and, a hundred times, of the index. In UTF-16 units. */
const NAME_LIMIT = 200;

/** The index names this many pools; a reader that missed more reads all. */
const RECENT_LIMIT = 100;

/** The value of {@linkcode INDEX_KEY}. */
export interface Index {
  readonly version: number;
  /** Pools changed after version `floor`, newest first. */
  readonly recent: ReadonlyArray<readonly [pool: string, version: number]>;
  readonly floor: number;
}

/** The index after these tables were written. */
export function nextIndex(before: Index, tables: readonly HealthTable[]): Index {
  const changed = new Map(tables.map((table) => [table.pool, table.version]));
  const all = [...changed, ...before.recent.filter(([pool]) => !changed.has(pool))];
  const left = all.slice(RECENT_LIMIT);
  const floor = left.reduce((highest, [, version]) => Math.max(highest, version), before.floor);
  const version = Math.max(before.version, ...changed.values());
  return { version, recent: all.slice(0, RECENT_LIMIT), floor };
}

/** Whether a value is an index. */
export function isIndex(value: unknown): value is Index {
  if (typeof value !== "object" || value === null) return false;
  const { version, recent, floor } = value as Partial<Record<keyof Index, unknown>>;
  return typeof version === "number" && Array.isArray(recent) && typeof floor === "number";
}

/** What to write for a table; `null` where it is over a limit. */
export function entryOf(table: HealthTable): StateEntry | null {
  const value = encodeHealthTable(table);
  if (table.pool.length > NAME_LIMIT || value.length > TABLE_LIMIT_BYTES) return null;
  return { key: [...TABLES_KEY, table.pool], value };
}

/** Every table there is. @throws what the state store throws */
export async function readAll(state: StateStore): Promise<HealthTable[]> {
  const tables: HealthTable[] = [];
  for await (const { value } of state.list(TABLES_KEY)) tables.push(...tablesIn(value));
  return tables;
}

/** The tables of these pools, as far as there are any. @throws what the state store throws */
export async function readSome(state: StateStore, pools: readonly string[]): Promise<HealthTable[]> {
  const values = await Promise.all(pools.map((pool) => state.get([...TABLES_KEY, pool])));
  return values.flatMap(tablesIn);
}

function tablesIn(value: unknown): HealthTable[] {
  const table = value instanceof Uint8Array ? decodeHealthTable(value) : null;
  return table === null ? [] : [table];
}
