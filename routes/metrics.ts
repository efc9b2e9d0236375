import { Hono } from "hono";
import type { AdminView } from "../lib/admin/admin_view.ts";

/** `/metrics` in the Prometheus text format. */
export function metricsRoutes(view: AdminView): Hono {
  const app = new Hono();
  app.get(
    "/metrics",
    async (context) =>
      context.body(await view.metrics(), 200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" }),
  );
  return app;
}
