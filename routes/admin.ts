import { Hono } from "hono";
import { opens, type Refusal } from "../lib/admin/auth.ts";
import { GuessLimit } from "../lib/admin/guess_limit.ts";
import { redact } from "../lib/logging/redact.ts";
import type { AdminView } from "./api/admin_view.ts";
import { ENDPOINTS } from "./api/endpoints.ts";
import { Problem } from "./api/problem.ts";
import { addRoutes, type AdminEnv } from "./api/routes.ts";
import { type Beside, dashboard } from "./dashboard/dashboard.ts";

/** The admin surface: liveness, readiness and the page for everyone, the rest for callers that {@linkcode GuessLimit} lets in. */
export function adminApp(view: AdminView, beside?: Beside): Hono<AdminEnv> {
  const app = new Hono<AdminEnv>();
  const door = new GuessLimit({ logger: view.logger.in("admin"), now: Date.now });
  // The process lives.
  app.get("/health", (context) => context.json({ status: "ok" }));
  // It can serve requests.
  app.get("/ready", (context) => {
    const status = view.readiness();
    return context.json({ status }, status === "ready" ? 200 : 503);
  });
  app.route("/", dashboard(() => view.tokens.length > 0, beside?.files));
  app.use(async (context, next) => {
    const caller = door.authenticate(context.req.raw, context.env?.remote ?? "unknown", view);
    if ("status" in caller) throw refusal(caller);
    context.set("caller", caller);
    await next();
  });
  addRoutes(app, ENDPOINTS, view);
  if (beside !== undefined) app.route("/", beside.routes);
  app.post("/test/fault/:worker/:fault{throw|hang}", (context) => {
    const { worker, fault } = context.req.param();
    const mayBreak = opens(context.get("caller").role, "operate");
    if (!mayBreak || !view.fault(Number(worker), fault as "throw" | "hang")) return context.notFound();
    return context.body(null, 204);
  });
  app.notFound(({ req }) => new Problem(404, `There is nothing at ${req.method} ${redact(req.path)}`).response());
  app.onError((error) => (error instanceof Problem ? error : new Problem(500, redact(error.message))).response());
  return app;
}

function refusal({ status, detail, retryAfterSeconds }: Refusal): Problem {
  const fields: Record<string, string> = {};
  if (status === 401) fields["www-authenticate"] = 'Bearer realm="usher admin"';
  if (retryAfterSeconds !== undefined) fields["retry-after"] = String(retryAfterSeconds);
  return new Problem(status, detail, { fields });
}
