import { z } from "zod";
import type { PrewarmAsked } from "./admin_view.ts";

const MAX_PATHS = 10_000;
const target = z.string().max(8192).regex(/^(?:\/|https?:\/\/)[^\s#\p{Cc}]*$/iu, {
  error: "must be a path that begins with / or a URL",
});

const schema = z.strictObject({
  listener: z.string().min(1).max(64),
  paths: z.array(target).min(1).max(MAX_PATHS).optional(),
  concurrency: z.int().min(1).max(64).optional(),
  rate: z.int().min(1).max(10_000).optional(),
});

/** A prewarm order read from a request, or what is wrong with the request. */
export type PrewarmReading =
  | { readonly ok: true; readonly order: PrewarmAsked }
  | { readonly ok: false; readonly problems: readonly string[] };

/**
 * Reads the body of a prewarm request: `listener`; `paths`, `concurrency` and `rate` in place of what is configured.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { readPrewarm } from "./prewarm_request.ts";
 * const reading = readPrewarm({ listener: "api", paths: ["/3/movie/550"] });
 * const order = { listener: "api", targets: ["/3/movie/550"], concurrency: null, ratePerSecond: null };
 * assert.deepEqual(reading, { ok: true, order });
 * assert.equal(readPrewarm({ listener: "api", paths: ["movie"] }).ok, false);
 * ```
 */
export function readPrewarm(body: unknown): PrewarmReading {
  const parsed = schema.safeParse(body);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`.replace(/^: /, ""));
    return { ok: false, problems: problems.slice(0, 20) };
  }
  const { listener, paths = null, concurrency = null, rate = null } = parsed.data;
  return { ok: true, order: { listener, targets: paths, concurrency, ratePerSecond: rate } };
}
