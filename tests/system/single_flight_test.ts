import assert from "node:assert/strict";
import { startScriptedOrigin } from "../origins/scripted_origin.ts";
import { eventually } from "../eventually.ts";
import { fetched, sha256, startGateway } from "./_gateway.ts";
import { requestText } from "./_raw_client.ts";
import { openRaw } from "../raw_connection.ts";
import { startScriptedGateway } from "./_scripted_gateway.ts";
import { customPool, testConfig } from "./test_config.ts";

const LATENCY_MS = 100;
/** Requests for what is not to be shared that are answered only when so many are there at one time. */
const AT_ONCE = 16;

async function start(stack: AsyncDisposableStack) {
  const bodies = new Map<string, Uint8Array<ArrayBuffer>>([
    ["/small", new TextEncoder().encode(JSON.stringify({ id: 1, text: "x".repeat(500) }))],
    ["/large", Uint8Array.from({ length: 2 * 1024 * 1024 }, (_, index) => (index * 31 + (index >> 8)) & 0xff)],
  ]);
  let privateHeads = 0;
  const manyPrivate = Promise.withResolvers<void>();
  const origin = stack.adopt(
    await startScriptedOrigin(async (exchange) => {
      const [path = "", query = ""] = exchange.head.target.split("?");
      const isPrivate = query.startsWith("private");
      if (isPrivate && ++privateHeads > AT_ONCE) manyPrivate.resolve();
      // The first one tells that the others need not wait for each other.
      await (isPrivate && privateHeads > 1 ? manyPrivate.promise : exchange.wait(LATENCY_MS));
      const control = isPrivate ? "private, max-age=60" : "max-age=60";
      if (query.startsWith("chunked")) return await replyChunked(exchange.write.bind(exchange), bodies.get(path)!);
      await exchange.reply({ fields: [["cache-control", control]], body: bodies.get(path)! });
    }),
    (running) => running.close(),
  );
  const gateway = stack.adopt(
    await startGateway({
      config: (places) =>
        testConfig(places, {
          pools: { any: customPool([origin.url]) },
          listeners: [{ name: "any", prefix: "/", pool: "any" }],
        }),
    }),
    (running) => running.close(),
  );
  return { origin, gateway, bodies };
}

async function replyChunked(write: (bytes: string | Uint8Array) => Promise<void>, body: Uint8Array): Promise<void> {
  await write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncache-control: max-age=60\r\n\r\n");
  for (let at = 0; at < body.length; at += 65_536) {
    const part = body.subarray(at, at + 65_536);
    await write(`${part.length.toString(16)}\r\n`);
    await write(part);
    await write("\r\n");
  }
  await write("0\r\n\r\n");
}

Deno.test("sixty-four requests for one cold key reach the origin once", async (t) => {
  await using stack = new AsyncDisposableStack();
  const { origin, gateway, bodies } = await start(stack);
  const askAll = (path: string, headers: Record<string, string> = {}) =>
    Promise.all(Array.from({ length: 64 }, () => fetched(gateway.url + path, { headers })));

  for (const path of ["/small?1", "/small?2", "/small?chunked", "/large?1", "/large?2", "/large?chunked"]) {
    await t.step(path, async () => {
      const responses = await askAll(path);
      const expected = await sha256(bodies.get(path.split("?")[0]!)!);
      const hashes = await Promise.all(responses.map(({ bytes }) => sha256(bytes)));
      assert.deepEqual([...new Set(hashes)], [expected]);
      assert.deepEqual([...new Set(responses.map(({ status }) => status))], [200]);
      assert.equal(origin.heads.filter(({ target }) => target === path).length, 1);
      await eventually("both workers have served", async () => {
        const { workers } = await gateway.status();
        return workers.slice(0, 2).every(({ requests }) => requests > 0);
      });
    });
  }

  await t.step("responses that must not be shared are not waited for one after the other", async () => {
    const responses = await askAll("/small?private");
    assert.deepEqual([...new Set(responses.map(({ status }) => status))], [200]);
    assert.equal(origin.heads.filter(({ target }) => target === "/small?private").length, 64);
  });
  assert.deepEqual(origin.failures, []);
});

Deno.test("all who wait for a fetch that fails are told so, as what it is", async () => {
  await using stack = new AsyncDisposableStack();
  const { origin, gateway } = await start(stack);
  origin.handle(async (exchange) => {
    await exchange.wait(LATENCY_MS);
    exchange.reset();
  });
  const responses = await Promise.all(Array.from({ length: 64 }, () => fetched(`${gateway.url}/small?reset`)));
  assert.deepEqual([...new Set(responses.map(({ status }) => status))], [502]);
  assert.doesNotMatch(gateway.log(), /A request failed inside the gateway/);
});

Deno.test("a client that leaves before the upstream answers ends the fetch, where background_fill is off", async () => {
  await using stack = new AsyncDisposableStack();
  const { origin, gateway } = await startScriptedGateway(
    stack,
    (exchange) => exchange.hang(),
    () => ({ cache: { background_fill: false } }),
  );
  const clients = await Promise.all(Array.from({ length: 20 }, () => openRaw(gateway.port)));
  for (const [n, client] of clients.entries()) client.send(requestText(`GET /${n}`));
  await eventually("the upstream is asked", () => origin.open === 20);
  for (const client of clients) client.close();
  await eventually("the upstream's connections end", () => origin.open === 0);
  await eventually("nothing is under way", async () => {
    const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
    const counts = [...text.matchAll(/^usher_(?:upstream_in_flight|connections)\{.*\} (\d+)$/gm)].map(([, count]) =>
      count
    );
    return counts.length > 0 && counts.every((count) => count === "0");
  });
});
