import { Hono } from "hono";
import type { AdminView } from "../lib/admin/admin_view.ts";
import { changeFeedRoutes } from "./change_feed.ts";
import { prewarmRoutes } from "./prewarm.ts";
import { purgeRoutes } from "./purge.ts";

/** What operators do with the cache of the running gateway. */
export function operationsRoutes(view: AdminView): Hono {
  const app = new Hono();
  app.route("/", purgeRoutes(view));
  app.route("/", prewarmRoutes(view));
  app.route("/", changeFeedRoutes(view));
  return app;
}
