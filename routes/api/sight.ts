import { z } from "zod";
import { LOG_AREAS, LOG_LEVELS } from "../../lib/logging/log_levels.ts";
import type { Problem as LoggedProblem } from "../../lib/logging/problem_book.ts";
import type { RememberedRequest } from "../../lib/metrics/request_memory.ts";
import { TOP_MEASURES } from "../../lib/metrics/top_targets.ts";
import type { LevelsInForce } from "../../lib/workers/supervisor/log_level.ts";
import { endpoint } from "./endpoint.ts";
import { Problem } from "./problem.ts";

const LEVEL = z.enum(LOG_LEVELS);
const AREAS = z.partialRecord(z.enum(LOG_AREAS), LEVEL);

const PROBLEM = z.object({
  at: z.iso.datetime(),
  level: LEVEL,
  area: z.enum(LOG_AREAS),
  message: z.string(),
  fields: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
  count: z.int(),
});

const REQUEST = z.object({
  id: z.string(),
  at: z.iso.datetime(),
  listener: z.string(),
  method: z.string(),
  target: z.string(),
  status: z.int(),
  termination: z.string(),
  cache: z.string(),
  fwd: z.string().nullable(),
  upstream: z.string().nullable(),
  tries: z.int(),
  bytes: z.int(),
  error: z.string().nullable(),
  total_ms: z.number(),
  phases: z.object({
    queue_ms: z.number(),
    connect_ms: z.number(),
    first_byte_ms: z.number(),
    upstream_ms: z.number(),
    client_ms: z.number(),
  }),
});

const TARGET = z.object({
  listener: z.string(),
  target: z.string(),
  requests: z.int().nullable(),
  misses: z.int().nullable(),
  bytes: z.int().nullable(),
  ms: z.int().nullable(),
  over: z.int(),
});

const LEVELS = z.object({
  areas: z.record(z.enum(LOG_AREAS), LEVEL),
  ordered: z.object({ level: LEVEL.optional(), areas: AREAS.optional() }).nullable(),
  until: z.iso.datetime().nullable(),
});

/** A warning or error as it is shown. */
export function shownProblem({ atMs, level, area, message, fields, count }: LoggedProblem) {
  return { at: new Date(atMs).toISOString(), level, area, message, fields, count };
}

function shownRequest({ atMs, totalMs, phases, ...rest }: RememberedRequest) {
  return {
    ...rest,
    at: new Date(atMs).toISOString(),
    total_ms: tenths(totalMs),
    phases: {
      queue_ms: tenths(phases.queueMs),
      connect_ms: tenths(phases.connectMs),
      first_byte_ms: tenths(phases.firstByteMs),
      upstream_ms: tenths(phases.upstreamMs),
      client_ms: tenths(phases.clientMs),
    },
  };
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}

function shownLevels({ areas, override, untilMs }: LevelsInForce) {
  return {
    areas,
    ordered: override === null ? null : { level: override.level, areas: override.levels },
    until: untilMs === null ? null : new Date(untilMs).toISOString(),
  };
}

/** What went wrong, what was slow, what is asked for most; and how much of it the log tells. */
export const SIGHT_ENDPOINTS = [
  endpoint({
    method: "GET",
    path: "/problems",
    role: "read",
    summary:
      "The last 200 different warnings and errors, the newest first; the same message is there once, with its count",
    answer: z.array(PROBLEM),
    handle: ({ view }) => view.sight.problems().map(shownProblem),
  }),
  endpoint({
    method: "GET",
    path: "/slow",
    role: "read",
    summary: "The slowest requests of the last hour, at most 50 of a listener, and where their time went",
    query: z.strictObject({ listener: z.string().max(64).optional() }),
    answer: z.array(REQUEST),
    handle: async ({ view, query: { listener } }) => (await view.sight.slow(listener ?? null)).map(shownRequest),
  }),
  endpoint({
    method: "GET",
    path: "/requests/{id}",
    role: "read",
    summary: "One of the slowest or last failed requests of the last hour, by its `X-Request-Id`",
    params: z.object({ id: z.string().max(128) }),
    answer: REQUEST,
    problems: { 404: "It is not remembered: neither among the slowest nor among the last that failed" },
    async handle({ view, params: { id } }) {
      const found = await view.sight.request(id);
      if (found === null) throw new Problem(404, "No request with this id is remembered");
      return shownRequest(found);
    },
  }),
  endpoint({
    method: "GET",
    path: "/top",
    role: "read",
    summary:
      "The targets with the most requests, misses, bytes or time in the last one to two hours; null is too little to " +
      "be counted, and the measure they are ordered by is at most `over` too high",
    query: z.strictObject({
      by: z.enum([...TOP_MEASURES, "time"]).default("requests"),
      listener: z.string().max(64).optional(),
    }),
    answer: z.array(TARGET),
    handle: ({ view, query: { by, listener } }) => view.sight.top(by === "time" ? "ms" : by, listener ?? null),
  }),
  endpoint({
    method: "GET",
    path: "/log-level",
    role: "read",
    summary: "The level of each area of the log, and what was ordered in place of the configuration",
    answer: LEVELS,
    handle: ({ view }) => shownLevels(view.logLevels.inForce),
  }),
  endpoint({
    method: "PUT",
    path: "/log-level",
    role: "operate",
    summary:
      "Sets levels of the log in all workers, for some time or until the next order; an empty order ends the one before",
    body: z.strictObject({
      level: LEVEL.optional(),
      areas: AREAS.optional(),
      for_seconds: z.int().min(1).max(86_400).optional(),
    }).refine(
      ({ level, areas = {}, for_seconds }) => for_seconds === undefined || level || Object.keys(areas).length > 0,
      {
        error: "for_seconds needs level or areas beside it",
      },
    ),
    example: { areas: { upstream: "debug" }, for_seconds: 600 },
    answer: LEVELS,
    handle: async ({ view, actor, body: { level, areas, for_seconds } }) =>
      shownLevels(await view.logLevels.set({ level, levels: areas, forSeconds: for_seconds }, actor)),
  }),
];
