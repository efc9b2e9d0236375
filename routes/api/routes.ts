import type { Context, Hono } from "hono";
import type { z } from "zod";
import { type Caller, opens } from "../../lib/admin/auth.ts";
import { readJson } from "../../lib/admin/orders.ts";
import type { AdminView } from "./admin_view.ts";
import type { Endpoint } from "./endpoint.ts";
import { type Fault, Problem } from "./problem.ts";

/** Where the API stands on the admin address. */
export const API_BASE = "/api/v1";

/** What Hono keeps for one admin request. */
export interface AdminEnv {
  readonly Bindings: { readonly remote?: string };
  readonly Variables: { caller: Caller };
}

/** Problems of a body or query that are told, at most. */
const MAX_FAULTS = 20;

/** Adds a route for every endpoint, under both of its names, and says which methods there are for the others. */
export function addRoutes(app: Hono<AdminEnv>, endpoints: readonly Endpoint[], view: AdminView): void {
  const methods = new Map<string, string[]>();
  for (const endpoint of endpoints) {
    for (const path of pathsOf(endpoint)) {
      app.on(endpoint.method, honoPath(path), (context) => answer(endpoint, context, view));
      const allowed = endpoint.method === "GET" ? ["GET", "HEAD"] : [endpoint.method];
      methods.set(path, [...methods.get(path) ?? [], ...allowed]);
    }
  }
  for (const [path, allowed] of methods) {
    app.all(honoPath(path), ({ req }) => {
      const allow = allowed.join(", ");
      throw new Problem(405, `${req.path} takes ${allow}`, { fields: { allow } });
    });
  }
}

/** The addresses of an endpoint. */
export function pathsOf({ path, formerly }: Endpoint): string[] {
  return [API_BASE + path, ...formerly === undefined ? [] : [formerly]];
}

function honoPath(path: string): string {
  return path.replace(/\{(\w+)\}/g, ":$1");
}

async function answer(endpoint: Endpoint, context: Context<AdminEnv>, view: AdminView): Promise<Response> {
  const caller = context.get("caller");
  if (!opens(caller.role, endpoint.role)) {
    throw new Problem(403, `This needs a token whose role is ${endpoint.role}, not ${caller.role}`);
  }
  const { req } = context;
  const answered = await endpoint.handle({
    ...caller,
    view,
    params: checked(endpoint.params, req.param(), () => undefined),
    query: checked(endpoint.query, req.query(), () => undefined),
    body: endpoint.body === undefined ? undefined : checked(endpoint.body, await bodyOf(req.raw), pointerOf),
    request: req.raw,
  });
  if (answered instanceof Response) return answered;
  const { status = answered === undefined ? 204 : 200 } = endpoint;
  return answered === undefined ? new Response(null, { status }) : Response.json(answered, { status });
}

async function bodyOf(request: Request): Promise<unknown> {
  const reading = await readJson(request);
  if (!reading.ok) throw new Problem(reading.status, reading.problem);
  return reading.value;
}

function checked(
  schema: z.ZodType | undefined,
  value: unknown,
  pointer: (path: readonly PropertyKey[]) => string | undefined,
): unknown {
  if (schema === undefined) return undefined;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues.slice(0, MAX_FAULTS).map(({ path, message }): Fault => ({
    detail: path.length === 0 ? message : `${path.join(".")}: ${message}`,
    pointer: pointer(path),
  }));
  throw new Problem(422, errors.map(({ detail }) => detail).join("; "), { errors });
}

/** As a URI fragment (RFC 6901 §6). */
function pointerOf(path: readonly PropertyKey[]): string {
  const parts = path.map((part) => encodeURIComponent(String(part).replaceAll("~", "~0").replaceAll("/", "~1")));
  return `#${parts.map((part) => `/${part}`).join("")}`;
}
