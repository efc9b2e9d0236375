import { Hono } from "hono";
import type { AdminView, PrewarmProgress } from "../lib/admin/admin_view.ts";
import { readPrewarm } from "../lib/admin/prewarm_request.ts";
import { readJson } from "../lib/admin/read_json.ts";
import { actorOf } from "./actor.ts";
import { problem } from "./problem.ts";

/** `/prewarm`: begins to fetch paths into the cache (`POST`), says how far that has come (`GET`), ends it (`DELETE`). */
export function prewarmRoutes(view: AdminView): Hono {
  const app = new Hono();
  app.get("/prewarm", (context) => context.json({ prewarms: view.prewarms().map(shown) }));
  app.post("/prewarm", async (context) => {
    const body = await readJson(context.req.raw);
    if (!body.ok) return problem(context, body.status, body.problem);
    const reading = readPrewarm(body.value);
    if (!reading.ok) return problem(context, 422, reading.problems.join("; "));
    const answer = await view.prewarm(reading.order, actorOf(context));
    if (!answer.ok) return problem(context, answer.isBusy ? 409 : 422, answer.problem);
    return context.json({ listener: reading.order.listener, total: answer.total }, 202);
  });
  app.delete("/prewarm/:listener", async (context) => {
    const { listener } = context.req.param();
    const stopped = await view.stopPrewarm(listener, actorOf(context));
    return stopped ? context.body(null, 204) : problem(context, 404, `No prewarm of "${listener}" is under way`);
  });
  return app;
}

/** Field names as everywhere in the admin surface. */
function shown({ startedAtMs, finishedAtMs, lastProblem, ...rest }: PrewarmProgress) {
  return {
    ...rest,
    started_at: new Date(startedAtMs).toISOString(),
    finished_at: finishedAtMs === null ? null : new Date(finishedAtMs).toISOString(),
    last_problem: lastProblem,
  };
}
