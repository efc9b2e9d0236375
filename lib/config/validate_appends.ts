import type { ValidationContext } from "./validation_context.ts";

/** The type whose documents are made of appended parts. */
const TYPE = "tmdb-api";

/** `reuse_appends` is of use where documents are made of parts, and something is stored. */
export function validateAppends({ values, problems, original }: ValidationContext): void {
  for (const [index, { cache, pool }] of values.listeners.entries()) {
    const at = original(["listeners", index, "cache", "reuse_appends"]);
    if (!cache.reuse_appends || problems.has(at)) continue;
    const type = pool === undefined || !Object.hasOwn(values.pools, pool) ? undefined : values.pools[pool]!.type;
    if (type !== undefined && type !== TYPE) {
      problems.expect(at, `\`false\`: pool ${pool} is of type ${type}, and only ${TYPE} has parts to append`);
    } else if (cache.mode === "off") {
      problems.warn(at, "it has no effect: `mode: off` stores nothing");
    }
  }
}
