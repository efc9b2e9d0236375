import { z } from "zod";
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
];

/** @throws {Problem} where there is none */
async function poolCalled(name: string, view: AdminView) {
  const found = (await view.status()).pools.find((pool) => pool.name === name);
  if (found === undefined) throw new Problem(404, `There is no pool called "${name}"`);
  return found;
}
