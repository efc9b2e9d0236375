import assert from "node:assert/strict";
import { ProblemBook } from "../../../lib/logging/problem_book.ts";
import { keysBy, type TopKeys } from "../../../lib/metrics/top_targets.ts";
import { TOP_SEPARATOR } from "../../../lib/request/request_sight.ts";
import { Sight } from "../../../lib/workers/operations/sight.ts";

function key(target: string): string {
  return `api${TOP_SEPARATOR}${target}`;
}

Deno.test("Sight leaves out targets whose figure is mostly doubt: after a flood of others, those that came last", async () => {
  const heavy = { key: key("/heavy"), weight: 900, over: 70 };
  const top: TopKeys = keysBy(() => [heavy, { key: key("/once"), weight: 71, over: 70 }]);
  const sight = new Sight({ ask: () => Promise.resolve([{ requests: [], top }]), problems: new ProblemBook(1) });
  for (const by of ["requests", "bytes"] as const) {
    assert.deepEqual((await sight.top(by, null)).map(({ target, over }) => [target, over]), [["/heavy", 70]]);
  }
});
