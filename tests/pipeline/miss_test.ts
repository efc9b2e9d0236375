import assert from "node:assert/strict";
import type { ScriptedHandler } from "../origins/scripted_origin.ts";
import { handle } from "../../lib/pipeline/pipeline.ts";
import { replyResponse, requestArrival } from "../../lib/server/fetch_adapter.ts";
import { answered, sentField, withOrigin } from "./in_process_gateway.ts";

const DATE = "Thu, 01 Jan 2026 00:00:00 GMT";
const stored: ScriptedHandler = (exchange) =>
  exchange.reply({ fields: [["cache-control", "max-age=60"], ["etag", '"v1"'], ["last-modified", DATE]], body: "v1" });

Deno.test("fetchMissing() hands If-Match to the origin where nothing is stored", () =>
  withOrigin(stored, async ({ ask }, origin) => {
    await ask("/a", { headers: { "if-match": '"v1"' } });
    assert.equal(sentField(origin, "if-match"), '"v1"');
  }));

Deno.test("fetchMissing() answers 504 where only a stored response is wanted (RFC 9111 §5.2.1.7)", () =>
  withOrigin(stored, async ({ ask }, origin) => {
    for (const more of [[], [["range", "bytes=0-1"]]]) {
      const headers = [["cache-control", "only-if-cached"], ...more] as [string, string][];
      const answer = await ask("/a", { headers });
      assert.equal(answer.status, 504);
    }
    assert.equal(origin.heads.length, 0);
  }));

Deno.test("fetchMissing() learns from a HEAD what it says of the stored response (RFC 9111 §4.3.5)", async () => {
  let tag = '"v1"';
  const handler: ScriptedHandler = (exchange) =>
    exchange.reply({
      fields: [["cache-control", "max-age=10"], ["etag", tag], ["x-turn", exchange.head.method]],
      body: "v1",
    });
  await withOrigin(handler, async ({ ask, clock }, origin) => {
    await ask("/a");
    clock.advance(20_000);
    assert.match((await ask("/a", { method: "HEAD" })).cacheStatus, /fwd=stale/);
    const renewed = await ask("/a");
    assert.match(renewed.cacheStatus, /hit; ttl=10/);
    assert.deepEqual([renewed.text, renewed.headers.get("x-turn")], ["v1", "HEAD"]);
    clock.advance(20_000);
    tag = '"v2"';
    await ask("/a", { method: "HEAD" });
    assert.match((await ask("/a")).cacheStatus, /fwd=stale/);
    assert.deepEqual(origin.heads.map(({ method }) => method), ["GET", "HEAD", "HEAD", "GET"]);
  });
});

Deno.test("a request of a user's waits for nobody, and nobody waits for it (RFC 9111 §3.5)", async () => {
  const waiting: (() => void)[] = [];
  const handler: ScriptedHandler = async (exchange) => {
    await new Promise<void>((resolve) => waiting.push(resolve));
    await exchange.reply({ fields: [["cache-control", "max-age=60"]], body: "x" });
  };
  await withOrigin(handler, async ({ ask }) => {
    const asked = ["alice", "bob", "carol"].map((user) => ask("/a", { headers: { authorization: user } }));
    while (waiting.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    waiting.forEach((go) => go());
    for (const { cacheStatus } of await Promise.all(asked)) assert.match(cacheStatus, /detail=authorization/);
  });
});

for (const vary of [null, "accept-language"]) {
  const what = vary === null ? "" : ", as a variant too";
  Deno.test(`obtain() serves nothing that an unsafe request has changed, though the store still holds it${what}`, async () => {
    const fields: [string, string][] = [["cache-control", "max-age=60"]];
    if (vary !== null) fields.push(["vary", vary]);
    await withOrigin((exchange) => exchange.reply({ fields, body: "x" }), async (inner, origin) => {
      const { services, table } = inner.entrance();
      // As a worker's that has not heard of the change yet.
      const store = new Proxy(services.store, {
        get: (target, name) => name === "delete" ? () => {} : Reflect.get(target, name).bind(target),
      });
      const ask = async (method: string) => {
        const request = new Request("http://gateway.test/a", { method, headers: { host: "gateway.test" } });
        const arrival = requestArrival(request, { connection: { peer: "192.0.2.1", scheme: "http" } });
        const reply = await handle({ services: { ...services, store }, table }, arrival);
        return (await answered(replyResponse(reply, method))).cacheStatus;
      };
      await ask("GET");
      assert.match(await ask("GET"), /hit/);
      inner.clock.advance(1_000);
      await ask("POST");
      assert.doesNotMatch(await ask("GET"), /hit/);
      assert.deepEqual(origin.heads.map(({ method }) => method), ["GET", "POST", "GET"]);
    });
  });
}
