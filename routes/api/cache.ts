import { z } from "zod";
import { purgeBody, purgeOrder } from "../../lib/gateway/purge_order.ts";
import { PURGE_ORDER_FIELD, PURGE_VIA_FIELD, readMark, readVia } from "../../lib/workers/operations/peer_bus.ts";
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
      cluster: z.enum(["applied", "some alone", "not told"]).optional().meta({
        description: "What the other gateways of the cluster made of it",
      }),
      applied: z.array(z.string()).optional().meta({ description: "Members that serve by it from now on" }),
      expired: z.array(z.string()).optional().meta({ description: "Members that are alone, or gone" }),
    }),
    async handle({ view, body: order, actor, request: { headers } }) {
      const via = readVia(headers.get(PURGE_VIA_FIELD));
      if (via === null) throw new Problem(422, `${PURGE_VIA_FIELD}: must be a list of a few gateways`);
      const outcome = await view.purging.purge(order, actor, { via, mark: readMark(headers.get(PURGE_ORDER_FIELD)) });
      if (!outcome.ok) throw new Problem(422, outcome.problem);
      const { soft, listeners, workers, named, persisted, durationMs, peers, cluster } = outcome;
      const told = cluster === undefined
        ? {}
        : { cluster: cluster.state, applied: cluster.applied, expired: cluster.expired };
      const done = { asked: purgeBody(order), soft, listeners, workers, matched: named, persisted };
      return { ...done, duration_ms: durationMs, peers, ...told };
    },
  }),
  endpoint({
    method: "GET",
    path: "/purges",
    role: "read",
    summary:
      "The last orders to purge, oldest first, for a peer that was not there: those behind a number of this book",
    query: z.object({
      book: z.string().max(64).optional(),
      after: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
    }),
    answer: z.object({
      gateway: z.string(),
      book: z.string().meta({ description: "Another one where orders of before are lost" }),
      newest: z.int(),
      whole: z.boolean().meta({ description: "Nothing behind the number is left out" }),
      more: z.boolean().meta({ description: "There are more behind the last of these" }),
      orders: z.array(z.object({
        number: z.int(),
        id: z.string(),
        via: z.array(z.string()).meta({ description: "Gateways that it came through" }),
        order: z.record(z.string(), z.unknown()).meta({ description: "As it is sent to POST /purge" }),
      })),
    }),
    handle({ view, query: { book, after } }) {
      const { isWhole, isMore, orders, ...part } = view.purging.since(book ?? null, after);
      const shown = orders.map((taken) => ({ ...taken, order: purgeBody(taken.order) }));
      return { ...part, whole: isWhole, more: isMore, orders: shown };
    },
  }),
];
