import assert from "node:assert/strict";
import type { ScriptedExchange, ScriptedHandler } from "../origins/scripted_origin.ts";
import { eventually } from "../eventually.ts";
import { fetched, freePort } from "./_gateway.ts";
import { rawRequest, type RawResponse, requestText, textOf } from "./_raw_client.ts";
import { type ScriptedGateway, startScriptedGateway } from "./_scripted_gateway.ts";

const LARGE = "0123456789".repeat(100_000);
const FIELDS = "HTTP/1.1 200 OK\r\ncache-control: max-age=600\r\ncontent-type: application/json\r\n";

/** A response that promises everything and gives half of it. */
const halves: Readonly<Record<string, ScriptedHandler>> = {
  "of a large body with a length": async (exchange) => {
    await exchange.write(`${FIELDS}content-length: ${LARGE.length}\r\n\r\n${LARGE.slice(0, LARGE.length / 2)}`);
    await exchange.wait(100);
    exchange.reset();
  },
  "of a large chunked body": async (exchange) => {
    await exchange.write(`${FIELDS}transfer-encoding: chunked\r\n\r\n`);
    await exchange.write(`7a120\r\n${LARGE.slice(0, 500_000)}\r\n7a120\r\n123`);
    await exchange.wait(100);
    exchange.end();
  },
  "of a large chunked body, cut between two chunks": async (exchange) => {
    await exchange.write(`${FIELDS}transfer-encoding: chunked\r\n\r\n`);
    await exchange.write(`7a120\r\n${LARGE.slice(0, 500_000)}\r\n`);
    await exchange.wait(100);
    exchange.end();
  },
  "of a large body, and then nothing": async (exchange) => {
    await exchange.write(`${FIELDS}content-length: ${LARGE.length}\r\n\r\n${LARGE.slice(0, LARGE.length / 2)}`);
    await exchange.hang();
  },
};

const whole: ScriptedHandler = (exchange: ScriptedExchange) =>
  exchange.reply({ fields: [["cache-control", "max-age=600"], ["content-type", "application/json"]], body: LARGE });

function startWith(stack: AsyncDisposableStack, handler: ScriptedHandler, type = "custom"): Promise<ScriptedGateway> {
  return startScriptedGateway(stack, handler, (url) => ({
    pools: {
      any: {
        type,
        health: { enabled: false, max_failures: 1_000 },
        upstreams: [url],
        timeouts: { connect: "10s", first_byte: "2s", idle: "2s", total: "1m" },
      },
    },
  }));
}

function ask({ gateway }: ScriptedGateway, target: string, method = "GET"): Promise<RawResponse> {
  return rawRequest(gateway.port, requestText(`${method} ${target}`));
}

Deno.test("half a response is never served as a whole one, and never stored", async (t) => {
  await using stack = new AsyncDisposableStack();
  const pair = await startWith(stack, whole);
  for (const [what, half] of Object.entries(halves)) {
    await t.step(what, async () => {
      const target = `/${encodeURIComponent(what)}`;
      pair.origin.handle(half);
      const [first, second] = await Promise.all([ask(pair, target), ask(pair, target)]);
      for (const response of [first, second]) {
        assert.ok(!response.isComplete || response.status === 502, `${response.status} ${response.body.length}`);
      }
      pair.origin.handle(whole);
      const after = await ask(pair, target);
      assert.ok(after.isComplete);
      assert.equal(textOf(after.body), LARGE);
      assert.match(after.field("cache-status") ?? "", /fwd=uri-miss; stored/);
    });
  }
});

Deno.test("a small body that breaks off is fetched again before anything is served", async () => {
  await using stack = new AsyncDisposableStack();
  let turn = 0;
  const pair = await startWith(stack, async (exchange) => {
    if (turn++ > 0) return await exchange.reply({ fields: [["cache-control", "max-age=600"]], body: "all of it" });
    await exchange.write(`${FIELDS}content-length: 9\r\n\r\nall`);
    exchange.reset();
  });
  const response = await ask(pair, "/small");
  assert.equal(response.status, 200);
  assert.equal(textOf(response.body), "all of it");
  pair.origin.handle(async (exchange) => {
    await exchange.write(`${FIELDS}content-length: 9\r\n\r\nall`);
    exchange.reset();
  });
  assert.equal((await ask(pair, "/never")).status, 502);
});

Deno.test("a client that leaves in the middle leaves a whole stored response or none", async () => {
  await using stack = new AsyncDisposableStack();
  const pair = await startWith(stack, async (exchange) => {
    await exchange.write(`${FIELDS}content-length: ${LARGE.length}\r\n\r\n${LARGE.slice(0, 300_000)}`);
    await exchange.wait(200);
    await exchange.write(LARGE.slice(300_000));
  });
  const leaving = await fetch(`${pair.gateway.url}/left`);
  const reader = leaving.body!.getReader();
  await reader.read();
  await reader.cancel();
  await eventually("the rest is stored", async () => {
    const response = await fetched(`${pair.gateway.url}/left`);
    assert.equal(textOf(response.bytes), LARGE);
    return /; hit/.test(response.cacheStatus);
  });
  assert.equal(pair.origin.heads.length, 1);
});

