import type { ValidationContext } from "./validation_context.ts";

/** `reuse_appends` is of use where documents are made of parts, and something is stored. */
export function validateAppends({ values, problems, original, types }: ValidationContext): void {
  for (const [index, { cache, pool }] of values.listeners.entries()) {
    const at = original(["listeners", index, "cache", "reuse_appends"]);
    if (!cache.reuse_appends || problems.has(at)) continue;
    const type = pool === undefined || !Object.hasOwn(values.pools, pool) ? undefined : values.pools[pool]!.type;
    if (types.traits(type)?.documents === null) {
      const others = types.namesWith(({ documents }) => documents !== null);
      problems.expect(at, `\`false\`: pool ${pool} is of type ${type}, and only ${others} has parts to append`);
    } else if (cache.mode === "off") {
      problems.warn(at, "it has no effect: `mode: off` stores nothing");
    }
  }
}
