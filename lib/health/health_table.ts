import type { HealthState, HealthTable, UpstreamHealth } from "../pool/upstream_health.ts";

export type { HealthState, HealthTable, UpstreamHealth } from "../pool/upstream_health.ts";

/** Changes with the encoding; a table of another one is not read. */
const ENCODING = 2;

/** Longest id and reason that are kept, in UTF-16 units: both come from configuration and upstreams. */
const TEXT_LIMIT = 256;

const STATES: readonly HealthState[] = ["unknown", "healthy", "unhealthy", "ejected", "half_open"];

/** The fields of a row, in the order that they are written in. */
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

/** A table as bytes: compact JSON. */
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

/** The table that these bytes hold; `null` where they hold none. */
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
