import { type Context, Hono } from "hono";
import { authorize } from "../lib/admin/auth.ts";
import { readJson, readPrewarm, readPurge } from "../lib/admin/orders.ts";
import { redact } from "../lib/logging/redact.ts";
import { PURGE_VIA_FIELD, purgeBody, readVia } from "../lib/workers/operations/peer_bus.ts";
import type { PrewarmStatus } from "../lib/workers/operations/prewarmer.ts";
import { type Beside, dashboard } from "./dashboard/dashboard.ts";
import type { Supervisor } from "../lib/workers/supervisor/supervisor.ts";

/** The part of the supervisor that the admin surface shows and calls. */
export type AdminView = Omit<
  Supervisor,
  "startedAtMs" | "config" | "adminUrl" | "lost" | "setChallenges" | "start" | "stop"
>;

/** The admin surface: liveness and readiness for everyone, the rest for requests that {@linkcode authorize} allows. */
export function adminApp(view: AdminView, beside?: Beside): Hono {
  const app = new Hono();
  // The process lives.
  app.get("/health", (context) => context.json({ status: "ok" }));
  // It can serve requests.
  app.get(
    "/ready",
    (context) => view.isReady() ? context.json({ status: "ready" }) : context.json({ status: "no worker serves" }, 503),
  );
  app.route("/", dashboard(() => view.token !== null, beside?.files));
  app.use(async (context, next) => {
    const refusal = authorize(context.req.raw, view.token, view.key);
    return refusal === null ? await next() : problem(context, refusal.status, refusal.detail);
  });
  processRoutes(app, view);
  app.get("/api/v1/events", (context) => {
    const stream = view.events();
    if (stream === null) return problem(context, 500, "Too many pages follow the gateway");
    return context.body(stream, 200, { "content-type": "application/x-ndjson", "cache-control": "no-store" });
  });
  purgeRoutes(app, view);
  prewarmRoutes(app, view);
  changeFeedRoutes(app, view);
  if (beside !== undefined) app.route("/", beside.routes);
  app.notFound((context) => problem(context, 404, `There is nothing at ${context.req.method} ${context.req.path}`));
  app.onError((error, context) => problem(context, 500, redact(error.message)));
  return app;
}

/** What the process shows of itself, and what it is told to do with itself. */
function processRoutes(app: Hono, view: AdminView): void {
  app.get("/status", async (context) => context.json(await view.status()));
  app.get("/metrics", async (context) => {
    const fields = { "content-type": "text/plain; version=0.0.4; charset=utf-8" };
    return context.body(await view.metrics(), 200, fields);
  });
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
}

/** Removes stored responses, or marks them stale, in every worker. */
function purgeRoutes(app: Hono, view: AdminView): void {
  app.post("/purge", async (context) => {
    const body = await readJson(context.req.raw);
    if (!body.ok) return problem(context, body.status, body.problem);
    const reading = readPurge(body.value);
    if (!reading.ok) return problem(context, 422, reading.problems.join("; "));
    const via = readVia(context.req.header(PURGE_VIA_FIELD) ?? null);
    if (via === null) return problem(context, 422, `${PURGE_VIA_FIELD}: must be a list of a few gateways`);
    const outcome = await view.purge(reading.order, actorOf(context), via);
    if (!outcome.ok) return problem(context, 422, outcome.problem);
    const { soft, listeners, workers, named, persisted, durationMs, peers } = outcome;
    const asked = purgeBody(reading.order);
    return context.json({ asked, soft, listeners, workers, matched: named, persisted, duration_ms: durationMs, peers });
  });
}

/** Begins to fetch paths into the cache, says how far that is, ends it. */
function prewarmRoutes(app: Hono, view: AdminView): void {
  app.get("/prewarm", (context) => context.json({ prewarms: view.prewarms().map(shownPrewarm) }));
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
}

/** Field names as everywhere in the admin surface. */
function shownPrewarm({ startedAtMs, finishedAtMs, lastProblem, ...rest }: PrewarmStatus) {
  return {
    ...rest,
    started_at: new Date(startedAtMs).toISOString(),
    finished_at: finishedAtMs === null ? null : new Date(finishedAtMs).toISOString(),
    last_problem: lastProblem,
  };
}

/** Shows the change feeds, and has one look up its changes now. */
function changeFeedRoutes(app: Hono, view: AdminView): void {
  app.get("/change-feed", (context) => context.json({ change_feeds: view.changeFeeds() }));
  app.post("/change-feed/:pool", (context) => {
    const { pool } = context.req.param();
    const begun = view.pollChanges(pool, actorOf(context));
    if (begun === null) return problem(context, 409, `A look-up of "${pool}" is under way`);
    return begun ? context.json({ pool }, 202) : problem(context, 404, `No pool "${pool}" has a change feed`);
  });
}

/** Who asks, for the audit line: the address of the connection, and whether a token was given; never the token. */
function actorOf(context: Context): string {
  const remote = (context.env as { readonly remote?: string } | undefined)?.remote ?? "unknown";
  return context.req.header("authorization") === undefined ? remote : `${remote} with a token`;
}

/** Problem details (RFC 9457). */
function problem(context: Context, status: ProblemStatus, detail: string): Response {
  const fields: Record<string, string> = { "content-type": "application/problem+json" };
  if (status === 401) fields["www-authenticate"] = 'Bearer realm="usher admin"';
  return context.body(JSON.stringify({ type: "about:blank", status, detail }), status, fields);
}

/** Statuses of the admin surface's own errors. */
type ProblemStatus = 400 | 401 | 403 | 404 | 409 | 413 | 415 | 422 | 500;
