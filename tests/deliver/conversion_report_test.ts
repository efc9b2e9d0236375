import assert from "node:assert/strict";
import { isResting, reportConversion } from "../../lib/deliver/image_form.ts";
import { plainParts, withGateway } from "../pipeline/in_process_gateway.ts";

Deno.test("reportConversion() counts by what became of it, and lets only rest what would fail again", () =>
  withGateway(plainParts(["http://127.0.0.1:9"]), ({ gateway: { services } }) => {
    const counts = { done: 0, unsuitable: 0, refused: 0, timeout: 0, failed: 0, unavailable: 0, derived: 0 };
    const report = (key: string, kind: "failed" | "timeout" | "refused" | "unavailable" | "unsuitable") =>
      reportConversion(services, { key, counts, made: "done" }, { kind, detail: "a test says so" });
    for (const kind of ["failed", "timeout", "refused", "unavailable", "unsuitable"] as const) {
      report(`report\0${kind}`, kind);
      assert.equal(isResting(`report\0${kind}`), kind === "failed" || kind === "timeout", kind);
    }
    const body = Uint8Array.of(1);
    reportConversion(services, { key: "report", counts, made: "derived" }, { kind: "done", body });
    reportConversion(services, { key: "report", counts, made: "done" }, { kind: "done", body });
    assert.deepEqual(counts, { done: 1, unsuitable: 1, refused: 1, timeout: 1, failed: 1, unavailable: 1, derived: 1 });
    return Promise.resolve();
  }));

Deno.test("reportConversion() writes a flood of failures in few lines", () =>
  withGateway(plainParts(["http://127.0.0.1:9"]), ({ gateway: { services }, lines }) => {
    const counts = { done: 0, unsuitable: 0, refused: 0, timeout: 0, failed: 0, unavailable: 0, derived: 0 };
    for (let at = 0; at < 500; at++) {
      reportConversion(services, { key: `flood\0${at}`, counts, made: "done" }, { kind: "failed", detail: "broken" });
    }
    assert.equal(counts.failed, 500);
    assert.ok(lines.length <= 1, `${lines.length} lines`);
    return Promise.resolve();
  }));
