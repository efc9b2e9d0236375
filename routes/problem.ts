import type { Context } from "hono";

/** Statuses of the admin surface's own errors. */
export type ProblemStatus = 400 | 401 | 403 | 404 | 409 | 413 | 415 | 422 | 500;

/** Problem details (RFC 9457). */
export function problem(context: Context, status: ProblemStatus, detail: string): Response {
  const fields: Record<string, string> = { "content-type": "application/problem+json" };
  if (status === 401) fields["www-authenticate"] = 'Bearer realm="usher admin"';
  return context.body(JSON.stringify({ type: "about:blank", status, detail }), status, fields);
}
