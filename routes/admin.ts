import { Hono } from "hono";
import type { AdminView } from "../lib/admin/admin_view.ts";
import { authorize } from "../lib/admin/auth.ts";
import { redact } from "../lib/logging/redact.ts";
import { actorOf } from "./actor.ts";
import { healthRoutes } from "./health.ts";
import { metricsRoutes } from "./metrics.ts";
import { operationsRoutes } from "./operations.ts";
import { problem } from "./problem.ts";

/** The admin surface: liveness and readiness for everyone, the rest for whoever {@linkcode authorize} lets in. */
export function adminApp(view: AdminView): Hono {
  const app = new Hono();
  app.route("/", healthRoutes(view));
  app.use(async (context, next) => {
    const refusal = authorize(context.req.raw, view.token, view.key);
    return refusal === null ? await next() : problem(context, refusal.status, refusal.detail);
  });
  app.route("/", metricsRoutes(view));
  app.route("/", operationsRoutes(view));
  app.get("/status", async (context) => context.json(await view.status()));
  app.post("/reload", async (context) => {
    const result = await view.reload();
    return context.json(result, result.ok ? 200 : 422);
  });
  app.post("/stop", (context) => {
    const { graceMs } = view.requestStop(actorOf(context));
    return context.json({ pid: Deno.pid, grace_ms: graceMs }, 202);
  });
  app.post("/test/fault/:worker/:fault{throw|hang}", (context) => {
    const { worker, fault } = context.req.param();
    return view.fault(Number(worker), fault as "throw" | "hang")
      ? context.body(null, 204)
      : problem(context, 404, "There is nothing here");
  });
  app.notFound((context) => problem(context, 404, `There is nothing at ${context.req.method} ${context.req.path}`));
  app.onError((error, context) => problem(context, 500, redact(error.message)));
  return app;
}
