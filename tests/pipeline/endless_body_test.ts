import assert from "node:assert/strict";
import type { ScriptedExchange, ScriptedHandler } from "../origins/scripted_origin.ts";
import { eventually, type InProcessGateway, withOrigin } from "./in_process_gateway.ts";

const MINUTE_MS = 60_000;

function head(fields: string, framing: string): string {
  return `HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\n${fields}\r\n${framing}\r\n\r\n`;
}

function chunk(bytes: number): string {
  return `${bytes.toString(16)}\r\n${"x".repeat(bytes)}\r\n`;
}

/** A body that begins with a chunk and goes on when the test says so, for as long as somebody listens. */
function trickling(fields = "content-type: text/plain", framing = "transfer-encoding: chunked") {
  const exchanges: ScriptedExchange[] = [];
  const isChunked = framing.startsWith("transfer");
  const piece = isChunked ? chunk(1_000) : "x".repeat(1_000);
  const handler: ScriptedHandler = async (exchange) => {
    await exchange.write(head(fields, framing) + piece);
    exchanges.push(exchange);
    await exchange.left;
  };
  const more = () => Promise.all(exchanges.map((exchange) => exchange.write(piece)));
  return { handler, exchanges, more };
}

/** Until the origin's connections end, it says more now and then. */
async function untilGone(what: string, origin: { readonly open: number }, more: () => Promise<unknown>): Promise<void> {
  const untilMs = performance.now() + 60_000;
  while (origin.open > 0) {
    assert.ok(performance.now() < untilMs, `${what}: ${origin.open} connections are still open`);
    await more();
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

async function begun(gateway: InProcessGateway, target: string) {
  const reader = (await gateway.send(target)).body!.getReader();
  await reader.read();
  return reader;
}

Deno.test("ReservedCopy reserves what has come: many chunked bodies at once are all stored", () => {
  const count = 24;
  const { promise, resolve: goOn } = Promise.withResolvers<void>();
  return withOrigin(async (exchange) => {
    await exchange.write(head("content-type: application/json", "transfer-encoding: chunked") + chunk(1_000));
    await promise;
    await exchange.write(`${chunk(1_000)}0\r\n\r\n`);
  }, async (gateway, origin) => {
    const responses = await Promise.all(Array.from({ length: count }, (_, at) => gateway.send(`/${at}`)));
    const { budget } = gateway.gateway.services;
    assert.ok(budget.usedBytes <= count * 2_000, String(budget.usedBytes));
    goOn();
    for (const response of responses) assert.equal((await response.arrayBuffer()).byteLength, 2_000);
    await gateway.idle();
    for (let at = 0; at < count; at++) assert.match((await gateway.ask(`/${at}`)).cacheStatus, /hit/);
    assert.equal(origin.heads.length, count);
    assert.equal(budget.usedBytes, 0);
  });
});

for (
  const type of [
    "text/event-stream",
    "Text/Event-Stream; charset=utf-8",
    "multipart/x-mixed-replace; boundary=frame",
    "application/grpc",
    "application/grpc-web+proto",
  ]
) {
  Deno.test(`a body of type ${type} is nobody's to wait for, and ends with its client`, () => {
    const { handler, exchanges, more } = trickling(`content-type: ${type}`);
    return withOrigin(handler, async (gateway, origin) => {
      const { budget, collapse } = gateway.gateway.services;
      const readers = await Promise.all(Array.from({ length: 4 }, () => begun(gateway, "/stream")));
      assert.equal(exchanges.length, 4, "each has one of its own");
      assert.deepEqual([budget.usedBytes, collapse.size], [0, 0]);
      for (const reader of readers) await reader.cancel();
      await untilGone(type, origin, more);
    });
  });
}

Deno.test("who asks for events alone waits for nobody's fetch", () => {
  const { promise, resolve: goOn } = Promise.withResolvers<void>();
  return withOrigin(async (exchange) => {
    await promise;
    await exchange.write(head("content-type: text/event-stream", "transfer-encoding: chunked") + chunk(10));
    await exchange.left;
  }, async (gateway, origin) => {
    const asked = Array.from(
      { length: 3 },
      () => gateway.send("/stream", { headers: { accept: "text/event-stream" } }),
    );
    await eventually("all three have asked", () => origin.heads.length === 3);
    goOn();
    for (const response of await Promise.all(asked)) await response.body!.cancel();
  });
});

Deno.test("a body of unknown length that goes on for longer than fill_timeout is not held, by copy or by followers", () => {
  const { handler, exchanges, more } = trickling();
  return withOrigin(handler, async (gateway, origin) => {
    const { budget, collapse } = gateway.gateway.services;
    const reader = await begun(gateway, "/a");
    assert.equal(budget.usedBytes, 1_000);
    const follower = gateway.send("/a");
    gateway.clock.advance(3 * MINUTE_MS);
    await more();
    await reader.read();
    assert.deepEqual([budget.usedBytes, collapse.size], [0, 0]);
    const followed = (await follower).body!.getReader();
    await followed.read();
    // Whoever comes now has no need to wait to find out.
    const third = await begun(gateway, "/a");
    assert.equal(exchanges.length, 3);
    for (const each of [reader, followed, third]) await each.cancel();
    await untilGone("endless", origin, more);
  });
});

Deno.test("who comes while a body goes on for longer than collapse_timeout waits no more for it, and it is kept all the same", () => {
  const { handler, exchanges, more } = trickling();
  return withOrigin(handler, async (gateway) => {
    const reader = await begun(gateway, "/a");
    gateway.clock.advance(6_000);
    await more();
    await reader.read();
    assert.ok(gateway.gateway.services.budget.usedBytes > 0, "it may still end in time");
    const second = await begun(gateway, "/a");
    assert.equal(exchanges.length, 2);
    await second.cancel();
    await exchanges[0]!.write("0\r\n\r\n");
    while (!(await reader.read()).done);
    await gateway.idle();
    assert.match((await gateway.ask("/a")).cacheStatus, /hit/);
  }, { cache: { collapse_timeout: "5s" } });
});

for (const framing of ["transfer-encoding: chunked", "content-length: 900000"]) {
  Deno.test(`a body whose clients have left is fetched for no longer than fill_timeout (${framing})`, () => {
    const { handler, more } = trickling(undefined, framing);
    return withOrigin(handler, async (gateway, origin) => {
      const reader = await begun(gateway, "/a");
      await reader.cancel();
      await more();
      assert.equal(origin.open, 1, "the cache may still want it");
      gateway.clock.advance(3 * MINUTE_MS);
      await untilGone(framing, origin, more);
      await gateway.idle();
      assert.equal(gateway.gateway.services.budget.usedBytes, 0);
    });
  });
}

/** Ways in which a body is fetched for the cache: read whole, of a stated length, or copied as it is sent. */
const FETCHED = ["content-length: 100000", "content-length: 900000", "transfer-encoding: chunked"];

for (const framing of FETCHED) {
  Deno.test(`a body that drips once its client has left is given up long before fill_timeout (${framing})`, () => {
    const { handler, exchanges } = trickling(undefined, framing);
    const piece = framing.startsWith("transfer") ? chunk(10) : "x".repeat(10);
    return withOrigin(handler, async (gateway, origin) => {
      const client = new AbortController();
      const asked = fetch(`${await gateway.serve()}/a`, { signal: client.signal }).catch(() => null);
      await eventually("it is asked for", () => exchanges.length === 1);
      client.abort();
      await asked;
      for (let drops = 0; origin.open > 0; drops++) {
        assert.ok(drops < 2_000, "the connection is still open");
        // No more than a second in all that the gateway may take to see it: far from the time of fill_timeout.
        gateway.clock.advance(drops < 10 ? 0 : 500);
        await exchanges[0]!.write(piece);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      await gateway.idle();
      assert.equal(gateway.gateway.services.budget.usedBytes, 0);
    }, { cache: { fill_timeout: "1h" } });
  });
}

for (const framing of FETCHED) {
  Deno.test(`a body that comes in at a fair rate is stored though its client has left (${framing})`, () => {
    const { handler, exchanges, more } = trickling(undefined, framing);
    return withOrigin(handler, async (gateway, origin) => {
      const client = new AbortController();
      const url = `${await gateway.serve()}/a`;
      const asked = fetch(url, { signal: client.signal }).catch(() => null);
      await eventually("it is asked for", () => exchanges.length === 1);
      client.abort();
      await asked;
      for (let pieces = 1; pieces < 100; pieces++) {
        gateway.clock.advance(100);
        await more();
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      const rest = framing.startsWith("transfer") ? "0\r\n\r\n" : "x".repeat(Number(framing.split(" ")[1]) - 100_000);
      if (rest !== "") await exchanges[0]!.write(rest);
      await gateway.idle();
      await eventually("it is stored", () => gateway.gateway.services.budget.usedBytes === 0);
      const again = await fetch(url);
      await again.body?.cancel();
      assert.match(again.headers.get("cache-status")!, /hit/);
      assert.equal(origin.heads.length, 1);
    });
  });
}

Deno.test("a client that goes on reading gets a large body, however long it takes", () => {
  const { promise, resolve: goOn } = Promise.withResolvers<void>();
  return withOrigin(async (exchange) => {
    await exchange.write(head("content-type: text/plain", "content-length: 300000") + "x".repeat(1_000));
    await promise;
    await exchange.write("x".repeat(1_000));
    await exchange.write("x".repeat(298_000));
  }, async (gateway) => {
    const response = await gateway.send("/a");
    gateway.clock.advance(10 * MINUTE_MS);
    goOn();
    assert.equal((await response.arrayBuffer()).byteLength, 300_000);
    await gateway.idle();
  });
});

Deno.test("a body of unknown length that is over max_entry ends with its client", () => {
  const { handler, exchanges, more } = trickling();
  return withOrigin(handler, async (gateway, origin) => {
    const reader = await begun(gateway, "/a");
    await exchanges[0]!.write(chunk(9_000));
    for (let bytes = 1_000; bytes < 10_000;) bytes += (await reader.read()).value!.length;
    assert.equal(gateway.gateway.services.budget.usedBytes, 0);
    await reader.cancel();
    await untilGone("too large", origin, more);
  }, { cache: { max_entry: "8KiB" } });
});

Deno.test("a document that is read whole and does not end is passed on after fill_timeout, and ends with its client", () => {
  const { handler, more } = trickling("content-type: application/json");
  return withOrigin(handler, async (gateway, origin) => {
    const { budget } = gateway.gateway.services;
    const response = gateway.send("/3/movie/550");
    await eventually("its beginning is held", () => budget.usedBytes > 0);
    gateway.clock.advance(3 * MINUTE_MS);
    await more();
    const { headers, body } = await response;
    assert.match(headers.get("cache-status")!, /detail=too-slow/);
    assert.equal(budget.usedBytes, 0);
    await body!.cancel();
    await untilGone("document", origin, more);
  }, { pool: { type: "tmdb-api", key_mode: "pass" } });
});

for (const background_fill of [true, false]) {
  Deno.test(`who has read a range of a body holds it no more (background_fill: ${background_fill})`, () => {
    const { handler, more } = trickling(undefined, "content-length: 900000");
    return withOrigin(handler, async (gateway, origin) => {
      const reader = await begun(gateway, "/a");
      const part = await gateway.ask("/a", { headers: { range: "bytes=0-99" } });
      assert.deepEqual([part.status, part.text.length, origin.heads.length], [206, 100, 1]);
      await reader.cancel();
      if (background_fill) gateway.clock.advance(3 * MINUTE_MS);
      await untilGone("range", origin, more);
      await gateway.idle();
    }, { cache: { background_fill }, listeners: [{ name: "l", pool: "p", cache: { range: "fetch-full" } }] });
  });
}

Deno.test("a client that leaves while a document comes in does not keep the next ones from storing it", () => {
  const { handler, exchanges, more } = trickling("content-type: application/json");
  return withOrigin(handler, async (gateway, origin) => {
    const client = new AbortController();
    const asked = fetch(`${await gateway.serve()}/3/movie/550`, { signal: client.signal }).catch(() => null);
    await eventually("its beginning is held", () => gateway.gateway.services.budget.usedBytes > 0);
    client.abort();
    await asked;
    await untilGone("document", origin, more);
    const next = gateway.ask("/3/movie/550");
    await eventually("it is asked for once more", () => exchanges.length === 2);
    await exchanges[1]!.write("0\r\n\r\n");
    assert.match((await next).cacheStatus, /stored/);
  }, {
    pool: { type: "tmdb-api", key_mode: "pass", content_types: { allow: ["application/json"], verify: [] } },
    cache: { background_fill: false },
  });
});
