import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { ScriptedExchange } from "../origins/scripted_origin.ts";
import { answered, eventually, withOrigin } from "./in_process_gateway.ts";

const LARGE_BYTES = 600_000;
const large = Uint8Array.from({ length: LARGE_BYTES }, (_, index) => index * 31 % 251);
const hashOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const LARGE_HASH = hashOf(large);

/** A response head, and the first half of the large body; the rest when the test says so. */
async function begin(exchange: ScriptedExchange, framing: "length" | "chunked"): Promise<void> {
  const field = framing === "length" ? `content-length: ${LARGE_BYTES}` : "transfer-encoding: chunked";
  await exchange.write(`HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\n${field}\r\n\r\n`);
  await send(exchange, framing, large.subarray(0, LARGE_BYTES / 2));
}

async function complete(exchange: ScriptedExchange, framing: "length" | "chunked"): Promise<void> {
  await send(exchange, framing, large.subarray(LARGE_BYTES / 2));
  if (framing === "chunked") await exchange.write("0\r\n\r\n");
}

async function send(exchange: ScriptedExchange, framing: "length" | "chunked", bytes: Uint8Array): Promise<void> {
  if (framing === "chunked") await exchange.write(`${bytes.length.toString(16)}\r\n`);
  await exchange.write(bytes);
  if (framing === "chunked") await exchange.write("\r\n");
}

/** An origin that sends half of the large body, and the rest once `goOn` was called. */
function halting(framing: "length" | "chunked") {
  const { promise, resolve } = Promise.withResolvers<void>();
  const handler = async (exchange: ScriptedExchange) => {
    await begin(exchange, framing);
    await Promise.race([promise, exchange.left]);
    await complete(exchange, framing);
  };
  return { handler, goOn: resolve };
}

async function wholeOf(response: Response): Promise<string> {
  return hashOf(new Uint8Array(await response.arrayBuffer()));
}

Deno.test("storeResponse() answers a small body from one array, and stores it", () =>
  withOrigin(
    (exchange) => exchange.reply({ fields: [["cache-control", "max-age=60"], ["etag", '"1"']], body: "small" }),
    async ({ ask }, origin) => {
      const first = await ask("/a");
      assert.equal(first.headers.get("content-length"), "5");
      assert.equal((await ask("/a")).text, "small");
      assert.equal(origin.heads.length, 1);
    },
  ));

for (const framing of ["length", "chunked"] as const) {
  Deno.test(`storeResponse() passes a large body on before all of it is there, and stores it (${framing})`, () => {
    const { handler, goOn } = halting(framing);
    return withOrigin(handler, async (gateway, origin) => {
      const response = await gateway.send("/a");
      const reader = response.body!.getReader();
      const { value } = await reader.read();
      assert.ok(value!.length > 0 && value!.length <= LARGE_BYTES / 2);
      reader.releaseLock();
      goOn();
      let bytes = value!.length;
      for await (const chunk of response.body!) bytes += chunk.length;
      assert.equal(bytes, LARGE_BYTES);
      await gateway.idle();
      const hit = await gateway.send("/a");
      assert.match(hit.headers.get("cache-status")!, /hit/);
      assert.equal(hit.headers.get("content-length"), String(LARGE_BYTES));
      assert.equal(await wholeOf(hit), LARGE_HASH);
      assert.equal(origin.heads.length, 1);
      assert.deepEqual(gateway.results(), { hit_memory: 1, miss: 1 });
    });
  });

  for (const reading of [true, false]) {
    const when = reading ? "while it waits for more" : "before it has read anything";
    Deno.test(`storeResponse() fills the cache for a client that leaves ${when} (${framing})`, () => {
      const { handler, goOn } = halting(framing);
      return withOrigin(handler, async (gateway, origin) => {
        const response = await gateway.send("/a");
        await leave(response, reading);
        goOn();
        await gateway.idle();
        assert.equal(await wholeOf(await gateway.send("/a")), LARGE_HASH);
        assert.equal(origin.heads.length, 1);
        assert.deepEqual(gateway.gateway.counts.listeners["l"]!.byClass, [1, 0, 1, 0, 0, 0]);
        assert.equal(gateway.access()[0]!["status"], 499);
      });
    });

    Deno.test(`storeResponse() gives the body up when the client leaves ${when} and background_fill is off (${framing})`, () =>
      withOrigin(async (exchange) => {
        await begin(exchange, framing);
        await exchange.hang();
      }, async (gateway, origin) => {
        await leave(await gateway.send("/a"), reading);
        await eventually("the origin's connection is closed", () => origin.open === 0);
        await gateway.idle();
        assert.deepEqual({ ...gateway.gateway.counts.upstreams["p"]![origin.url]!.outcomes }, { cancelled: 1 });
        origin.handle((exchange) => exchange.reply({ body: "again" }));
        assert.equal((await gateway.ask("/a")).text, "again");
      }, { cache: { background_fill: false } }));
  }

  Deno.test(`storeResponse() stores nothing of a body that breaks off, and the client sees that it did (${framing})`, () => {
    const { promise, resolve: cut } = Promise.withResolvers<void>();
    return withOrigin(async (exchange) => {
      await begin(exchange, framing);
      await promise;
      exchange.reset();
    }, async (gateway, origin) => {
      const response = await gateway.send("/a");
      cut();
      await assert.rejects(response.arrayBuffer());
      await gateway.idle();
      assert.deepEqual({ ...gateway.gateway.counts.upstreams["p"]![origin.url]!.outcomes }, { unreachable: 1 });
      assert.equal(gateway.access()[0]!["error"], "body_broke_off");
      origin.handle((exchange) => exchange.reply({ body: "again" }));
      assert.equal((await gateway.ask("/a")).text, "again");
    });
  });

  Deno.test(`storeResponse() passes a body on that is over max_entry, and stores nothing (${framing})`, () =>
    withOrigin(async (exchange) => {
      await begin(exchange, framing);
      await complete(exchange, framing);
    }, async (gateway, origin) => {
      for (let turn = 0; turn < 2; turn++) assert.equal(await wholeOf(await gateway.send("/a")), LARGE_HASH);
      assert.equal(origin.heads.length, 2);
    }, { cache: { max_entry: "500KiB" } }));
}

