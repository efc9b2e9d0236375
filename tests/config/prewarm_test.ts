import assert from "node:assert/strict";
import { configOf, problemsOf } from "./load_text.ts";

function withPrewarm(prewarm: unknown): string {
  const pools = { p: { type: "custom", upstreams: ["https://one.example"] } };
  return JSON.stringify({ pools, listeners: [{ name: "l", pool: "p", prewarm }] });
}

Deno.test("prewarmKey takes paths and URLs, and nothing that a request line could not hold", async () => {
  const isTaken = async (path: string) => (await problemsOf(withPrewarm({ paths: [path] }))).length === 0;
  for (const path of ["/", "/3/movie/550?language=de", "https://h/a", "HTTP://h:1/a?b"]) {
    assert.ok(await isTaken(path), path);
  }
  for (const path of ["", "a", "//h a", "/a#b", "ftp://h/a", "/a\nb", `/${"x".repeat(9000)}`]) {
    assert.ok(!await isTaken(path), path.slice(0, 20));
  }
});

Deno.test("prewarmKey bounds what it asks of the upstreams", async () => {
  const below = [{ concurrency: 0 }, { rate: 0 }, { every: "1s" }];
  for (const wrong of [...below, { concurrency: 65 }, { rate: 10_001 }, { urls: [] }]) {
    assert.equal((await problemsOf(withPrewarm(wrong))).length, 1, JSON.stringify(wrong));
  }
});

Deno.test("prewarmOf() makes the file's path absolute and names each target once", async () => {
  const prewarmOf = async (prewarm: unknown) => (await configOf(withPrewarm(prewarm))).listeners[0]!.prewarm;
  const keys = { file: "lists/a.txt", concurrency: 3, rate: 4, at_start: false, every: "5m" };
  assert.deepEqual(await prewarmOf({ paths: ["/a", "http://h/b?c", "/a"], ...keys }), {
    targets: ["/a", "http://h/b?c"],
    file: "/etc/usher/lists/a.txt",
    concurrency: 3,
    ratePerSecond: 4,
    atStart: false,
    everyMs: 300_000,
  });
  const { file, everyMs } = await prewarmOf({});
  assert.deepEqual([file, everyMs], [null, null]);
});
