import { Hono } from "hono";
import type { AdminView } from "../lib/admin/admin_view.ts";
import { PURGE_VIA_FIELD, purgeBody, readVia } from "../lib/workers/operations/peer_bus.ts";
import { readPurge } from "../lib/admin/purge_request.ts";
import { readJson } from "../lib/admin/read_json.ts";
import { actorOf } from "./actor.ts";
import { problem } from "./problem.ts";

/** `POST /purge`: removes stored responses, or marks them stale, in every worker. */
export function purgeRoutes(view: AdminView): Hono {
  const app = new Hono();
  app.post("/purge", async (context) => {
    const body = await readJson(context.req.raw);
    if (!body.ok) return problem(context, body.status, body.problem);
    const reading = readPurge(body.value);
    if (!reading.ok) return problem(context, 422, reading.problems.join("; "));
    const via = readVia(context.req.header(PURGE_VIA_FIELD) ?? null);
    if (via === null) return problem(context, 422, `${PURGE_VIA_FIELD}: must be a list of a few gateways`);
    const answer = await view.purge(reading.order, actorOf(context), via);
    if (!answer.ok) return problem(context, 422, answer.problem);
    const { soft, listeners, workers, named, persisted, durationMs, peers } = answer;
    const asked = purgeBody(reading.order);
    return context.json({ asked, soft, listeners, workers, matched: named, persisted, duration_ms: durationMs, peers });
  });
  return app;
}
