import { z } from "zod";
import { endpoint } from "./endpoint.ts";
import { LISTENER } from "./listeners.ts";
import { POOL } from "./pools.ts";

const STATUS = z.looseObject({
  version: z.string(),
  pid: z.int(),
  started_at: z.iso.datetime(),
  uptime_seconds: z.number(),
  config: z.looseObject({
    file: z.string(),
    generation: z.int(),
    last_reload: z.object({ at: z.iso.datetime(), problems: z.array(z.string()) }).nullable(),
  }),
  workers: z.array(z.looseObject({ name: z.string(), state: z.string(), restarts: z.int() })),
  listeners: z.array(LISTENER),
  pools: z.array(POOL),
});

/** What the process shows of itself, and what it is told to do with itself. */
export const PROCESS_ENDPOINTS = [
  endpoint({
    method: "GET",
    path: "/status",
    formerly: "/status",
    role: "read",
    summary: "The state of the whole gateway",
    answer: STATUS,
    handle: ({ view }) => view.status(),
  }),
  endpoint({
    method: "GET",
    path: "/metrics",
    formerly: "/metrics",
    role: "metrics",
    summary: "Counters and gauges in the Prometheus text format",
    media: ["text/plain"],
    handle: async ({ view }) =>
      new Response(await view.metrics(), {
        headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
      }),
  }),
  endpoint({
    method: "POST",
    path: "/stop",
    formerly: "/stop",
    role: "operate",
    summary: "Begins to stop gracefully; says how long that may take",
    status: 202,
    answer: z.object({ pid: z.int(), grace_ms: z.number() }),
    handle({ view, actor }) {
      const { graceMs } = view.requestStop(actor);
      return { pid: Deno.pid, grace_ms: graceMs };
    },
  }),
];
