import { z } from "zod";
import { prewarmOrder } from "../../lib/admin/orders.ts";
import { shownPrewarm } from "../../lib/workers/figures/prewarm_figures.ts";
import { endpoint } from "./endpoint.ts";
import { Problem } from "./problem.ts";

const COUNTS = z.object({ fetched: z.int(), fresh: z.int(), skipped: z.int(), failed: z.int() });

const PREWARM = z.object({
  listener: z.string(),
  state: z.enum(["running", "paused", "done", "stopped"]),
  total: z.int(),
  /** Those behind it without a gap: where it would go on after a restart. */
  done: z.int(),
  fetched: z.int(),
  fresh: z.int(),
  skipped: z.int(),
  failed: z.int(),
  /** Of the pictures that the documents behind it name. */
  pictures: COUNTS,
  bytes: z.int(),
  /** Paths a second, of late. */
  rate: z.number(),
  eta_seconds: z.int().nullable(),
  started_at: z.iso.datetime(),
  finished_at: z.iso.datetime().nullable(),
  last_problem: z.string().nullable(),
});

/** What goes on in the background: prewarms, and look-ups of what has changed upstream. */
export const JOB_ENDPOINTS = [
  endpoint({
    method: "GET",
    path: "/jobs",
    formerly: "/prewarm",
    role: "read",
    summary: "How the last prewarm of each listener stands",
    answer: z.object({ prewarms: z.array(PREWARM) }),
    handle: ({ view }) => ({ prewarms: view.prewarms().map(shownPrewarm) }),
  }),
  endpoint({
    method: "POST",
    path: "/jobs/prewarm",
    formerly: "/prewarm",
    role: "operate",
    summary: "Begins to fetch paths into the cache of a listener",
    body: prewarmOrder,
    example: { listener: "api", paths: ["/3/movie/550"] },
    status: 202,
    answer: z.object({ listener: z.string(), total: z.int() }),
    problems: { 409: "A prewarm of the listener is under way" },
    async handle({ view, body: order, actor }) {
      const answer = await view.prewarm(order, actor);
      if (!answer.ok) throw new Problem(answer.isBusy ? 409 : 422, answer.problem);
      return { listener: order.listener, total: answer.total };
    },
  }),
  endpoint({
    method: "DELETE",
    path: "/jobs/prewarm/{listener}",
    formerly: "/prewarm/{listener}",
    role: "operate",
    summary: "Ends the prewarm of a listener",
    params: z.object({ listener: z.string() }),
    problems: { 404: "No prewarm of the listener is under way" },
    async handle({ view, params: { listener }, actor }) {
      const stopped = await view.stopPrewarm(listener, actor);
      if (!stopped) throw new Problem(404, `No prewarm of "${listener}" is under way`);
      return undefined;
    },
  }),
  endpoint({
    method: "GET",
    path: "/change-feeds",
    formerly: "/change-feed",
    role: "read",
    summary: "How each pool's change feed stands",
    answer: z.object({ change_feeds: z.array(z.record(z.string(), z.unknown())) }),
    handle: ({ view }) => ({ change_feeds: view.changeFeeds() }),
  }),
  endpoint({
    method: "POST",
    path: "/change-feeds/{pool}",
    formerly: "/change-feed/{pool}",
    role: "operate",
    summary: "Looks up now what has changed upstream of a pool",
    params: z.object({ pool: z.string() }),
    status: 202,
    answer: z.object({ pool: z.string() }),
    problems: { 404: "The pool has no change feed", 409: "A look-up is under way" },
    handle({ view, params: { pool }, actor }) {
      const begun = view.pollChanges(pool, actor);
      if (begun === null) throw new Problem(409, `A look-up of "${pool}" is under way`);
      if (!begun) throw new Problem(404, `No pool "${pool}" has a change feed`);
      return { pool };
    },
  }),
];
