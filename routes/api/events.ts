import { z } from "zod";
import { endpoint } from "./endpoint.ts";
import { Problem } from "./problem.ts";

const COUNT = z.int().nonnegative();

const SAMPLE = z.object({
  at: z.iso.datetime(),
  by: z.object({
    memory: COUNT,
    disk: COUNT,
    stale: COUNT,
    revalidated: COUNT,
    collapsed: COUNT,
    miss: COUNT,
    bypass: COUNT,
  }),
  requests: COUNT,
  errors: COUNT,
  upstream_requests: COUNT,
  bytes: COUNT,
  p50_ms: z.number().nullable(),
  p99_ms: z.number().nullable(),
});

/** How the gateway came to where it is, and how it goes on: what the page lives on. */
export const EVENT_ENDPOINTS = [
  endpoint({
    method: "GET",
    path: "/history",
    role: "read",
    summary: "What was counted in each interval of the last minutes, over all listeners",
    query: z.object({ minutes: z.coerce.number().int().min(1).max(15).default(15) }),
    answer: z.object({ interval_ms: z.number(), samples: z.array(SAMPLE) }),
    handle: ({ view, query: { minutes } }) => view.live.history(minutes),
  }),
  endpoint({
    method: "GET",
    path: "/events",
    role: "read",
    summary:
      "A stream of JSON lines: `hello` with everything, then every two seconds `tick` with what is now and what is new",
    media: ["application/x-ndjson"],
    problems: { 503: "As many streams are open as may be" },
    handle({ view, role }) {
      const stream = view.live.open({ role });
      if (stream === null) throw new Problem(503, "As many pages follow the gateway as may: close one");
      return new Response(stream, {
        headers: { "content-type": "application/x-ndjson", "cache-control": "no-store" },
      });
    },
  }),
];