for (const framing of ["length"] as const) {
  Deno.test(`storeResponse() stores nothing while the fill memory is in use, and serves all the same (${framing})`, () => {
    const { handler, goOn } = halting(framing);
    return withOrigin(handler, async (gateway, origin) => {
      const first = await gateway.send("/first");
      const second = await gateway.send("/second");
      assert.match(second.headers.get("cache-status")!, /detail=fill-memory-full/);
      goOn();
      assert.deepEqual(await Promise.all([wholeOf(first), wholeOf(second)]), [LARGE_HASH, LARGE_HASH]);
      await gateway.idle();
      assert.equal(origin.heads.length, 2);
      assert.match((await gateway.ask("/first")).cacheStatus, /hit/);
      assert.match((await gateway.ask("/second")).cacheStatus, /stored/);
    }, { cache: { fill_memory: "1MiB", max_entry: "1MiB" } });
  });
}

Deno.test("storeResponse() drops what it copies when the fill memory is full, and serves all the same (chunked)", () => {
  const { promise, resolve: end } = Promise.withResolvers<void>();
  return withOrigin(async (exchange) => {
    await begin(exchange, "chunked");
    await send(exchange, "chunked", large.subarray(LARGE_BYTES / 2));
    await Promise.race([promise, exchange.left]);
    await exchange.write("0\r\n\r\n");
  }, async (gateway) => {
    const responses = await Promise.all(["/first", "/second"].map((target) => gateway.send(target)));
    // All bytes of both have come, and neither has ended: they do not fit together.
    const hashes = await Promise.all(responses.map(async ({ body }) => {
      const hash = createHash("sha256");
      const reader = body!.getReader();
      for (let bytes = 0; bytes < LARGE_BYTES;) {
        const { value } = await reader.read();
        hash.update(value!);
        bytes += value!.length;
      }
      return { reader, hash: hash.digest("hex") };
    }));
    end();
    for (const { reader, hash } of hashes) {
      assert.equal((await reader.read()).done, true);
      assert.equal(hash, LARGE_HASH);
    }
    await gateway.idle();
    assert.equal(gateway.gateway.services.store.stats().memory.entries, 1);
  }, { cache: { fill_memory: "1MiB", max_entry: "1MiB" } });
});

for (const framing of ["length", "chunked"] as const) {
  Deno.test(`storeResponse() gives joined requests the same whole body (${framing})`, () => {
    const { handler, goOn } = halting(framing);
    return withOrigin(handler, async (gateway, origin) => {
      const leader = gateway.send("/a");
      const followers = Array.from({ length: 5 }, () => gateway.send("/a"));
      const hashes = Promise.all([leader, ...followers].map(async (response) => wholeOf(await response)));
      await eventually("the origin was asked", () => origin.heads.length === 1);
      goOn();
      assert.deepEqual(new Set(await hashes), new Set([LARGE_HASH]));
      assert.equal(origin.heads.length, 1);
      assert.deepEqual(gateway.results(), { collapsed: 5, miss: 1 });
    });
  });
}

