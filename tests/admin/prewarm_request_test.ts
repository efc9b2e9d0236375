import assert from "node:assert/strict";
import { readPrewarm } from "../../lib/admin/prewarm_request.ts";

Deno.test("readPrewarm() takes a listener alone, or with all that can be said", () => {
  assert.deepEqual(readPrewarm({ listener: "api" }), {
    ok: true,
    order: { listener: "api", targets: null, concurrency: null, ratePerSecond: null },
  });
  assert.deepEqual(readPrewarm({ listener: "api", paths: ["/a", "HTTP://h/b?c"], concurrency: 3, rate: 4 }), {
    ok: true,
    order: { listener: "api", targets: ["/a", "HTTP://h/b?c"], concurrency: 3, ratePerSecond: 4 },
  });
});

Deno.test("readPrewarm() says what is wrong, and where", () => {
  const cases: ReadonlyArray<readonly [body: unknown, problem: RegExp]> = [
    [null, /object/],
    [{}, /^listener: /],
    [{ listener: "" }, /^listener: /],
    [{ listener: "a", path: ["/a"] }, /path/],
    [{ listener: "a", paths: [] }, /^paths: /],
    [{ listener: "a", paths: ["/a", "b"] }, /^paths\.1: must be a path/],
    [{ listener: "a", paths: ["/a b"] }, /^paths\.0: /],
    [{ listener: "a", paths: ["/a#b"] }, /^paths\.0: /],
    [{ listener: "a", paths: ["ftp://h/a"] }, /^paths\.0: /],
    [{ listener: "a", paths: Array.from({ length: 10_001 }, () => "/a") }, /^paths: /],
    [{ listener: "a", rate: 0 }, /^rate: /],
    [{ listener: "a", concurrency: 1.5 }, /^concurrency: /],
  ];
  for (const [body, problem] of cases) {
    const reading = readPrewarm(body);
    assert.ok(!reading.ok, JSON.stringify(body)?.slice(0, 80));
    assert.match(reading.problems.join("; "), problem);
  }
});

Deno.test("readPrewarm() tells a bounded number of problems", () => {
  const reading = readPrewarm({ listener: "a", paths: Array.from({ length: 5_000 }, () => "no path") });
  assert.ok(!reading.ok && reading.problems.length === 20);
});
