import { z } from "zod";
import { explain } from "../../lib/inspect/explain.ts";
import { explainRequest, ruleName } from "../../lib/inspect/explain_request.ts";
import type { Explanation } from "../../lib/inspect/explanation.ts";
import { redact } from "../../lib/logging/redact.ts";
import type { AdminView } from "./admin_view.ts";
import { endpoint } from "./endpoint.ts";
import { Problem } from "./problem.ts";

/** A request that is asked about: a URL or a path, as clients send it. */
export const requestAskedAbout = z.strictObject({
  url: z.string().min(1).max(8_192),
  method: z.string().regex(/^[A-Za-z]{1,20}$/, { error: "must be a method such as GET" }).default("GET"),
  fields: z.record(z.string().regex(/^[!#$%&'*+.^`|~\w-]{1,100}$/), z.string().max(8_192)).default({}),
});

/** Requests to an explanation stand in line: each is tried out on gateways that are made for it. */
let last: Promise<unknown> = Promise.resolve();

/**
 * What the gateway would do with a request, with the configuration in force.
 *
 * @throws {Problem} where the URL is none, or a field cannot be one
 */
export function explained(view: AdminView, asked: z.output<typeof requestAskedAbout>): Promise<Explanation> {
  const loaded = view.configInForce();
  const request = asRequest(asked);
  const done = last.then(() => explain(view.config, request, (...places) => ruleName(loaded, ...places)));
  last = done.catch(() => {});
  return done;
}

function asRequest({ url, method, fields }: z.output<typeof requestAskedAbout>) {
  try {
    return explainRequest(url, method.toUpperCase(), new Headers(fields));
  } catch (error) {
    const detail = error instanceof TypeError ? redact(error.message) : "It cannot be read";
    throw new Problem(422, `url: ${detail}`, { errors: [{ detail, pointer: "#/url" }] });
  }
}

/** Asks what would become of a request. */
export const EXPLAIN_ENDPOINTS = [
  endpoint({
    method: "POST",
    path: "/explain",
    role: "read",
    summary: "What the gateway would do with a request, sending nothing",
    body: requestAskedAbout,
    example: { url: "/3/movie/550" },
    answer: z.looseObject({
      request: z.object({ method: z.string(), authority: z.string().nullable(), target: z.string() }),
      note: z.string().nullable(),
      listeners: z.array(z.looseObject({ listener: z.string(), takes: z.boolean(), reason: z.string().nullable() })),
      nearest: z.string().nullable(),
      refused: z.looseObject({ status: z.int(), code: z.string() }).nullable(),
      served: z.array(z.looseObject({ listener: z.string(), pool: z.string() })),
    }),
    handle: ({ view, body }) => explained(view, body),
  }),
];
