import type { ValidationContext } from "./validation_context.ts";

/** A change feed is of use where upstreams have one, and where the gateway may ask with a key of its own. */
export function validateChangeFeeds({ values, problems, original, types }: ValidationContext): void {
  for (const [name, pool] of Object.entries(values.pools)) {
    const at = original(["pools", name, "change_feed"]);
    if (pool.change_feed?.enabled !== true || problems.has(at)) continue;
    if (types.traits(pool.type)?.changes === null) {
      problems.add(
        at,
        `found change_feed expected none on a pool of type ${pool.type}: only ${
          types.namesWith(({ changes }) => changes !== null)
        } lists its changes`,
        {
          atKey: true,
        },
      );
    } else if (pool.key_mode === "pass") {
      problems.add(at, "found change_feed expected none with `key_mode: pass`: nobody's key is there to ask with", {
        atKey: true,
      });
    }
  }
}
