import { z } from "zod";
import { USAGE_DAYS } from "../../lib/workers/operations/usage_ledger.ts";
import { endpoint } from "./endpoint.ts";

const ROW = z.object({
  day: z.iso.date().meta({ description: "In UTC" }),
  listener: z.string(),
  client: z.string().nullable().meta({ description: "Name of its token; null for requests without one" }),
  requests: z.int(),
  hits: z.int().meta({ description: "Requests that the cache answered" }),
  bytes: z.int().meta({ description: "Of content, sent" }),
});

/** What each tenant costs. */
export const USAGE_ENDPOINTS = [
  endpoint({
    method: "GET",
    path: "/usage",
    formerly: "/usage",
    role: "read",
    summary: "What each client has used of each listener, by day, the newest first",
    query: z.object({ days: z.coerce.number().int().min(1).max(USAGE_DAYS).default(7) }),
    answer: z.object({ usage: z.array(ROW) }),
    handle: async ({ view, query: { days } }) => ({ usage: await view.usage(days) }),
  }),
];
