import { z } from "zod";
import type { PurgeOrder } from "../gateway/purge_scopes.ts";
import type { PrewarmOrder } from "../workers/operations/prewarmer.ts";

/** Bytes of a request's body that are taken, at most. */
const MAX_BYTES = 1024 * 1024;

/** A body read as JSON, or why it cannot be. */
export type JsonReading =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly status: 400 | 413 | 415; readonly problem: string };

/**
 * Reads a request's body as JSON, at most 1 MiB of it. The media type must say JSON: a form on another site's page cannot send that
 * without being asked for permission first (CORS).
 */
export async function readJson(request: Request): Promise<JsonReading> {
  const type = request.headers.get("content-type") ?? "";
  if (!/^application\/json(?:\s*;|$)/i.test(type)) {
    return { ok: false, status: 415, problem: "Send the body as application/json" };
  }
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request.body ?? []) {
      bytes += chunk.byteLength;
      if (bytes > MAX_BYTES) return { ok: false, status: 413, problem: `The body is larger than ${MAX_BYTES} bytes` };
      chunks.push(chunk);
    }
  } catch {
    return { ok: false, status: 400, problem: "The body breaks off, or its framing is broken" };
  }
  try {
    return { ok: true, value: JSON.parse(await new Blob(chunks).text()) };
  } catch {
    return { ok: false, status: 400, problem: "The body is no JSON" };
  }
}

/** Longest texts that are taken; a pattern is held against many targets, so it stays small. */
const MAX_TARGET = 8_192;
const MAX_GLOB = 256;
const MAX_WILDCARDS = 8;
const MAX_TAG = 256;

/** A line without control characters: none of them can stand in a cache key's parts or in the audit line. */
function line(max: number) {
  return z.string().min(1).max(max).regex(/^[^\p{Cc}]+$/u, { error: "must not hold control characters" });
}

function isUrl(text: string): boolean {
  return text.startsWith("/") || (/^https?:\/\//i.test(text) && URL.canParse(text));
}

function wildcards(text: string): number {
  return text.match(/\*+/g)?.length ?? 0;
}

const FIELDS = {
  url: line(MAX_TARGET).refine(isUrl, { error: "must be a URL (http or https) or a path that begins with /" })
    .optional(),
  prefix: line(MAX_TARGET).regex(/^\//, { error: "must begin with /" }).optional(),
  glob: line(MAX_GLOB).regex(/^[/*]/, { error: "must begin with / or *" })
    .refine((text) => wildcards(text) <= MAX_WILDCARDS, { error: `must hold at most ${MAX_WILDCARDS} wildcards` })
    .optional(),
  tag: line(MAX_TAG).optional(),
  all: z.literal(true).optional(),
  listener: line(64).optional(),
  hard: z.boolean().default(false),
};

const KINDS = ["url", "prefix", "glob", "tag", "all"] as const;

/**
 * Reads the body of a purge request: one of `url`, `prefix`, `glob`, `tag` and `all: true`, or `listener` alone; `listener` beside
 * another narrows it; `hard: true` removes instead of marking stale.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { purgeOrder } from "./orders.ts";
 * const order = purgeOrder.parse({ tag: "movie:550", listener: "api" });
 * assert.deepEqual(order, { by: "tag", value: "movie:550", listener: "api", hard: false });
 * assert.equal(purgeOrder.safeParse({ tag: "a", all: true }).success, false);
 * ```
 */
export const purgeOrder = z.strictObject(FIELDS)
  .superRefine((value, context) => {
    const given = KINDS.filter((kind) => value[kind] !== undefined);
    if (given.length === 1 || (given.length === 0 && value.listener !== undefined)) return;
    const found = given.length === 0 ? "none" : given.join(" and ");
    context.addIssue({ code: "custom", message: `Give one of ${KINDS.join(", ")}, or listener alone: found ${found}` });
  })
  .transform(({ listener = null, hard, ...asked }): PurgeOrder => {
    const by = KINDS.find((kind) => asked[kind] !== undefined) ?? "all";
    return { by, value: by === "all" ? "" : asked[by]!, listener, hard };
  });

const MAX_PATHS = 10_000;
const target = z.string().max(8192).regex(/^(?:\/|https?:\/\/)[^\s#\p{Cc}]*$/iu, {
  error: "must be a path that begins with / or a URL",
});

/**
 * Reads the body of a prewarm request: `listener`; `paths`, `concurrency` and `rate` in place of what is configured.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { prewarmOrder } from "./orders.ts";
 * const order = prewarmOrder.parse({ listener: "api", paths: ["/3/movie/550"] });
 * assert.deepEqual(order, { listener: "api", targets: ["/3/movie/550"], concurrency: null, ratePerSecond: null });
 * assert.equal(prewarmOrder.safeParse({ listener: "api", paths: ["movie"] }).success, false);
 * ```
 */
export const prewarmOrder = z.strictObject({
  listener: z.string().min(1).max(64),
  paths: z.array(target).min(1).max(MAX_PATHS).optional(),
  concurrency: z.int().min(1).max(64).optional(),
  rate: z.int().min(1).max(10_000).optional(),
}).transform(({ listener, paths = null, concurrency = null, rate = null }): PrewarmOrder => ({
  listener,
  targets: paths,
  concurrency,
  ratePerSecond: rate,
}));
