import { z } from "zod";
import { explainRequest } from "../../lib/inspect/asked_url.ts";
import { explain, type ExplainRequest, ruleNamesOf } from "../../lib/inspect/explain.ts";
import { lookup } from "../../lib/inspect/lookup.ts";
import { redact } from "../../lib/logging/redact.ts";
import { endpoint } from "./endpoint.ts";
import { Problem } from "./problem.ts";

/** A request as a client would send it. */
const ASKED = z.strictObject({
  url: z.string().min(1).max(8_192),
  method: z.string().regex(/^[A-Za-z!#$%&'*+.^_`|~0-9-]{1,32}$/, { error: "must be a method such as GET" })
    .default("GET"),
  fields: z.record(z.string().max(256), z.string().max(8_192))
    .refine((fields) => Object.keys(fields).length <= 100, { error: "must be at most 100 fields" }).default({}),
});

const EXPLANATION = z.object({
  request: z.object({ method: z.string(), authority: z.string().nullable(), target: z.string() }),
  note: z.string().nullable(),
  listeners: z.array(z.object({
    listener: z.string(),
    address: z.string(),
    hosts: z.array(z.string()),
    prefix: z.string(),
    strip_prefix: z.boolean(),
    pool: z.string(),
    takes: z.boolean(),
    reason: z.string().nullable(),
  })),
  nearest: z.string().nullable(),
  refused: z.object({ status: z.int(), code: z.string(), message: z.string(), hint: z.string().nullable() }).nullable(),
  served: z.array(z.unknown()).describe("What the listener that takes it does, one a listen address"),
});

const STORED = z.object({
  tier: z.enum(["memory", "disk"]),
  worker: z.string().nullable(),
  kind: z.enum(["response", "part"]),
  selected: z.boolean(),
  verdict: z.string().nullable(),
  status: z.int(),
  content_type: z.string().nullable(),
  bytes: z.int(),
  stored_at: z.iso.datetime(),
  age_seconds: z.int(),
  lifetime_seconds: z.int(),
  fresh: z.boolean(),
  stale_while_revalidate_seconds: z.int(),
  stale_if_error_seconds: z.int(),
  stale_usable_seconds: z.int(),
  purged: z.boolean(),
  variants: z.array(z.string()),
  tags: z.array(z.string()),
  hits: z.int().nullable(),
  etag: z.string().nullable(),
  last_modified: z.string().nullable(),
});

/** What the gateway would do with a request, and what it has stored for it. */
export const REQUEST_ENDPOINTS = [
  endpoint({
    method: "POST",
    path: "/explain",
    role: "read",
    summary: "What would be done with a request, as `usher explain` says it; nothing is sent to anybody",
    body: ASKED,
    example: { url: "/3/movie/550" },
    answer: EXPLANATION,
    handle: ({ view, body }) => explain(view.config, requestOf(body), ruleNamesOf(view.configInForce())),
  }),
  endpoint({
    method: "POST",
    path: "/cache/lookup",
    role: "read",
    summary:
      "What is stored for a request, in which tier and worker, and what would be done with it; no use of it counts",
    body: ASKED,
    example: { url: "/3/movie/550" },
    answer: z.object({
      listener: z.string().nullable(),
      address: z.string().nullable(),
      pool: z.string().nullable(),
      key: z.string().nullable(),
      varies_by: z.array(z.string()),
      workers: z.int(),
      stored: z.array(STORED),
      elsewhere: z.array(z.object({ listener: z.string(), address: z.string() })),
      explain: EXPLANATION,
    }),
    handle: ({ view, body }) =>
      lookup({
        config: view.config,
        request: requestOf(body),
        ruleNames: ruleNamesOf(view.configInForce()),
        lookUp: (order) => view.lookUp(order),
      }),
  }),
];

/** @throws {Problem} it is none that a client could send */
function requestOf({ url, method, fields }: z.output<typeof ASKED>): ExplainRequest {
  try {
    return explainRequest(url, method.toUpperCase(), new Headers(fields));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new Problem(422, redact(error.message));
  }
}
