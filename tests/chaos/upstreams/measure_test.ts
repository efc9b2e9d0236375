import assert from "node:assert/strict";
import { startScriptedOrigin } from "../../origins/scripted_origin.ts";
import { measureLoad, quantile } from "./measure.ts";
import { bodyOf } from "./scenarios.ts";

Deno.test("measureLoad() counts what failed, what was aborted and what was another body", async () => {
  const origin = await startScriptedOrigin(async (exchange) => {
    const { target } = exchange.head;
    switch (Number(target.split("/").at(-1)) % 4) {
      case 1:
        return await exchange.reply({ status: 503 });
      case 2:
        return await exchange.reply({ body: "short" });
      case 3:
        await exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab");
        return exchange.reset();
      default:
        return await exchange.reply({ body: bodyOf(target) });
    }
  });
  try {
    const load = { url: origin.url, prefix: "/small", connections: 1, pauseMs: 1, untilMs: Infinity };
    // As long as it takes for forty requests.
    Object.defineProperty(load, "untilMs", { get: () => origin.heads.length < 40 ? Infinity : 0 });
    const { sent, failures, aborted } = await measureLoad(load);
    assert.equal(failures.length, Math.floor((sent + 2) / 4) + Math.floor((sent + 1) / 4));
    assert.equal(aborted, Math.floor(sent / 4));
    assert.match(failures[0]!, /503/);
    assert.match(failures[1]!, /another body/);
  } finally {
    await origin.close();
  }
});

Deno.test("quantile() is the value below which a share lies", () => {
  const values = Array.from({ length: 100 }, (_, index) => index);
  assert.deepEqual([quantile(values, 0.5), quantile(values, 0.99), quantile(values, 1), quantile([], 0.5)], [
    50,
    99,
    99,
    0,
  ]);
});
