import assert from "node:assert/strict";
import type { ScriptedHandler } from "../origins/scripted_origin.ts";
import { sentField, withOrigin } from "./in_process_gateway.ts";

const BODY = "0123456789".repeat(10);

/** Answers ranges as `bytes=a-b`; all else whole. */
const ranged: ScriptedHandler = (exchange) => {
  const range = exchange.head.fields.find(([name]) => name === "range")?.[1];
  const [, from = "", to = ""] = /^bytes=(\d+)-(\d*)$/.exec(range ?? "") ?? [];
  const fields: [string, string][] = [["cache-control", "max-age=60"], ["etag", '"v1"']];
  if (from === "") return exchange.reply({ fields, body: BODY });
  const last = to === "" ? BODY.length - 1 : Number(to);
  fields.push(["content-range", `bytes ${from}-${last}/${BODY.length}`]);
  return exchange.reply({ status: 206, fields, body: BODY.slice(Number(from), last + 1) });
};

Deno.test("a part answers the same range and those within it, and nothing else (RFC 9111 §3.3)", () =>
  withOrigin(ranged, async (gateway, origin) => {
    const ask = (range: string, more: Record<string, string> = {}) =>
      gateway.ask("/a", { headers: { range, ...more } });
    assert.equal((await ask("bytes=10-19")).text, BODY.slice(10, 20));
    await gateway.idle();
    for (const [range, from, to] of [["bytes=10-19", 10, 20], ["bytes=12-14", 12, 15]] as const) {
      const hit = await ask(range);
      assert.deepEqual([hit.status, hit.text], [206, BODY.slice(from, to)]);
      assert.equal(hit.headers.get("content-range"), `bytes ${from}-${to - 1}/100`);
      assert.equal(hit.headers.get("content-length"), String(to - from));
      assert.match(hit.cacheStatus, /hit/);
    }
    assert.equal(origin.heads.length, 1);
    for (const range of ["bytes=15-25", "bytes=5-12"]) assert.match((await ask(range)).cacheStatus, /fwd=/);
    assert.match((await ask("bytes=5-12", { "if-range": '"other"' })).cacheStatus, /fwd=/);
    assert.equal(origin.heads.length, 4);
    // The whole is not there: a part is never served as it, nor put over it.
    assert.equal((await gateway.ask("/a")).text, BODY);
    assert.equal((await ask("bytes=90-99")).text, BODY.slice(90));
    assert.equal(origin.heads.length, 5);
  }));

Deno.test("a part goes with the target when that is changed, and stale ones are not used", () =>
  withOrigin(ranged, async (gateway, origin) => {
    const ask = () => gateway.ask("/a", { headers: { range: "bytes=0-4" } });
    await ask();
    await gateway.idle();
    gateway.clock.advance(10);
    await gateway.ask("/a", { method: "PUT", body: "x" });
    assert.match((await ask()).cacheStatus, /fwd=/);
    await gateway.idle();
    assert.match((await ask()).cacheStatus, /hit/);
    gateway.clock.advance(61_000);
    assert.match((await ask()).cacheStatus, /fwd=/);
    assert.equal(origin.heads.length, 4);
  }));

Deno.test("range: pass with a listener in mode ttl keeps no parts", () =>
  withOrigin(ranged, async (gateway, origin) => {
    for (let round = 0; round < 2; round++) {
      await gateway.ask("/a", { headers: { range: "bytes=0-4" } });
      await gateway.idle();
    }
    assert.equal(origin.heads.length, 2);
  }, { listeners: [{ name: "l", pool: "p", cache: { mode: "ttl", rules: [{ ttl: "1m" }], range: "pass" } }] }));

Deno.test("range: fetch-full fetches and stores the whole, and serves the range of it", () =>
  withOrigin(ranged, async (gateway, origin) => {
    const ask = (range: string) => gateway.ask("/a", { headers: { range } });
    const first = await ask("bytes=10-19");
    assert.deepEqual([first.status, first.text], [206, BODY.slice(10, 20)]);
    assert.equal(sentField(origin, "range"), null);
    assert.deepEqual([(await ask("bytes=-3")).text, (await gateway.ask("/a")).text], ["789", BODY]);
    assert.equal(origin.heads.length, 1);
  }, { listeners: [{ name: "l", pool: "p", cache: { range: "fetch-full" } }] }));

Deno.test("range: fetch-full passes a range on where the whole cannot be stored", () => {
  const handler: ScriptedHandler = (exchange) => {
    if (exchange.head.target === "/large") return ranged(exchange);
    const fields: [string, string][] = [["cache-control", "no-store"]];
    if (!exchange.head.fields.some(([name]) => name === "range")) return exchange.reply({ fields, body: BODY });
    fields.push(["content-range", "bytes 0-1/100"]);
    return exchange.reply({ status: 206, fields, body: "01" });
  };
  return withOrigin(handler, async (gateway, origin) => {
    for (const target of ["/no-store", "/large"]) {
      const before = origin.heads.length;
      for (let round = 0; round < 3; round++) {
        const answer = await gateway.ask(target, { headers: { range: "bytes=0-1" } });
        assert.deepEqual([answer.status, answer.text], [206, "01"], target);
      }
      // Once for the whole, which was of no use; then each for itself.
      assert.equal(origin.heads.length - before, 4, target);
    }
  }, { cache: { max_entry: "50B" }, listeners: [{ name: "l", pool: "p", cache: { range: "fetch-full" } }] });
});

Deno.test("range: fetch-full serves a range of a large body while the rest is still coming, and stores the whole", async () => {
  const large = "0123456789".repeat(50_000);
  let goOn = () => {};
  const handler: ScriptedHandler = async (exchange) => {
    await exchange.write(
      `HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: ${large.length}\r\n\r\n${large.slice(0, 1_000)}`,
    );
    await new Promise<void>((resolve) => goOn = resolve);
    await exchange.write(large.slice(1_000));
  };
  await withOrigin(handler, async (gateway, origin) => {
    const early = await gateway.ask("/a", { headers: { range: "bytes=500-599" } });
    assert.deepEqual([early.status, early.text], [206, large.slice(500, 600)]);
    assert.equal(early.headers.get("content-range"), `bytes 500-599/${large.length}`);
    assert.equal(early.headers.get("content-length"), "100");
    goOn();
    await gateway.idle();
    assert.equal((await gateway.ask("/a", { headers: { range: "bytes=-5" } })).text, "56789");
    assert.equal((await gateway.ask("/a")).text, large);
    assert.equal(origin.heads.length, 1);
  }, { listeners: [{ name: "l", pool: "p", cache: { range: "fetch-full" } }] });
});
