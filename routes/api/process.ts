import { z } from "zod";
import { expositionFormat } from "../../lib/admin/exposition_format.ts";
import { EXPOSITION_TYPES } from "../../lib/metrics/exposition.ts";
import { endpoint } from "./endpoint.ts";
import { LISTENER } from "./listeners.ts";
import { POOL } from "./pools.ts";
import { Problem } from "./problem.ts";

const STATUS = z.looseObject({
  state: z.enum(["ready", "degraded", "stopping"]),
  reasons: z.array(z.string()).describe("Why it is degraded, in words; none where it is not."),
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
    summary: "Counters, gauges and histograms: OpenMetrics where `Accept` names it, else the Prometheus text format",
    media: Object.values(EXPOSITION_TYPES).map((type) => type.split(";")[0]!),
    async handle({ view, request }) {
      const format = expositionFormat(request.headers.get("accept"));
      const headers = { "content-type": EXPOSITION_TYPES[format], vary: "accept" };
      return new Response(await view.metrics(format), { headers });
    },
  }),
  endpoint({
    method: "POST",
    path: "/hand-over",
    role: "operate",
    summary: "Lets another gateway on this machine take over: lets go of listeners, files and this address, then stops",
    answer: z.object({ pid: z.int(), grace_ms: z.number() }),
    problems: { 409: "It is stopping already" },
    async handle({ view, actor }) {
      const handed = await view.handOver(actor);
      if (handed === false) throw new Problem(409, "The gateway is stopping already");
      return { pid: Deno.pid, grace_ms: handed.graceMs };
    },
  }),
  endpoint({
    method: "POST",
    path: "/stop",
    formerly: "/stop",
    role: "operate",
    summary: "Begins to stop gracefully; says how long that may take",
    status: 202,
    answer: z.object({ pid: z.int(), grace_ms: z.number(), delay_ms: z.number() }),
    handle({ view, actor }) {
      const { graceMs, delayMs } = view.requestStop(actor);
      return { pid: Deno.pid, grace_ms: graceMs, delay_ms: delayMs };
    },
  }),
];
