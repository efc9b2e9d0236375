import assert from "node:assert/strict";
import { systemClock } from "../lib/clock.ts";

Deno.test("systemClock gives whole milliseconds since the Unix epoch, as they are when it is asked", () => {
  const before = Date.now();
  const now = systemClock.now();
  assert.ok(before <= now && now <= Date.now());
  assert.ok(Number.isInteger(now));
});
