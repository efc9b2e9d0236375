import { z } from "zod";
import type { PurgeOrder } from "../gateway/purge_scopes.ts";

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

const schema = z.strictObject(FIELDS).superRefine((value, context) => {
  const given = KINDS.filter((kind) => value[kind] !== undefined);
  if (given.length === 1 || (given.length === 0 && value.listener !== undefined)) return;
  const found = given.length === 0 ? "none" : given.join(" and ");
  context.addIssue({ code: "custom", message: `Give one of ${KINDS.join(", ")}, or listener alone: found ${found}` });
});

/** A purge order read from a request, or what is wrong with the request. */
export type PurgeReading =
  | { readonly ok: true; readonly order: PurgeOrder }
  | { readonly ok: false; readonly problems: readonly string[] };

/**
 * Reads the body of a purge request: one of `url`, `prefix`, `glob`, `tag` and `all: true`, or `listener` alone; `listener` beside
 * another narrows it; `hard: true` removes instead of marking stale.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { readPurge } from "./purge_request.ts";
 * const reading = readPurge({ tag: "movie:550", listener: "api" });
 * assert.deepEqual(reading, { ok: true, order: { by: "tag", value: "movie:550", listener: "api", hard: false } });
 * assert.equal(readPurge({ tag: "a", all: true }).ok, false);
 * ```
 */
export function readPurge(body: unknown): PurgeReading {
  const parsed = schema.safeParse(body);
  if (!parsed.success) return { ok: false, problems: parsed.error.issues.map(problemOf) };
  const { listener = null, hard, ...asked } = parsed.data;
  const by = KINDS.find((kind) => asked[kind] !== undefined) ?? "all";
  return { ok: true, order: { by, value: by === "all" ? "" : asked[by]!, listener, hard } };
}

function problemOf({ path, message }: { readonly path: PropertyKey[]; readonly message: string }): string {
  return path.length === 0 ? message : `${path.join(".")}: ${message}`;
}
