import type { z } from "zod";
import type { CheckSpec } from "../health/check.ts";
import { upstreamTypes } from "../upstream_type/registry.ts";
import { fieldName, statusRange } from "./http_scalars.ts";
import type { Path } from "./yaml/located.ts";
import type { Problems } from "./yaml/problems.ts";
import { choice, duration, flag, integer, line, text } from "./yaml/scalars.ts";
import { type Frozen, oneOrMany, record, section, switchable } from "./yaml/section.ts";
import { DAY, formatDurationMs, HOUR, SECOND } from "./yaml/units.ts";

/** The least time that a check and the interval of an upstream that is out have by default. */
const DEFAULT_CHECK_MS = 5 * SECOND;

const healthSection = section({
  enabled: flag().prefault(true).describe("Active checks; `health: false` is short for `health: { enabled: false }`."),
  method: choice(["GET", "HEAD", "OPTIONS"]).optional().describe(
    "Method of the check; default: the type's own, else GET.",
  ),
  path: text({ title: "path", pattern: /^\/[^\s#\p{Cc}]*$/u, maxLength: 2000, expected: "a path that begins with /" })
    .optional().describe("Path and query of the check; default: the type's own, else `/`."),
  fields: record(
    fieldName(),
    text({ title: "field value", pattern: /^[^\r\n\0]*$/, maxLength: 8192, expected: "a text" }),
    "field names and texts",
  ).describe("Request fields of the check."),
  status: oneOrMany(statusRange()).optional().describe(
    "Statuses of a good check; default: the type's own, else `200-299`.",
  ),
  contains: line("text").optional().describe("Text that the body of a good check contains."),
  interval: duration(10, DAY).prefault("30s").describe("Time between two checks of an upstream."),
  unhealthy_interval: duration(10, DAY).optional().meta({
    description: "Time between two checks while the upstream is out; the default is never longer than `interval`.",
    usual: "5s",
  }),
  timeout: duration(1, HOUR).optional().meta({
    description: "Time a check may take; the default is never longer than half of `interval`.",
    usual: "5s",
  }),
  rise: integer(1, 100).prefault(2).describe("Good checks in a row that bring an upstream back."),
  fall: integer(1, 100).prefault(2).describe("Failed checks in a row that take an upstream out."),
  max_failures: integer(1, 10_000).prefault(5).describe("Failed requests in a row that take an upstream out."),
});

/** Key of a pool that says how its upstreams are checked. */
export const healthKey = switchable(healthSection).prefault({}).describe(
  "Active checks and isolation of upstreams; `false` turns the checks off.",
);

type HealthValues = z.output<typeof healthSection>;

/** Checks `health:` of a pool of a type; `at` is where it stands. */
export function checkHealth(
  { interval, timeout, path }: HealthValues,
  type: string | undefined,
  { at, problems }: { readonly at: Path; readonly problems: Problems },
): void {
  const refused = path === undefined ? null : upstreamTypes.traits(type)?.refusedCheck(path) ?? null;
  if (refused !== null) {
    problems.expect([...at, "path"], `a path that can be asked for again and again: ${refused}`);
  }
  if (problems.has(at) || timeout === undefined || timeout < interval) return;
  const given = [...at, "interval"];
  const found = problems.isGiven(given) ? problems.found(given) : `${formatDurationMs(interval)}, the default`;
  problems.expect([...at, "timeout"], `a duration shorter than health.interval (${found})`);
}

/** How the upstreams of a pool are checked; `null` is the type's default. */
export function healthOf(health: HealthValues) {
  return {
    enabled: health.enabled,
    method: health.method ?? null,
    path: health.path ?? null,
    fields: { ...health.fields },
    status: health.status ?? null,
    /** What is passed on to the checker as it stands. */
    check: checkOf(health),
    /** Failed requests in a row that take an upstream out. */
    maxFailures: health.max_failures,
  };
}

/** `health:` of a pool. */
export interface HealthConfig extends Frozen<ReturnType<typeof healthOf>> {}

function checkOf(
  health: HealthValues,
): Pick<CheckSpec, "contains" | "intervalMs" | "unhealthyIntervalMs" | "timeoutMs" | "rise" | "fall"> {
  return {
    contains: health.contains ?? null,
    intervalMs: health.interval,
    unhealthyIntervalMs: health.unhealthy_interval ?? Math.min(DEFAULT_CHECK_MS, health.interval),
    timeoutMs: health.timeout ?? Math.min(DEFAULT_CHECK_MS, Math.ceil(health.interval / 2)),
    rise: health.rise,
    fall: health.fall,
  };
}
