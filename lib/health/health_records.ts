import type { HealthState, HealthTable, UpstreamHealth } from "../pool/upstream_health.ts";

/** Key of the index of changes: the one key that readers watch. */
export const INDEX_KEY: Deno.KvKey = ["health", "index"];

/** `["health", "pool", name, part]` holds a table's bytes. */
export const POOL_PREFIX: Deno.KvKey = ["health", "pool"];

/** Older tables are stale: a running health worker publishes every table twice a minute. */
export const MAX_AGE_MS = 120_000;

/** Larger tables are not published: about 5,000 upstreams. */
export const TABLE_LIMIT_BYTES = 600_000;

/** Deno KV takes values of 65,536 bytes. */
const PART_BYTES = 60_000;

/** A name is part of keys (2,048 bytes) and, a hundred times, of the index. In UTF-16 units. */
const NAME_LIMIT = 200;

/** Pools in the index; a reader that missed more reads all. */
const RECENT_LIMIT = 100;

/** Value of {@linkcode INDEX_KEY}. */
export interface Index {
  readonly version: number;
  /** Pools changed after version `floor`, newest first. */
  readonly recent: ReadonlyArray<readonly [pool: string, version: number]>;
  readonly floor: number;
}

/** One stored part of a table. */
interface Part {
  readonly version: number;
  readonly parts: number;
  readonly bytes: Uint8Array;
}

/** A table as KV entries. */
export interface Publication {
  readonly table: HealthTable;
  readonly entries: ReadonlyArray<readonly [key: Deno.KvKey, part: Part]>;
  readonly sizeBytes: number;
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

/** Whether KV held an index. */
export function isIndex(value: unknown): value is Index {
  if (typeof value !== "object" || value === null) return false;
  const { version, recent, floor } = value as Partial<Record<keyof Index, unknown>>;
  return typeof version === "number" && Array.isArray(recent) && typeof floor === "number";
}

/** KV entries of a table; `null` where it is over a limit. */
export function toPublication(table: HealthTable): Publication | null {
  const bytes = encodeHealthTable(table);
  if (table.pool.length > NAME_LIMIT || bytes.length > TABLE_LIMIT_BYTES) return null;
  const parts = Math.ceil(bytes.length / PART_BYTES);
  const entries = Array.from({ length: parts }, (_, part) => {
    const slice = bytes.slice(part * PART_BYTES, (part + 1) * PART_BYTES);
    return [[...POOL_PREFIX, table.pool, part], { version: table.version, parts, bytes: slice }] as const;
  });
  return { table, entries, sizeBytes: bytes.length };
}

/** Reads every table. */
export async function readAll(kv: Deno.Kv): Promise<HealthTable[]> {
  const byPool = new Map<string, Part[]>();
  for await (const { key, value } of kv.list<Part>({ prefix: POOL_PREFIX })) {
    const pool = String(key[POOL_PREFIX.length]);
    const parts = byPool.get(pool);
    if (parts === undefined) byPool.set(pool, [value]);
    else parts.push(value);
  }
  return [...byPool.values()].map(join).filter((table) => table !== null);
}

/** Reads the tables of these pools, where they exist. */
export async function readSome(kv: Deno.Kv, pools: readonly string[]): Promise<HealthTable[]> {
  const tables: HealthTable[] = [];
  for (const pool of pools) {
    const parts: Part[] = [];
    for await (const { value } of kv.list<Part>({ prefix: [...POOL_PREFIX, pool] })) parts.push(value);
    const table = join(parts);
    if (table !== null) tables.push(table);
  }
  return tables;
}

/**
 * Joins the parts of a table, given in order; `null` where some are missing or of another version, because a newer table is being
 * written.
 */
function join(parts: readonly Part[]): HealthTable | null {
  const first = parts[0];
  if (first === undefined || !(first.bytes instanceof Uint8Array)) return null;
  const mine = parts.slice(0, first.parts);
  if (mine.length < first.parts || mine.some((part) => part.version !== first.version)) return null;
  const bytes = new Uint8Array(mine.reduce((sum, part) => sum + part.bytes.length, 0));
  let offset = 0;
  for (const part of mine) {
    bytes.set(part.bytes, offset);
    offset += part.bytes.length;
  }
  return decodeHealthTable(bytes);
}

/** Version of the encoding; tables of other versions are not read. */
const ENCODING = 2;

/** Longest reason and credential text, in UTF-16 units: both may come from upstreams. */
const TEXT_LIMIT = 256;

const STATES: readonly HealthState[] = ["unknown", "healthy", "unhealthy", "ejected", "half_open"];

/** Numbers of a row, in the order of the encoding. */
const NUMBERS = [
  "sinceMs",
  "weightFactor",
  "weight",
  "rampFromMs",
  "fastMs",
  "slowMs",
  "successRate",
  "checks",
  "failedChecks",
] as const;

/** Encodes a table as compact JSON. */
export function encodeHealthTable(table: HealthTable): Uint8Array<ArrayBuffer> {
  const rows = Object.entries(table.upstreams).map(([id, row]) => [
    id,
    STATES.indexOf(row.state),
    row.reason.slice(0, TEXT_LIMIT),
    row.credential.slice(0, TEXT_LIMIT),
    ...NUMBERS.map((name) => row[name]),
  ]);
  return new TextEncoder().encode(JSON.stringify([ENCODING, table.pool, table.version, table.atMs, rows]));
}

/** Decodes a table; `null` where the bytes are none. */
export function decodeHealthTable(bytes: Uint8Array): HealthTable | null {
  const data = parseJson(bytes);
  if (!Array.isArray(data) || data[0] !== ENCODING) return null;
  const [, pool, version, atMs, rows] = data as unknown[];
  if (typeof pool !== "string" || !isNumber(version) || !isNumber(atMs) || !Array.isArray(rows)) return null;
  const upstreams: [string, UpstreamHealth][] = [];
  for (const row of rows) {
    const decoded = decodeRow(row);
    if (decoded === null) return null;
    upstreams.push(decoded);
  }
  return { pool, version, atMs, upstreams: Object.fromEntries(upstreams) };
}

function decodeRow(row: unknown): [string, UpstreamHealth] | null {
  if (!Array.isArray(row)) return null;
  const [id, stateIndex, reason, credential, ...numbers] = row as unknown[];
  const state = isNumber(stateIndex) ? STATES[stateIndex] : undefined;
  const texts = typeof id === "string" && typeof reason === "string" && typeof credential === "string";
  if (!texts || state === undefined || numbers.length !== NUMBERS.length || !numbers.every(isNumber)) return null;
  const values = Object.fromEntries(NUMBERS.map((name, i) => [name, numbers[i]!]));
  return [id, { state, reason, credential, ...values } as UpstreamHealth];
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return null;
  }
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}