Deno.test("errors are TMDB's own where TMDB's clients are", async (t) => {
  await using stack = new AsyncDisposableStack();
  const pair = await startWith(stack, whole, "tmdb-api");
  const check = async (status: number, code: number, method = "GET") => {
    const response = await ask(pair, `/3/movie/${status}${code}${method}`, method);
    assert.equal(response.status, status);
    assert.match(response.field("content-type") ?? "", /^application\/json/);
    assert.equal(response.field("cache-control"), "no-store");
    const body = JSON.parse(textOf(response.body));
    assert.equal(body.success, false);
    assert.equal(body.status_code, code);
    assert.ok(body.status_message.length > 10);
    assert.equal(body.request_id, response.field("x-request-id"));
  };
  await t.step("no answer in time: 504", async () => {
    pair.origin.handle((exchange) => exchange.hang());
    await check(504, 24);
  });
  await t.step("no HTTP: 502", async () => {
    pair.origin.handle(async (exchange) => {
      await exchange.write("SSH-2.0-OpenSSH_9.6\r\n\r\n");
      exchange.end();
    });
    await check(502, 43);
  });
  await t.step("a block page: 502", async () => {
    pair.origin.handle((exchange) =>
      exchange.reply({ fields: [["content-type", "text/html"]], body: "<h1>Blocked</h1>" })
    );
    await check(502, 43);
  });
  await t.step("a cut connection: 502", async () => {
    pair.origin.handle((exchange) => exchange.reset());
    await check(502, 43);
  });
  await t.step("a write that may have been processed is sent once", async () => {
    for (
      const play of [(exchange: ScriptedExchange) => exchange.reset(), (exchange: ScriptedExchange) => exchange.hang()]
    ) {
      pair.origin.handle(play);
      const before = pair.origin.heads.length;
      const response = await ask(pair, "/3/movie/1/rating", "POST");
      assert.ok(response.status === 502 || response.status === 504);
      assert.equal(pair.origin.heads.length, before + 1);
    }
  });
  await t.step("the origin's own error passes as it is", async () => {
    pair.origin.handle((exchange) =>
      exchange.reply({
        status: 503,
        fields: [["content-type", "application/json"], ["retry-after", "7"]],
        body: '{"status_code":46}',
      })
    );
    const response = await ask(pair, "/3/movie/46");
    assert.equal(response.status, 503);
    assert.equal(textOf(response.body), '{"status_code":46}');
    assert.equal(response.field("retry-after"), "7");
  });
});

Deno.test("with no upstream to connect to the answer is 502, and 503 once it is out", async () => {
  await using stack = new AsyncDisposableStack();
  const pair = await startScriptedGateway(stack, whole, () => ({
    pools: {
      any: {
        type: "tmdb-api",
        upstreams: [`http://127.0.0.1:${freePort()}`],
        health: { interval: "1s", timeout: "500ms", unhealthy_interval: "1s", fall: 1 },
      },
    },
  }));
  const statuses = new Set<number>();
  await eventually("the upstream is out", async () => {
    const response = await ask(pair, "/3/movie/1");
    statuses.add(response.status);
    return response.status === 503 || (await pair.gateway.status()).pools[0]!.upstreams[0]!.state === "unhealthy";
  });
  for (const status of statuses) assert.ok(status === 502 || status === 503, String(status));
});

Deno.test("a pool of a general type answers with problem details", async () => {
  await using stack = new AsyncDisposableStack();
  const pair = await startWith(stack, (exchange) => exchange.hang());
  const response = await ask(pair, "/slow");
  assert.equal(response.status, 504);
  assert.equal(response.field("content-type"), "application/problem+json");
  const { status, code, request_id } = JSON.parse(textOf(response.body));
  assert.deepEqual([status, code, request_id], [504, "upstream_timeout", response.field("x-request-id")]);
});

Deno.test("an encoded TMDB answer goes to who takes it as it came, and decoded and not labelled to who does not", async () => {
  await using stack = new AsyncDisposableStack();
  const json = JSON.stringify({ id: 1, text: "ä".repeat(5_000) });
  const coded = new Uint8Array(
    await new Response(new Blob([json]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer(),
  );
  const pair = await startWith(stack, (exchange) =>
    exchange.reply({
      fields: [["content-type", "application/json"], ["content-encoding", "gzip"], ["cache-control", "max-age=600"], [
        "etag",
        '"strong"',
      ]],
      body: coded,
    }), "tmdb-api");
  for (const encoding of ["gzip", "identity", "deflate", "gzip"]) {
    const response = await rawRequest(
      pair.gateway.port,
      requestText("GET /3/movie/1", [["accept-encoding", encoding]]),
    );
    const isCoded = encoding === "gzip";
    assert.equal(response.field("content-encoding"), isCoded ? "gzip" : null);
    if (isCoded) assert.deepEqual(response.body, coded);
    else assert.equal(textOf(response.body), json);
    assert.ok(response.isComplete);
    assert.notEqual(response.field("etag"), '"strong"');
  }
  assert.equal(pair.origin.heads.length, 1);
  // What is passed through without being stored keeps its coding and its label.
  const post = await rawRequest(
    pair.gateway.port,
    requestText("POST /3/movie/1/rating", [["accept-encoding", "gzip"], ["content-length", "2"]], "{}"),
  );
  assert.equal(post.field("content-encoding"), "gzip");
  assert.deepEqual(post.body, coded);
});
