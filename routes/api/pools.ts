import { z } from "zod";
import type { DrainOutcome } from "../../lib/workers/operations/upstream_desk.ts";
import type { AdminView } from "./admin_view.ts";
import { endpoint } from "./endpoint.ts";
import { Problem } from "./problem.ts";

const UPSTREAM = z.looseObject({
  url: z.string(),
  state: z.string(),
  healthy: z.boolean().nullable(),
  circuit: z.string(),
  reason: z.string(),
  since: z.iso.datetime().nullable(),
  weight: z.number().nullable(),
  fast_ms: z.number().nullable(),
  slow_ms: z.number().nullable(),
  in_flight: z.int(),
  drained: z.object({ since: z.iso.datetime(), by: z.string() }).nullable(),
  /** Part of the pool's requests that it may expect, 0 to 1. */
  share: z.number(),
});

/** A key as it is shown: by its place from 1, never by its text. */
const KEY = z.looseObject({
  key: z.int(),
  state: z.enum(["ready", "limited", "refused"]),
  until: z.iso.datetime().nullable(),
  requests: z.int(),
  limited: z.int(),
  refused: z.int(),
  max_rps: z.number().nullable(),
});

/** A pool as it is shown. */
export const POOL = z.looseObject({
  name: z.string(),
  type: z.string(),
  strategy: z.string(),
  upstreams: z.array(UPSTREAM),
  keys: z.array(KEY).optional(),
});

const NAMED = z.strictObject({ upstream: z.string().min(1).max(2_048) });

const DRAIN = z.object({
  pool: z.string(),
  upstream: z.string(),
  drained: z.object({ since: z.iso.datetime(), by: z.string() }).nullable(),
  /** Serving workers that go by it. */
  workers: z.int(),
  /** Upstreams of the pool that still get requests; with 0 it answers 503 for what is not stored. */
  left: z.int(),
  /** Whether it outlives this process. */
  persisted: z.boolean(),
});

const UNKNOWN = { 404: "There is no such pool, or it has no such upstream" };

/** The pools, with the state of each upstream. */
export const POOL_ENDPOINTS = [
  endpoint({
    method: "GET",
    path: "/pools",
    role: "read",
    summary: "Every pool with its upstreams",
    answer: z.array(POOL),
    handle: async ({ view }) => (await view.status()).pools,
  }),
  endpoint({
    method: "GET",
    path: "/pools/{name}",
    role: "read",
    summary: "One pool with its upstreams",
    params: z.object({ name: z.string() }),
    answer: POOL,
    problems: { 404: "There is no such pool" },
    handle: ({ view, params: { name } }) => poolCalled(name, view),
  }),
  endpoint({
    method: "GET",
    path: "/pools/{name}/keys",
    role: "read",
    summary: "The keys of a pool, each by its place among `api_keys`",
    params: z.object({ name: z.string() }),
    answer: z.object({ keys: z.array(KEY) }),
    problems: { 404: "There is no such pool" },
    handle: async ({ view, params: { name } }) => ({ keys: (await poolCalled(name, view)).keys ?? [] }),
  }),
  steering(
    "drain",
    "Gives an upstream no new requests in any worker, over reloads and restarts, until it is undrained",
  ),
  steering("undrain", "Gives an upstream requests again"),
  endpoint({
    method: "POST",
    path: "/pools/{name}/check",
    role: "operate",
    summary: "Runs an upstream's active check at once, which counts as any other check",
    params: z.object({ name: z.string() }),
    body: NAMED,
    example: { upstream: "https://api.themoviedb.org" },
    answer: z.object({ pool: z.string(), upstream: z.string(), ok: z.boolean(), ms: z.number(), detail: z.string() }),
    problems: { ...UNKNOWN, 409: "The upstream has no active check", 503: "No worker can check it now" },
    async handle({ view, params: { name }, body: { upstream: asked }, actor }) {
      const outcome = await view.check(name, asked, actor);
      if (!outcome.ok) throw new Problem(CHECK_STATUS[outcome.reason], outcome.problem);
      const { pool, upstream, isWell, ms, detail } = outcome;
      return { pool, upstream, ok: isWell, ms, detail };
    },
  }),
];

/** Drains an upstream, or takes that back. */
function steering(order: "drain" | "undrain", summary: string) {
  return endpoint({
    method: "POST",
    path: `/pools/{name}/${order}`,
    role: "operate",
    summary,
    params: z.object({ name: z.string() }),
    body: NAMED,
    example: { upstream: "https://api.themoviedb.org" },
    answer: DRAIN,
    problems: UNKNOWN,
    handle: async ({ view, params: { name }, body: { upstream }, actor }) =>
      shownDrain(await view[order](name, upstream, actor)),
  });
}

/** @throws {Problem} where there is none */
async function poolCalled(name: string, view: AdminView) {
  const found = (await view.status()).pools.find((pool) => pool.name === name);
  if (found === undefined) throw new Problem(404, `There is no pool called "${name}"`);
  return found;
}

const CHECK_STATUS = { unknown: 404, unchecked: 409, busy: 503 };

/** @throws {Problem} there is no such upstream */
function shownDrain(outcome: DrainOutcome) {
  if (!outcome.ok) throw new Problem(404, outcome.problem);
  const { pool, upstream, drain, workers, left, isPersisted } = outcome;
  const drained = drain === null ? null : { since: new Date(drain.sinceMs).toISOString(), by: drain.by };
  return { pool, upstream, drained, workers, left, persisted: isPersisted };
}
