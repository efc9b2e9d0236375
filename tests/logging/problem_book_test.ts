import assert from "node:assert/strict";
import { createLogger } from "../../lib/logging/logger.ts";
import { type Problem, ProblemBook } from "../../lib/logging/problem_book.ts";

function problem(over: Partial<Problem>): Problem {
  return { atMs: 0, level: "warn", area: "upstream", message: "m", fields: {}, count: 1, ...over };
}

Deno.test("ProblemBook has the same message once, with its count and the fields of the last", () => {
  const book = new ProblemBook(10);
  book.add(problem({ atMs: 1, fields: { id: "a" } }));
  book.add(problem({ atMs: 2, message: "other" }));
  book.add(problem({ atMs: 3, fields: { id: "b" }, count: 4 }));
  book.add(problem({ atMs: 4, level: "error" }));
  const shown = book.newestFirst().map(({ level, message, count, fields }) => [level, message, count, fields["id"]]);
  assert.deepEqual(shown, [["error", "m", 1, undefined], ["warn", "m", 5, "b"], ["warn", "other", 1, undefined]]);
});

Deno.test("ProblemBook is bounded: in messages, and in what each says", () => {
  const book = new ProblemBook(3);
  for (let at = 0; at < 9; at++) book.add(problem({ atMs: at, message: `m${at}` }));
  assert.deepEqual(book.newestFirst().map(({ message }) => message), ["m8", "m7", "m6"]);
  const fields = Object.fromEntries(Array.from({ length: 99 }, (_, at) => [`f${at}`, "x".repeat(9_999)]));
  book.add(problem({ atMs: 10, message: "y".repeat(9_999), fields }));
  assert.ok(JSON.stringify(book.newestFirst()[0]).length < 15_000);
});

Deno.test("ProblemBook holds no credential, also where a cut would take its name away", () => {
  const book = new ProblemBook(3);
  const secret = "0123456789abcdef01234567";
  book.add(
    problem({ message: `no /a?${"x".repeat(440)}&api_key=${secret}`, fields: { url: `http://u:${secret}@h/` } }),
  );
  assert.ok(!JSON.stringify(book.newestFirst()).includes("0123456789"));
});

Deno.test("a logger tells of its warnings and errors, whatever its level is, with their areas", () => {
  const book = new ProblemBook(9);
  const lines: string[] = [];
  const sink = (line: string) => void lines.push(line);
  const logger = createLogger({ level: "error", format: "text", sink, now: () => 5, onProblem: book.add }, {
    worker: "w",
  });
  logger.in("cache").warn("full", { disk: 1, none: undefined });
  logger.info("fine");
  logger.with({ more: 2 }).error("bad", { text: "t" });
  const expected = [
    { atMs: 5, level: "warn", area: "cache", message: "full", fields: { worker: "w", disk: 1 }, count: 1 },
    { atMs: 5, level: "error", area: "process", message: "bad", fields: { worker: "w", more: 2, text: "t" }, count: 2 },
  ];
  assert.deepEqual(book.drain(), expected);
  assert.deepEqual(book.drain(), []);
  assert.equal(lines.length, 1);
});
