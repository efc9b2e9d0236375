import assert from "node:assert/strict";
import { readPurge } from "../../lib/admin/purge_request.ts";

Deno.test("readPurge() reads each kind of order", () => {
  const cases: ReadonlyArray<
    readonly [body: unknown, by: string, value: string, listener: string | null, hard: boolean]
  > = [
    [{ url: "/3/movie/550?language=de" }, "url", "/3/movie/550?language=de", null, false],
    [{ url: "HTTPS://api.example/3/x", hard: true }, "url", "HTTPS://api.example/3/x", null, true],
    [{ prefix: "/t/p", listener: "images" }, "prefix", "/t/p", "images", false],
    [{ glob: "/3/movie/*" }, "glob", "/3/movie/*", null, false],
    [{ glob: "**/images" }, "glob", "**/images", null, false],
    [{ tag: "movie:550" }, "tag", "movie:550", null, false],
    [{ all: true, hard: false }, "all", "", null, false],
    [{ listener: "api" }, "all", "", "api", false],
    [{ listener: "api", all: true }, "all", "", "api", false],
  ];
  for (const [body, by, value, listener, hard] of cases) {
    assert.deepEqual(readPurge(body), { ok: true, order: { by, value, listener, hard } }, JSON.stringify(body));
  }
});

Deno.test("readPurge() never takes an order that is not clear for one: least of all for one over everything", () => {
  const unclear: unknown[] = [
    {},
    { hard: true },
    { all: false },
    { all: "true" },
    { all: 1 },
    { tag: "a", all: true },
    { url: "/a", prefix: "/b" },
    { listener: "" },
    { tag: "" },
    { tag: 5 },
    { tag: ["a"] },
    { tag: "a", hard: "yes" },
    { tag: "a", soft: true },
    { prefixes: "/a" },
    [],
    [{ all: true }],
    null,
    "all",
    true,
    undefined,
  ];
  for (const body of unclear) {
    const reading = readPurge(body);
    assert.equal(reading.ok, false, JSON.stringify(body));
    assert.ok(!reading.ok && reading.problems.length > 0 && reading.problems.every((problem) => problem !== ""));
  }
});

Deno.test("readPurge() takes bounded lines of text without control characters", () => {
  const bad: unknown[] = [
    { url: "ftp://a/x" },
    { url: "a/b" },
    { url: "http://" },
    { url: "/" + "a".repeat(8_192) },
    { prefix: "t/p" },
    { glob: "movie/*" },
    { glob: "/" + "a".repeat(256) },
    { glob: "/*/*/*/*/*/*/*/*/*" },
    { tag: "a\nb" },
    { tag: "a\u0000b" },
    { tag: "a\u009bb" },
    { tag: "a".repeat(257) },
    { listener: "a\r\nb" },
  ];
  for (const body of bad) assert.equal(readPurge(body).ok, false, JSON.stringify(body).slice(0, 60));
});

Deno.test("readPurge() names the key that is wrong", () => {
  const reading = readPurge({ glob: "movie" });
  assert.ok(!reading.ok);
  assert.match(reading.problems.join(), /^glob: must begin with/);
});
