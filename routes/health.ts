import { Hono } from "hono";
import type { AdminView } from "../lib/admin/admin_view.ts";

/** `/health`: the process lives. `/ready`: it can serve requests. */
export function healthRoutes(view: AdminView): Hono {
  const app = new Hono();
  app.get("/health", (context) => context.json({ status: "ok" }));
  app.get(
    "/ready",
    (context) => view.isReady() ? context.json({ status: "ready" }) : context.json({ status: "no worker serves" }, 503),
  );
  return app;
}
