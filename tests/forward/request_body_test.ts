import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import {
  eventually,
  type GatewayParts,
  type InProcessGateway,
  plainParts,
  sentField,
  withGateway,
  withOrigin,
  withOrigins,
} from "../pipeline/in_process_gateway.ts";
import type { ScriptedHandler, ScriptedOrigin } from "../origins/scripted_origin.ts";
import { openRaw, type RawConnection } from "../raw_connection.ts";
import { demoApiKey, startTmdbOrigin, type TmdbOrigin } from "../origins/tmdb_origin.ts";

const LIMIT_BYTES = 100_000;
const limited = { server: { max_request_body: LIMIT_BYTES } };
const hashOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** A body that is sent in chunks, since its length is not known. */
function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.subarray(at, at += 10_000));
    },
  });
}

for (const size of [0, 1, LIMIT_BYTES]) {
  Deno.test(`requestBody() passes ${size} bytes on whole, with their length or in chunks`, () =>
    withOrigin(async (exchange) => exchange.reply({ body: hashOf(await exchange.body()) }), async (gateway, origin) => {
      const url = await gateway.serve();
      const bytes = new Uint8Array(randomBytes(size));
      const known = await fetch(`${url}/a`, { method: "POST", body: bytes });
      assert.equal(await known.text(), hashOf(bytes));
      if (size > 0) assert.equal(sentField(origin, "content-length"), String(size));
      const unknown = await fetch(`${url}/a`, { method: "POST", body: streamOf(bytes) });
      assert.equal(await unknown.text(), hashOf(bytes));
    }, limited));
}

Deno.test("requestBody() answers 413 for a stated length over the limit, without a word to the origin", () =>
  withOrigin((exchange) => exchange.reply(), async (gateway, origin) => {
    const response = await fetch(`${await gateway.serve()}/a`, {
      method: "PUT",
      body: new Uint8Array(LIMIT_BYTES + 1),
    });
    assert.equal(response.status, 413);
    await response.body?.cancel();
    assert.equal(origin.heads.length, 0);
  }, limited));

Deno.test("requestBody() cuts a chunked body at the limit: 413 to the client, nothing whole to the origin, one try", () =>
  withOrigin(async (exchange) => {
    const bytes = await exchange.body().catch(() => new Uint8Array(0));
    if (exchange.isOpen) await exchange.reply({ body: `${bytes.length}` });
  }, async (gateway, origin) => {
    const body = streamOf(new Uint8Array(LIMIT_BYTES + 20_000));
    const response = await fetch(`${await gateway.serve()}/a`, { method: "POST", body });
    assert.equal(response.status, 413);
    await response.body?.cancel();
    assert.equal(origin.heads.length, 1);
    assert.deepEqual({ ...gateway.gateway.counts.upstreams["p"]![origin.url]!.outcomes }, { cancelled: 1 });
  }, limited));

Deno.test("requestBody() is null for a request without framing fields, and for an empty GET", () =>
  withOrigin((exchange) => exchange.reply(), async ({ ask }, origin) => {
    await ask("/a", { method: "POST" });
    await ask("/b");
    for (const head of origin.heads) {
      assert.ok(!head.fields.some(([name]) => name === "transfer-encoding"), head.raw);
    }
  }));

