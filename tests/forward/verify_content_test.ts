import assert from "node:assert/strict";
import type { ScriptedHandler } from "../origins/scripted_origin.ts";
import { plainParts, withGateway, withOrigins } from "../pipeline/in_process_gateway.ts";

const JPEG = Uint8Array.from([0xff, 0xd8, 0xff, 0xe0, ...new Array(1_000).fill(7)]);
const PAGE = "<!doctype html><title>Blocked</title>";
const IMAGES = { content_types: { allow: ["image/*"] } };

function says(type: string, body: string | Uint8Array): ScriptedHandler {
  return (exchange) => exchange.reply({ fields: [["content-type", type], ["cache-control", "max-age=60"]], body });
}

Deno.test("verifiedResponse() takes a page that calls itself an image for a failed try, and stores nothing of it", () =>
  withOrigins(
    [says("image/jpeg", PAGE), says("image/jpeg", JPEG)],
    (bad, good) =>
      withGateway(plainParts([bad!.url, good!.url], { pool: IMAGES }), async ({ send, gateway, ask }) => {
        const first = await send("/a.jpg");
        assert.deepEqual(new Uint8Array(await first.arrayBuffer()), JPEG);
        assert.match((await ask("/a.jpg")).cacheStatus, /hit/);
        assert.equal(bad!.heads.length, 1);
        assert.deepEqual({ ...gateway.counts.upstreams["p"]![bad!.url]!.outcomes }, { failed: 1 });
      }),
  ));

Deno.test("verifiedResponse() answers 502 where no upstream has an image, and asks again next time", () =>
  withOrigins(
    [says("image/png", PAGE)],
    (bad) =>
      withGateway(plainParts([bad!.url], { pool: IMAGES }), async ({ ask }) => {
        for (let turn = 1; turn <= 2; turn++) {
          const answer = await ask("/a.png");
          assert.equal(answer.status, 502);
          assert.match(answer.headers.get("proxy-status")!, /upstream_wrong_content/);
          assert.ok(!answer.text.includes("Blocked"));
          assert.equal(bad!.heads.length, turn);
        }
      }),
  ));

Deno.test("verifiedResponse() passes images on byte by byte: whole, in pieces, large, tiny and without a length", () =>
  withOrigins(
    [async (exchange) => {
      const { target } = exchange.head;
      if (target === "/tiny") return await exchange.reply({ fields: [["content-type", "image/gif"]], body: "GIF89a" });
      const body = target === "/large" ? new Uint8Array(700_000).fill(1) : new Uint8Array(3_000).fill(2);
      body.set(JPEG.subarray(0, 4));
      if (target !== "/chunked") return await exchange.reply({ fields: [["content-type", "image/jpeg"]], body });
      await exchange.write("HTTP/1.1 200 OK\r\ncontent-type: image/jpeg\r\ntransfer-encoding: chunked\r\n\r\n");
      for (const [from, to] of [[0, 2], [2, 5], [5, 3_000]] as const) {
        await exchange.write(`${(to - from).toString(16)}\r\n`);
        await exchange.write(body.slice(from, to));
        await exchange.write("\r\n");
        await exchange.wait(10);
      }
      await exchange.write("0\r\n\r\n");
    }],
    (origin) =>
      withGateway(plainParts([origin!.url], { pool: IMAGES }), async ({ send }) => {
        for (
          const [target, length] of [["/whole", 3_000], ["/chunked", 3_000], ["/large", 700_000], ["/tiny", 6]] as const
        ) {
          const response = await send(target);
          assert.equal(response.status, 200);
          assert.equal((await response.arrayBuffer()).byteLength, length, target);
        }
      }),
  ));

Deno.test("verifiedResponse() finds a page where JSON is due, and lets a general pool carry what it likes", () =>
  withOrigins([says("application/json", PAGE)], async (origin) => {
    await withGateway(
      plainParts([origin!.url], { pool: { content_types: { allow: ["application/json"] } } }),
      async ({ ask }) => assert.equal((await ask("/a")).status, 502),
    );
    await withGateway(plainParts([origin!.url]), async ({ ask }) => assert.equal((await ask("/a")).text, PAGE));
  }));

Deno.test("verifiedResponse() takes a body that breaks off before its signature for a failed try", () =>
  withOrigins(
    [async (exchange) => {
      await exchange.write("HTTP/1.1 200 OK\r\ncontent-type: image/jpeg\r\ncontent-length: 5000\r\n\r\n\xff\xd8");
      exchange.reset();
    }, says("image/jpeg", JPEG)],
    (broken, good) =>
      withGateway(plainParts([broken!.url, good!.url], { pool: IMAGES }), async ({ send }) => {
        const response = await send("/a.jpg");
        assert.deepEqual(new Uint8Array(await response.arrayBuffer()), JPEG);
      }),
  ));
