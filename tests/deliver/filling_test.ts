import assert from "node:assert/strict";
import { Fill } from "../../lib/cache/flights/fill.ts";
import { StoredHead } from "../../lib/cache/stored_response.ts";
import { deliver } from "../../lib/deliver/deliver.ts";
import { replyResponse } from "../../lib/server/fetch_adapter.ts";
import { exchangeFor, type InProcessGateway, plainParts, withGateway } from "../pipeline/in_process_gateway.ts";

const note = { result: "collapsed", status: "usher; fwd=miss; collapsed", ageSeconds: 0 } as const;

async function respond(gateway: InProcessGateway, fill: Fill, init: RequestInit = {}): Promise<Response> {
  const exchange = exchangeFor(gateway, "/a", init);
  const times = { initialAgeMs: 0, lifetimeMs: 1, staleWhileRevalidateMs: 0, staleIfErrorMs: 0 };
  const nowMs = gateway.clock.now();
  const head = StoredHead.of({
    key: exchange.key,
    status: 200,
    fields: [],
    lengthBytes: fill.lengthBytes,
    requestTimeMs: nowMs,
    responseTimeMs: nowMs,
    freshness: { ...times, mustRevalidate: false, alwaysValidate: false },
    selectedBy: [],
    tags: [],
    tiers: { memory: true, disk: true },
  });
  return replyResponse(await deliver(exchange, { kind: "filling", note, head, fill }), exchange.method);
}

/** Runs a test with a gateway that needs no upstream. */
const withAny = (run: (gateway: InProcessGateway) => Promise<void>) =>
  withGateway(plainParts(["http://127.0.0.1:1"]), run);

Deno.test("deliver() serves a complete fill as a stored response, ranges included", () =>
  withAny(async (gateway) => {
    const fill = Fill.ofBody(new TextEncoder().encode("complete"));
    assert.equal(await (await respond(gateway, fill)).text(), "complete");
    assert.equal(await (await respond(gateway, fill, { headers: { range: "bytes=0-2" } })).text(), "com");
  }));

Deno.test("deliver() follows a fill to its end, each reader from the front at its own pace", () =>
  withAny(async (gateway) => {
    const fill = Fill.ofLength(4);
    const early = respond(gateway, fill).then((response) => response.text());
    fill.push(new TextEncoder().encode("ab"));
    const late = respond(gateway, fill).then((response) => response.text());
    fill.push(new TextEncoder().encode("cd"));
    assert.deepEqual(await Promise.all([early, late]), ["abcd", "abcd"]);
    assert.deepEqual(gateway.results(), { collapsed: 2 });
  }));

Deno.test("deliver() breaks off with the fill", () =>
  withAny(async (gateway) => {
    const fill = Fill.ofLength(4);
    const reading = (await respond(gateway, fill)).text();
    fill.push(new TextEncoder().encode("ab"));
    fill.fail(new Error("cut"));
    await assert.rejects(reading, /cut/);
    assert.equal(gateway.access()[0]!["error"], "body_broke_off");
  }));

Deno.test("deliver() tells the fill when the last reader has left, and not before", () =>
  withAny(async (gateway) => {
    const fill = Fill.ofLength(4);
    let abandoned = 0;
    fill.onAbandoned = () => void abandoned++;
    const responses = [
      await respond(gateway, fill),
      await respond(gateway, fill),
      await respond(gateway, fill, { method: "HEAD" }),
    ];
    await responses[0]!.body!.cancel();
    assert.equal(abandoned, 0);
    await responses[1]!.body!.cancel();
    assert.equal(abandoned, 1);
    assert.deepEqual(gateway.gateway.counts.listeners["l"]!.byClass, [2, 0, 1, 0, 0, 0]);
  }));
