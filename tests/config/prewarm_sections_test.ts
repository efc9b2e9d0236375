import assert from "node:assert/strict";
import { prewarmSection } from "../../lib/config/prewarm.ts";

Deno.test("prewarmSection has a default for every key but the file and the schedule", () => {
  assert.deepEqual(prewarmSection.parse({}), { paths: [], concurrency: 2, rate: 10, at_start: true });
});

Deno.test("prewarmSection takes paths and URLs, and nothing that a request line could not hold", () => {
  const isTaken = (path: string) => prewarmSection.safeParse({ paths: [path] }).success;
  for (const path of ["/", "/3/movie/550?language=de", "https://h/a", "HTTP://h:1/a?b"]) assert.ok(isTaken(path), path);
  for (const path of ["", "a", "//h a", "/a#b", "ftp://h/a", "/a\nb", `/${"x".repeat(9000)}`]) {
    assert.ok(!isTaken(path), path.slice(0, 20));
  }
});

Deno.test("prewarmSection bounds what it asks of the upstreams", () => {
  for (
    const wrong of [{ concurrency: 0 }, { concurrency: 65 }, { rate: 0 }, { rate: 10_001 }, { every: "1s" }, {
      urls: [],
    }]
  ) {
    assert.ok(!prewarmSection.safeParse(wrong).success, JSON.stringify(wrong));
  }
});
