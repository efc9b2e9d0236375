import { Hono } from "hono";
import type { AdminView } from "../lib/admin/admin_view.ts";
import { actorOf } from "./actor.ts";
import { problem } from "./problem.ts";

/** `/change-feed`: how the feeds stand (`GET`); `/change-feed/POOL`: looks its changes up now (`POST`). */
export function changeFeedRoutes(view: AdminView): Hono {
  const app = new Hono();
  app.get("/change-feed", (context) => context.json({ change_feeds: view.changeFeeds() }));
  app.post("/change-feed/:pool", (context) => {
    const { pool } = context.req.param();
    const begun = view.pollChanges(pool, actorOf(context));
    if (begun === null) return problem(context, 409, `A look-up of "${pool}" is under way`);
    return begun ? context.json({ pool }, 202) : problem(context, 404, `No pool "${pool}" has a change feed`);
  });
  return app;
}
