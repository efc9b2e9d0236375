import { z } from "zod";
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

/** A pool as it is shown. */
export const POOL = z.looseObject({
  name: z.string(),
  type: z.string(),
  strategy: z.string(),
  upstreams: z.array(UPSTREAM),
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
    async handle({ view, params: { name } }) {
      const found = (await view.status()).pools.find((pool) => pool.name === name);
      if (found === undefined) throw new Problem(404, `There is no pool called "${name}"`);
      return found;
    },
  }),
];
