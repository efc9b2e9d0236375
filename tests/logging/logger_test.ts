import assert from "node:assert/strict";
import type { LogFields } from "../../lib/logging/log_line.ts";
import { createLogger, type Logger, type LoggerOptions } from "../../lib/logging/logger.ts";

const NOW_MS = Date.UTC(2026, 0, 2, 3, 4, 5, 6);
const TIME = "2026-01-02T03:04:05.006Z";

function recording(options: Partial<LoggerOptions> = {}): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  const sink = (line: string) => void lines.push(line);
  return { logger: createLogger({ level: "debug", format: "text", sink, now: () => NOW_MS, ...options }), lines };
}

/** The only line that `fields` give in a format. */
function lineOf(format: "text" | "json", fields: LogFields, message = "m"): string {
  const { logger, lines } = recording({ format });
  logger.info(message, fields);
  assert.equal(lines.length, 1);
  return lines[0]!;
}

/** What could forge a line, drive a terminal, or turn the direction of writing. */
const HOSTILE = [..."\u0000\u0007\u0008\t\n\r\u001b[2J\u007f\u0085\u009b31m\u2028\u2029\u202e\u2066"];
// deno-lint-ignore no-control-regex
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

Deno.test("createLogger() writes text: time, level, message, fields", () => {
  const fields = { worker: "serving-1", count: 2, ok: true, none: null, left: undefined, said: 'a "b"', empty: "" };
  assert.equal(
    lineOf("text", fields, "A worker is up"),
    `${TIME} INFO  A worker is up worker=serving-1 count=2 ok=true none=null said="a \\"b\\"" empty=""\n`,
  );
});

Deno.test("createLogger() writes JSON: one object a line, values with their types", () => {
  const line = lineOf(
    "json",
    { worker: "serving-1", count: 2, ok: true, none: null, left: undefined },
    "A worker is up",
  );
  assert.ok(line.endsWith("}\n"));
  assert.deepEqual(JSON.parse(line), {
    time: TIME,
    level: "info",
    message: "A worker is up",
    worker: "serving-1",
    count: 2,
    ok: true,
    none: null,
  });
});

Deno.test("enabled() and the level agree on what is written", () => {
  const levels = ["debug", "info", "warn", "error"] as const;
  for (const [rank, level] of levels.entries()) {
    const { logger, lines } = recording({ level, format: "json" });
    for (const each of levels) logger[each]("m");
    assert.deepEqual(lines.map((line) => JSON.parse(line).level), levels.slice(rank));
    assert.deepEqual(levels.filter((each) => logger.enabled(each)), levels.slice(rank));
  }
});

Deno.test("write() is no message: it has no level and comes whatever the level is", () => {
  const { logger, lines } = recording({ level: "error" });
  logger.write({ access: "api", status: 200 });
  assert.deepEqual(lines, [`${TIME} access=api status=200\n`]);
});

Deno.test("with() adds fields to every line, and a line's own have the last word", () => {
  const { logger, lines } = recording();
  const worker = logger.with({ worker: "w1", part: "a" }).with({ part: "b" });
  worker.info("m", { id: "x" });
  worker.write({ part: "c" });
  logger.warn("n");
  assert.deepEqual(lines, [
    `${TIME} INFO  m worker=w1 part=b id=x\n`,
    `${TIME} worker=w1 part=c\n`,
    `${TIME} WARN  n\n`,
  ]);
});

for (const format of ["text", "json"] as const) {
  Deno.test(`a ${format} line cannot be forged: no control character of a value gets out`, () => {
    for (const sign of HOSTILE) {
      const line = lineOf(format, { target: `/a${sign}b`, plain: "x" });
      assert.doesNotMatch(line.slice(0, -1), UNSAFE, JSON.stringify(sign));
      assert.ok(line.includes("plain"), "the rest of the line is still there");
    }
    const forged = lineOf(format, { target: `/a\n${TIME} ERROR forged worker=serving-1` });
    assert.equal(forged.split("\n").length, 2);
  });

  Deno.test(`a ${format} line holds no secret, in messages, fields and what with() adds`, () => {
    const { logger, lines } = recording({ format });
    const secret = "0123456789abcdef";
    logger.with({ base: `/x?api_key=${secret}` }).error(`failed: http://u:${secret}@h/`, {
      target: `/?session_id=${secret}`,
    });
    assert.ok(!lines[0]!.includes(secret), lines[0]);
    assert.equal(lines[0]!.split("[redacted]").length, 4);
  });
}

Deno.test("a JSON line stays the JSON of its values, odd ones too", () => {
  const values = { a: HOSTILE.join(""), b: 'x"y\\', c: "é\u{1f600}", d: "\ud800" };
  const { time: _, level: _level, message: _message, ...read } = JSON.parse(lineOf("json", values));
  assert.deepEqual(read, { ...values });
});

Deno.test("a text message keeps its own line feeds and loses other control characters", () => {
  assert.equal(lineOf("text", {}, "two\nlines\u001b[2J"), `${TIME} INFO  two\nlines\\u001b[2J\n`);
});

Deno.test("reconfigure() changes level and format of a logger and of all that were made of it before", () => {
  const lines: string[] = [];
  const logger = createLogger({ level: "warn", format: "text", sink: (line) => lines.push(line), now: () => 0 });
  const child = logger.with({ worker: "serving-0" }).with({ listener: "api" });
  child.debug("not yet");
  assert.equal(child.enabled("debug"), false);
  logger.reconfigure({ level: "debug", format: "json" });
  assert.equal(child.enabled("debug"), true);
  child.debug("now");
  assert.deepEqual(JSON.parse(lines[0]!), {
    ...{ time: "1970-01-01T00:00:00.000Z", level: "debug", message: "now", worker: "serving-0", listener: "api" },
  });
  logger.reconfigure({ level: "error", format: "text" });
  child.warn("not any more");
  logger.error("but this");
  assert.deepEqual(lines.slice(1), ["1970-01-01T00:00:00.000Z ERROR but this\n"]);
});

Deno.test("in() gives an area's logger, which says its area and goes by a level of its own", () => {
  const { logger, lines } = recording({ level: "warn", levels: { upstream: "debug" }, format: "json" });
  const areas = ["process", "cache", "upstream"] as const;
  for (const area of areas) logger.in(area).with({ part: "p" }).info("m");
  logger.in("cache").warn("m");
  logger.in("cache").write({ audit: "purge" });
  const said = lines.map((line) => JSON.parse(line)).map(({ area, level, part, audit }) => [area, level, part, audit]);
  assert.deepEqual(said, [
    ["upstream", "info", "p", undefined],
    ["cache", "warn", undefined, undefined],
    [undefined, undefined, undefined, "purge"],
  ]);
  assert.equal(logger.in("cache"), logger.in("cache"));
});

Deno.test("override() stands before what is configured, also over reloads, until it is taken back", () => {
  const sink = () => {};
  const logger = createLogger({ level: "info", levels: { tls: "error" }, format: "text", sink, now: () => 0 });
  const cache = logger.in("cache");
  logger.override({ levels: { cache: "debug" } });
  assert.deepEqual([cache.enabled("debug"), logger.enabled("debug"), logger.levels().tls], [true, false, "error"]);
  logger.reconfigure({ level: "warn", format: "json" });
  assert.deepEqual([cache.enabled("debug"), logger.levels().upstream, logger.levels().tls], [true, "warn", "warn"]);
  logger.override({ level: "error" });
  assert.deepEqual(Object.values(logger.levels()), Array(7).fill("error"));
  logger.override(null);
  assert.deepEqual([cache.enabled("info"), cache.enabled("warn")], [false, true]);
});
