import assert from "node:assert/strict";
import { asking, type FieldRow } from "./field_row.ts";

/** What comes is older than its lifetime already, so that it is stale at once. */
function row(
  name: string,
  said: string,
  host: string,
  more: Partial<FieldRow> & { readonly isStale: boolean },
): FieldRow {
  const { isStale, ...rest } = more;
  let version = 0;
  return {
    line: "B6",
    name,
    before: isStale ? "never stale; no such key" : "the same",
    fellShort: isStale,
    requests: Array.from({ length: 2 }, () => asking(`GET /b6/${name.replaceAll(/\W+/g, "-")}`, host)),
    answer: async ({ exchange }) => {
      await exchange.reply({ fields: [["cache-control", said], ["age", "100"]], body: `v${++version}` });
    },
    holds({ responses }) {
      assert.equal(new TextDecoder().decode(responses[1]!.body), isStale ? "v1" : "v2");
    },
    ...rest,
  };
}

const WHILE = "s-maxage=60, stale-while-revalidate=600";

/** B6: `s-maxage` with `stale-while-revalidate`, where the operator wants both. */
export const sharedStaleRows: readonly FieldRow[] = [
  row("it is served stale while it is validated", WHILE, "stale.test", { isStale: true }),
  row("also beside max-age and public", `public, max-age=0, ${WHILE}`, "stale.test", { isStale: true }),
  row("also where no number stands there", "s-maxage=60, stale-while-revalidate", "stale.test", { isStale: true }),
  row("a listener may say otherwise than all", WHILE, "any.test", { isStale: false }),
  row("without stale-while-revalidate nothing is stale", "s-maxage=60", "stale.test", { isStale: false }),
  row("must-revalidate forbids it", `${WHILE}, must-revalidate`, "stale.test", { isStale: false }),
  row("proxy-revalidate forbids it", `${WHILE}, proxy-revalidate`, "stale.test", { isStale: false }),
  row("past the window it is not served", "s-maxage=60, stale-while-revalidate=10", "stale.test", { isStale: false }),
];
