import assert from "node:assert/strict";
import { mock } from "node:test";
import type { Problem } from "../../../lib/logging/problem_book.ts";
import { RequestHistory } from "../../../lib/workers/figures/request_history.ts";
import type { Status } from "../../../lib/workers/figures/status.ts";
import { LiveView } from "../../../lib/workers/operations/live_view.ts";

Deno.test("LiveView tells a problem that a worker told after a tick that is younger than it", async () => {
  mock.timers.enable({ apis: ["setInterval", "Date"], now: 1_000_000 });
  try {
    const problems: Problem[] = [];
    const history = new RequestHistory();
    const view = new LiveView({
      status: () => ({}) as Status,
      prewarms: () => [],
      history: () => history,
      problems: () => problems,
    });
    const reader = view.open({})!.getReader();
    const told = async () => {
      const { value } = await reader.read();
      return JSON.parse(new TextDecoder().decode(value)).problems.map(({ message }: Problem) => message);
    };
    assert.deepEqual(await told(), []);
    mock.timers.tick(2_000);
    assert.deepEqual(await told(), []);
    const atMs = Date.now() - 50;
    problems.push({ atMs, level: "warn", area: "upstream", message: "It broke", fields: {}, count: 1 });
    mock.timers.tick(2_000);
    assert.deepEqual(await told(), ["It broke"]);
    mock.timers.tick(2_000);
    assert.deepEqual(await told(), []);
    await reader.cancel();
  } finally {
    mock.timers.reset();
  }
});
