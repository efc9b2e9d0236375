import { z } from "zod";
import { purgeOrder } from "../../lib/admin/orders.ts";
import { PURGE_VIA_FIELD, purgeBody, readVia } from "../../lib/workers/operations/peer_bus.ts";
import { endpoint } from "./endpoint.ts";
import { Problem } from "./problem.ts";

/** What is done with stored responses. */
export const CACHE_ENDPOINTS = [
  endpoint({
    method: "POST",
    path: "/purge",
    formerly: "/purge",
    role: "operate",
    summary:
      "Removes stored responses in every worker, or marks them stale: one of url, prefix, glob, tag and all, or listener",
    body: purgeOrder,
    example: { tag: "movie:550", listener: "api" },
    answer: z.object({
      asked: z.record(z.string(), z.unknown()),
      soft: z.boolean(),
      listeners: z.array(z.string()).nullable(),
      workers: z.int(),
      matched: z.int().nullable(),
      persisted: z.boolean(),
      duration_ms: z.number(),
      peers: z.array(z.object({ peer: z.string(), ok: z.boolean(), problem: z.string().nullable() })).optional(),
    }),
    async handle({ view, body: order, actor, request }) {
      const via = readVia(request.headers.get(PURGE_VIA_FIELD));
      if (via === null) throw new Problem(422, `${PURGE_VIA_FIELD}: must be a list of a few gateways`);
      const outcome = await view.purge(order, actor, via);
      if (!outcome.ok) throw new Problem(422, outcome.problem);
      const { soft, listeners, workers, named, persisted, durationMs, peers } = outcome;
      const asked = purgeBody(order);
      return { asked, soft, listeners, workers, matched: named, persisted, duration_ms: durationMs, peers };
    },
  }),
];
