import assert from "node:assert/strict";
import { tracingFindings } from "../../lib/inspect/diagnose_tracing.ts";
import { startCollector } from "../origins/otlp_collector.ts";

function tracing(url: string) {
  const sampling = { ratio: 1, isParentBased: true };
  return { url, headers: { authorization: "Bearer t" }, sampling, resource: [["service.name", "s"]] as const };
}

Deno.test("doctor sends the collector a request without spans, and says what to do where that fails", async () => {
  assert.deepEqual(await tracingFindings(null, 1_000), []);
  const collector = startCollector();
  const asked = async () => (await tracingFindings(tracing(`${collector.url}/v1/traces`), 60_000))[0]!;
  try {
    const good = await asked();
    assert.deepEqual([good.state, good.remedy], ["ok", null]);
    assert.match(good.text, /takes spans/);
    assert.equal(collector.requests[0]!.headers.get("authorization"), "Bearer t");
    assert.deepEqual([collector.faults, collector.spans], [[], []]);
    for (const [status, remedy] of [[401, /headers/], [404, /base URL/], [415, /JSON/], [500, /own log/]] as const) {
      collector.answer = () => ({ status });
      const found = await asked();
      assert.deepEqual([found.state, found.text.endsWith(`answered ${status}`)], ["warn", true]);
      assert.match(found.remedy!, remedy);
    }
  } finally {
    await collector.close();
  }
  const gone = await asked();
  assert.equal(gone.state, "warn");
  assert.match(gone.remedy!, /4317 is gRPC/);
});
