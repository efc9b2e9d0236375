import { z } from "zod";
import type { PurgeOrder } from "./purge_scopes.ts";

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
 * import { purgeOrder } from "./purge_order.ts";
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

/** An order as the admin surface takes it. */
export function purgeBody({ by, value, listener, hard }: PurgeOrder): Record<string, unknown> {
  const narrowed = listener === null ? {} : { listener };
  if (by === "all") return listener === null ? { all: true, hard } : { listener, hard };
  return { [by]: value, ...narrowed, hard };
}
