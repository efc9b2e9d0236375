import assert from "node:assert/strict";
import { logKeyEvent } from "../../lib/gateway/key_event.ts";
import { createLogger } from "../../lib/logging/logger.ts";

Deno.test("logKeyEvent() names a key by its place, says until when it is out, and warns unless it is good news", () => {
  const lines: Record<string, unknown>[] = [];
  const sink = (line: string) => void lines.push(JSON.parse(line));
  const logger = createLogger({ level: "debug", format: "json", sink, now: () => 0 });
  logKeyEvent(logger, "films", { key: 2, event: "limited", untilMs: Date.UTC(2026, 0, 2) });
  logKeyEvent(logger, "films", { key: 1, event: "refused", untilMs: Date.UTC(2026, 0, 3) });
  logKeyEvent(logger, "films", { key: 2, event: "recovered", untilMs: 0 });
  assert.deepEqual(lines.map(({ level, pool, key, until }) => [level, pool, key, until]), [
    ["warn", "films", 2, "2026-01-02T00:00:00.000Z"],
    ["warn", "films", 1, "2026-01-03T00:00:00.000Z"],
    ["info", "films", 2, undefined],
  ]);
  assert.equal(new Set(lines.map(({ message }) => message)).size, 3);
});