/** The client goes away: while a read is under way, or before any. */
async function leave(response: Response, reading: boolean): Promise<void> {
  const reader = response.body!.getReader();
  if (reading) {
    for (let bytes = 0; bytes < LARGE_BYTES / 2;) bytes += (await reader.read()).value!.length;
    reader.read().catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await reader.cancel();
}

Deno.test("storeResponse() goes on for a joined request when the first one leaves, background_fill or not", () => {
  const { handler, goOn } = halting("length");
  return withOrigin(handler, async (gateway, origin) => {
    const leader = await gateway.send("/a");
    const follower = await gateway.send("/a");
    await leader.body!.cancel();
    goOn();
    assert.equal(await wholeOf(follower), LARGE_HASH);
    await gateway.idle();
    assert.match((await gateway.ask("/a")).cacheStatus, /hit/);
    assert.equal(origin.heads.length, 1);
  }, { cache: { background_fill: false } });
});

Deno.test("storeResponse() tells requests that wait for a body that grows too large to go on their own", () => {
  const { handler, goOn } = halting("chunked");
  return withOrigin(handler, async (gateway, origin) => {
    const leader = gateway.send("/a");
    const follower = gateway.send("/a");
    await eventually("the origin was asked", () => origin.heads.length === 1);
    goOn();
    assert.equal(await wholeOf(await leader), LARGE_HASH);
    assert.equal(await wholeOf(await follower), LARGE_HASH);
    assert.match((await follower).headers.get("cache-status")!, /detail=not-shared/);
  }, { cache: { max_entry: "500KiB" } });
});

for (const [framing, backgroundFill] of [["length", false], ["chunked", false], ["chunked", true]] as const) {
  Deno.test(`storeResponse() renews a stale response behind it, background_fill ${backgroundFill} (${framing})`, () =>
    withOrigin(async (exchange) => {
      const field = framing === "length" ? `content-length: ${LARGE_BYTES}` : "transfer-encoding: chunked";
      const head =
        `HTTP/1.1 200 OK\r\ncache-control: max-age=10, stale-while-revalidate=60\r\nturn: ${exchange.turn}\r\n${field}\r\n\r\n`;
      await exchange.write(head);
      await send(exchange, framing, large);
      if (framing === "chunked") await exchange.write("0\r\n\r\n");
    }, async (gateway) => {
      await gateway.ask("/a");
      await gateway.idle();
      gateway.clock.advance(20_000);
      assert.equal((await gateway.ask("/a")).headers.get("turn"), "1");
      await gateway.idle();
      const renewed = await gateway.ask("/a");
      assert.match(renewed.cacheStatus, /hit; ttl=10/);
      assert.equal(renewed.headers.get("turn"), "2");
    }, { cache: { background_fill: backgroundFill } }));
}

Deno.test("storeResponse() gives what belongs to one client to that client alone", () =>
  withOrigin(async (exchange) => {
    const lengthBytes = exchange.head.target === "/large" ? LARGE_BYTES : 5;
    await exchange.write(
      `HTTP/1.1 200 OK\r\ncache-control: max-age=60, private="x-user"\r\nx-user: alice\r\ncontent-length: ${lengthBytes}\r\n\r\n`,
    );
    await exchange.write(large.subarray(0, lengthBytes));
  }, async (gateway) => {
    for (const target of ["/small", "/large"]) {
      assert.equal((await gateway.ask(target)).headers.get("x-user"), "alice", target);
      await gateway.idle();
      const hit = await gateway.ask(target);
      assert.match(hit.cacheStatus, /hit/);
      assert.equal(hit.headers.get("x-user"), null, target);
    }
  }));

Deno.test("storeResponse() gives a leader up that a served client leaves before the origin answers, and fills the cache", async (test) => {
  for (const framing of ["length", "chunked"] as const) {
    await test.step(framing, () => {
      const { promise, resolve: answer } = Promise.withResolvers<void>();
      return withOrigin(async (exchange) => {
        await promise;
        await begin(exchange, framing);
        await complete(exchange, framing);
      }, async (gateway, origin) => {
        const url = new URL(await gateway.serve());
        const client = await Deno.connect({ hostname: url.hostname, port: Number(url.port) });
        await client.write(new TextEncoder().encode("GET /a HTTP/1.1\r\nhost: gateway.test\r\n\r\n"));
        await eventually("the origin was asked", () => origin.heads.length === 1);
        client.close();
        await new Promise((resolve) => setTimeout(resolve, 50));
        answer();
        await gateway.idle();
        assert.equal(await wholeOf(await gateway.send("/a")), LARGE_HASH);
        assert.equal(origin.heads.length, 1);
      });
    });
  }
});

Deno.test("storeResponse() gives back every answer to clients that leave at any moment", () =>
  withOrigin(async (exchange) => {
    await begin(exchange, exchange.head.target.startsWith("/chunked") ? "chunked" : "length");
    await exchange.wait(20);
    await complete(exchange, exchange.head.target.startsWith("/chunked") ? "chunked" : "length");
  }, async (gateway) => {
    const url = await gateway.serve();
    await Promise.all(Array.from({ length: 30 }, async (_, index) => {
      const client = new AbortController();
      setTimeout(() => client.abort(), index * 2);
      const kind = index % 2 === 0 ? "chunked" : "length";
      await fetch(`${url}/${kind}${index % 10}`, { signal: client.signal }).then((response) => response.bytes()).catch(
        () => {},
      );
    }));
    await gateway.idle();
    assert.equal(await wholeOf(await gateway.send("/length1")), LARGE_HASH);
    await answered(await gateway.send("/chunked0"));
  }));

Deno.test("storeResponse() gives its room back as soon as a body of unknown length is too large, not when it ends", () => {
  const { promise, resolve: goOn } = Promise.withResolvers<void>();
  return withOrigin(async (exchange) => {
    await exchange.write("HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ntransfer-encoding: chunked\r\n\r\n");
    await send(exchange, "chunked", large);
    await promise;
    await exchange.write("0\r\n\r\n");
  }, async (gateway) => {
    const response = await gateway.send("/a");
    const { budget } = gateway.gateway.services;
    assert.ok(budget.usedBytes <= 64 * 1024, "what has come, not what might");
    const reader = response.body!.getReader();
    for (let bytes = 0; bytes < LARGE_BYTES;) bytes += (await reader.read()).value!.length;
    assert.equal(budget.usedBytes, 0);
    goOn();
    assert.equal((await reader.read()).done, true);
    await gateway.idle();
    assert.equal(budget.usedBytes, 0);
  }, { cache: { max_entry: "500KiB" } });
});

for (const framing of ["length", "chunked"] as const) {
  Deno.test(`storeResponse() tells caches behind of the choice of codings before it has made any (${framing})`, () =>
    withOrigin(async (exchange) => {
      const field = framing === "length" ? `content-length: ${LARGE_BYTES}` : "transfer-encoding: chunked";
      await exchange.write(
        `HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\nvary: Origin\r\ncontent-type: text/plain\r\n${field}\r\n\r\n`,
      );
      await send(exchange, framing, large);
      if (framing === "chunked") await exchange.write("0\r\n\r\n");
    }, async (gateway) => {
      const missed = await gateway.ask("/a");
      assert.match(missed.cacheStatus, /fwd=/);
      await gateway.idle();
      const hit = await gateway.ask("/a");
      assert.match(hit.cacheStatus, /hit/);
      assert.deepEqual(
        [missed, hit].map(({ headers }) => headers.get("vary")),
        Array(2).fill("Origin, Accept-Encoding"),
      );
    }, { listeners: [{ name: "l", pool: "p", cache: { compress: true } }] }));
}

Deno.test("storeResponse() reads no large document whole while the fill memory is in use, and gives its own room back", () => {
  const { promise, resolve: goOn } = Promise.withResolvers<void>();
  const half = `{"a":"${"x".repeat(LARGE_BYTES / 2)}`;
  const length = half.length + LARGE_BYTES / 2 + 2;
  return withOrigin(async (exchange) => {
    const fields = `content-type: application/json\r\ncache-control: max-age=60\r\ncontent-length: ${length}`;
    await exchange.write(`HTTP/1.1 200 OK\r\n${fields}\r\n\r\n${half}`);
    await Promise.race([promise, exchange.left]);
    await exchange.write(`${"x".repeat(LARGE_BYTES / 2)}"}`);
  }, async (gateway, origin) => {
    const { budget } = gateway.gateway.services;
    const first = gateway.ask("/first");
    await eventually("the first one's room is taken", () => budget.usedBytes === length);
    const second = await gateway.send("/second");
    assert.match(second.headers.get("cache-status")!, /detail=fill-memory-full/);
    goOn();
    assert.deepEqual([(await first).text.length, (await second.text()).length], [length + ',"b":1'.length, length]);
    await gateway.idle();
    assert.equal(origin.heads.length, 2);
    assert.match((await gateway.ask("/second")).cacheStatus, /stored/);
  }, {
    cache: { fill_memory: "1MiB", max_entry: "1MiB" },
    listeners: [{ name: "l", pool: "p", overrides: [{ path: "/**", merge: { b: 1 } }] }],
  });
});
