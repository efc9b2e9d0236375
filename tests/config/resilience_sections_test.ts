import assert from "node:assert/strict";
import { problemsOf } from "./load_text.ts";

Deno.test("resilience keys are checked with their place in the file", async () => {
  const problems = await problemsOf(`pools:
  p: { type: custom, upstreams: [{ url: https://one.example, max_rps: 0 }], hedge: { after: soon }, panic: hide }
listeners:
  - { name: l, pool: p, rate_limit: { per: 1s }, queue: { size: -1 }, offline: maybe }
`);
  assert.deepEqual(
    problems.map((problem) => problem.split(": ")[0]).sort(),
    [
      "2:71 pools.p.upstreams[0].max_rps",
      "2:93 pools.p.hedge.after",
      "2:108 pools.p.panic",
      "4:25 listeners[0].rate_limit.requests",
      "4:65 listeners[0].queue.size",
      "4:80 listeners[0].offline",
    ].sort(),
  );
});
