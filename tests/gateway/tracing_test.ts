import assert from "node:assert/strict";
import { systemClock } from "../../lib/clock.ts";
import { Tracing } from "../../lib/gateway/tracing.ts";
import { createLogger } from "../../lib/logging/logger.ts";
import { eventually } from "../eventually.ts";
import { startCollector } from "../origins/otlp_collector.ts";

Deno.test("Tracing.close() waits for a collector that hangs no longer than spans may take, whatever time there is", async () => {
  const collector = startCollector();
  const gate = Promise.withResolvers<void>();
  collector.answer = async () => {
    await gate.promise;
    return {};
  };
  const logger = createLogger({ level: "error", format: "text", sink: () => {}, now: () => 0 });
  const tracing = new Tracing({ clock: systemClock, logger, instanceId: "i", leaveMs: 50 });
  tracing.commit(tracing.prepare({
    url: `${collector.url}/v1/traces`,
    headers: {},
    sampling: { ratio: 1, isParentBased: true },
    resource: [],
  }));
  const span = tracing.tracer!.begin(null)!;
  span.end();
  const closed = tracing.close(3_600_000);
  await eventually("the span is on its way", () => collector.requests.length === 1);
  await closed;
  assert.equal(tracing.counts?.droppedFailed, 1);
  gate.resolve();
  await collector.close();
});
