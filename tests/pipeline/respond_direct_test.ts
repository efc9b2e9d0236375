import assert from "node:assert/strict";
import { eventually, withOrigin } from "./in_process_gateway.ts";

Deno.test("respondDirect() passes an answer on as it came, repeated fields included", () =>
  withOrigin(
    (exchange) =>
      exchange.reply({
        status: 418,
        fields: [["set-cookie", "a=1"], ["set-cookie", "b=2"], ["x-own", "caf\xe9"]],
        body: "tea",
      }),
    async (gateway) => {
      const answer = await gateway.ask("/a", { method: "POST" });
      assert.deepEqual([answer.status, answer.text, answer.headers.getSetCookie()], [418, "tea", ["a=1", "b=2"]]);
      assert.equal(answer.headers.get("x-own"), "caf\xe9");
      assert.equal(answer.headers.get("age"), null);
      await gateway.idle();
      assert.equal(gateway.access()[0]!["bytes"], 3);
    },
  ));

Deno.test("respondDirect() gives the connection back where there is no content, and is done at once", () =>
  withOrigin(async (exchange) => {
    await exchange.write(
      `HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n${exchange.head.method === "HEAD" ? "" : "hello"}`,
    );
  }, async (gateway, origin) => {
    for (let turn = 0; turn < 3; turn++) {
      const head = await gateway.send("/a", { method: "HEAD" });
      assert.equal(head.body, null);
      assert.equal(head.headers.get("content-length"), "5");
      await gateway.idle();
    }
    assert.equal(origin.connections, 1);
  }));

Deno.test("respondDirect() gives the body up when the client leaves, and takes no blame for it", () =>
  withOrigin(async (exchange) => {
    await exchange.write("HTTP/1.1 200 OK\r\ncache-control: no-store\r\ncontent-length: 10\r\n\r\nhalf");
    await exchange.hang();
  }, async (gateway, origin) => {
    const unread = await gateway.send("/a");
    await unread.body!.cancel();
    const begun = (await gateway.send("/a")).body!.getReader();
    await begun.read();
    begun.read().catch(() => {});
    await begun.cancel();
    await eventually("the connections are closed", () => origin.open === 0);
    await gateway.idle();
    assert.deepEqual(gateway.gateway.counts.upstreams["p"]![origin.url]!.outcomes, { cancelled: 2 });
    assert.deepEqual(gateway.access().map(({ status }) => status), [499, 499]);
  }));