Deno.test("requestBody() ends the try when the client leaves in the middle of its body", () =>
  withOrigin(async (exchange) => {
    await exchange.body().catch(() => {});
    await exchange.hang();
  }, async (gateway, origin) => {
    const url = new URL(await gateway.serve());
    const client = await Deno.connect({ hostname: url.hostname, port: Number(url.port) });
    const head = "POST /a HTTP/1.1\r\nhost: gateway.test\r\ncontent-length: 100000\r\n\r\nhalf";
    await client.write(new TextEncoder().encode(head));
    while (origin.heads.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    client.close();
    await gateway.idle();
    assert.deepEqual({ ...gateway.gateway.counts.upstreams["p"]![origin.url]!.outcomes }, { cancelled: 1 });
    assert.equal(gateway.access()[0]!["status"], 499);
  }));

const OWN_KEY = "f".repeat(32);
const RATING = "/3/movie/550/rating?session_id=session-of-alice";
const JSON_TYPE = { "content-type": "application/json;charset=utf-8" };

async function withKeys(
  pool: Readonly<Record<string, unknown>>,
  run: (gateway: InProcessGateway, origin: TmdbOrigin) => Promise<void>,
  limits: GatewayParts["limits"] = {},
): Promise<void> {
  const origin = await startTmdbOrigin({ keys: [demoApiKey, OWN_KEY] });
  try {
    await withGateway({
      pools: { p: { type: "tmdb-api", health: false, api_keys: [demoApiKey], upstreams: [origin.url], ...pool } },
      listeners: [{ name: "l", prefix: "/3", pool: "p" }],
      limits,
    }, (gateway) => run(gateway, origin));
  } finally {
    await origin.close();
  }
}

/** What came to the origin: whether with the gateway's key, and the body. */
function sent({ requests }: TmdbOrigin): readonly [isKeyed: boolean, body: string] {
  const [{ target, body } = { target: "", body: new Uint8Array() }, ...others] = requests.splice(0);
  assert.deepEqual(others, []);
  return [target.includes(demoApiKey), new TextDecoder().decode(body)];
}

Deno.test("begunBody() lets a write go with the key that it brings, and adds one where it brings none, every byte kept", () =>
  withKeys({}, async (gateway, origin) => {
    const url = await gateway.serve() + RATING;
    const own = `{"api_key": "${OWN_KEY}" , "value":8.50}\r\n`;
    const rows: Array<readonly [body: string, isKeyed: boolean]> = [
      [own, false],
      ['{"value":8.5}', true],
      ['{"api_key":"","value":8}', true],
      ['{"api_key":7,"value":8}', true],
      ['["api_key"]', true],
      ['{"api_key', true],
      ["null", true],
    ];
    for (const [body, isKeyed] of rows) {
      const response = await fetch(url, { method: "POST", body, headers: JSON_TYPE });
      await response.body?.cancel();
      assert.deepEqual(sent(origin), [isKeyed, body]);
    }
    await (await fetch(url, { method: "DELETE", body: own, headers: JSON_TYPE })).body?.cancel();
    assert.deepEqual(sent(origin), [false, own]);
  }));

Deno.test("begunBody() looks into no other type, nothing large and nothing of unknown length", () =>
  withKeys({}, async (gateway, origin) => {
    const url = await gateway.serve() + RATING;
    const own = `{"api_key":"${OWN_KEY}"}`;
    const large = own + " ".repeat(16 * 1024);
    const requests: RequestInit[] = [
      { body: own, headers: { "content-type": "text/plain" } },
      { body: large, headers: JSON_TYPE },
      { body: new Blob([own]).stream(), headers: JSON_TYPE },
    ];
    for (const request of requests) {
      await (await fetch(url, { method: "POST", ...request })).body?.cancel();
      assert.deepEqual(sent(origin), [true, request.body === large ? large : own]);
    }
  }));

Deno.test("begunBody() is not asked for where the key is always the gateway's, and where the client's stands in the open", () =>
  withKeys({ key_mode: "replace" }, async (gateway, origin) => {
    const body = `{"api_key":"${OWN_KEY}","value":8}`;
    await gateway.ask(RATING, {
      method: "POST",
      body,
      headers: { ...JSON_TYPE, "content-length": String(body.length) },
    });
    assert.deepEqual(sent(origin), [true, body]);
  }));

Deno.test("begunBody() answers 408 where the body does not come in time, without a word to the origin", () =>
  withKeys({}, async (gateway, origin) => {
    const { hostname, port } = new URL(await gateway.serve());
    using connection = await Deno.connect({ hostname, port: Number(port) });
    const head =
      `POST ${RATING} HTTP/1.1\r\nhost: g\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n{"va`;
    await connection.write(new TextEncoder().encode(head));
    const buffer = new Uint8Array(16_384);
    let text = "";
    while (!text.includes("}")) {
      const count = await connection.read(buffer);
      if (count === null) break;
      text += new TextDecoder().decode(buffer.subarray(0, count));
    }
    assert.match(text, /^HTTP\/1\.1 408 /);
    assert.match(text, /"status_code":24/);
    assert.equal(origin.requests.length, 0);
  }, { bodyTimeoutMs: 100 }));

Deno.test("begunBody() takes it for a client that has left where the body breaks off, not for a failure of the gateway", () =>
  withKeys({}, async (gateway, origin) => {
    const { hostname, port } = new URL(await gateway.serve());
    const connection = await Deno.connect({ hostname, port: Number(port) });
    const head =
      `POST ${RATING} HTTP/1.1\r\nhost: g\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n{"va`;
    await connection.write(new TextEncoder().encode(head));
    await eventually("the request is there", () => gateway.gateway.counts.listeners["l"]!.inFlight === 1);
    connection.close();
    await eventually("it is given up", () => gateway.access().length === 1);
    const [line] = gateway.access();
    assert.deepEqual([line!["status"], line!["error"]], [499, "bad_request"]);
    assert.equal(origin.requests.length, 0);
  }));

/** A client whose requests a test writes byte by byte. */
async function rawClient(url: string): Promise<RawConnection> {
  return await openRaw(Number(new URL(url).port));
}

/** A gateway before one origin that has so many connections, which a trusted proxy on this machine speaks to. */
function withConnections(
  maxConnections: number,
  run: (url: string, origin: ScriptedOrigin, gateway: InProcessGateway) => Promise<void>,
): Promise<void> {
  const echo: ScriptedHandler = async (exchange) => exchange.reply({ body: `${(await exchange.body()).length}` });
  return withOrigins([echo], (origin) => {
    const pool = { upstreams: [{ url: origin!.url, max_connections: maxConnections }] };
    const server = { trusted_proxies: ["127.0.0.0/8"] };
    const parts = plainParts([origin!.url], { pool, server });
    return withGateway(parts, async (gateway) => run(await gateway.serve(), origin!, gateway));
  });
}

Deno.test("begunBody() holds no connection of an upstream for content that has not begun, or is small and not all there", () =>
  withConnections(1, async (url, origin) => {
    using stack = new DisposableStack();
    for (const framing of ["content-length: 9", "content-length: 50000", "transfer-encoding: chunked"]) {
      for (let n = 0; n < 4; n++) {
        const client = stack.use(await rawClient(url));
        client.send(`POST /held HTTP/1.1\r\nhost: g\r\nexpect: 100-continue\r\n${framing}\r\n\r\n`);
        // The gateway waits for the content.
        assert.match(await client.inbox.takeThrough("\r\n\r\n"), / 100 /);
        if (framing === "content-length: 9") client.send("half");
      }
    }
    for (const body of [undefined, "whole"]) {
      const response = await fetch(`${url}/a`, { method: body === undefined ? "GET" : "POST", body });
      assert.equal(await response.text(), `${body?.length ?? 0}`);
    }
    assert.equal(origin.heads.length, 2);
  }));

Deno.test("begunBody() lets a client hold a part of the connections with uploads, and others the rest", () =>
  withConnections(16, async (url, origin, gateway) => {
    using stack = new DisposableStack();
    const begin = async (client: string, framing: string, content: string) => {
      const raw = stack.use(await rawClient(url));
      raw.send(`POST /u HTTP/1.1\r\nhost: g\r\nx-forwarded-for: ${client}\r\n${framing}\r\n\r\n${content}`);
      return raw;
    };
    const chunked = (client: string) => begin(client, "transfer-encoding: chunked", "4\r\nhalf\r\n");
    const [first] = await Promise.all([
      chunked("203.0.113.7"),
      chunked("203.0.113.7"),
      begin("203.0.113.7", "content-length: 90000", "half"),
      begin("203.0.113.7", "content-length: 90000", "half"),
    ]);
    await eventually("all four are there", () => origin.heads.length === 4);
    const tooMany = await chunked("203.0.113.7");
    const refusal = await tooMany.inbox.takeThrough("\r\n\r\n");
    assert.match(refusal, /^HTTP\/1.1 503 [^]*retry-after: 1\r/i);
    // Small content holds nothing, and another client has its own part.
    const small = { method: "POST", body: "small", headers: { "x-forwarded-for": "203.0.113.7" } };
    assert.equal(await (await fetch(`${url}/a`, small)).text(), "5");
    const other = await chunked("203.0.113.8");
    other.send("0\r\n\r\n");
    assert.match(await other.inbox.takeThrough("\r\n\r\n"), / 200 /);
    first.send("0\r\n\r\n");
    assert.match(await first.inbox.takeThrough("\r\n\r\n"), / 200 /);
    const next = await chunked("203.0.113.7");
    next.send("0\r\n\r\n");
    assert.match(await next.inbox.takeThrough("\r\n\r\n"), / 200 /);
    const { outcomes } = gateway.gateway.counts.upstreams["p"]![origin.url]!;
    assert.deepEqual(Object.keys(outcomes), ["ok"]);
    stack.dispose();
    await gateway.idle();
  }));

Deno.test("a wait for a connection that others hold is no failure of the upstream", () => {
  const released = Promise.withResolvers<void>();
  return withOrigins([(exchange) => released.promise.then(() => exchange.reply())], (origin) => {
    const pool = {
      upstreams: [{ url: origin!.url, max_connections: 1 }],
      timeouts: { connect: "20ms" },
      health: { max_failures: 1 },
    };
    return withGateway(plainParts([origin!.url], { pool }), async (gateway) => {
      const url = await gateway.serve();
      using holder = await rawClient(url);
      holder.send("GET /held HTTP/1.1\r\nhost: g\r\n\r\n");
      await eventually("it is there", () => origin!.heads.length === 1);
      for (let n = 0; n < 8; n++) {
        const { status, headers, text } = await gateway.ask(`/${n}`);
        assert.deepEqual([status, headers.get("retry-after")], [503, "1"], text);
        assert.match(text, /Every connection to the upstream is in use/);
      }
      // Three tries each.
      assert.deepEqual({ ...gateway.gateway.counts.upstreams["p"]![origin!.url]!.outcomes }, { cancelled: 24 });
      released.resolve();
    });
  });
});
