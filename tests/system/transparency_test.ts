import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { fieldValue } from "../../lib/http/fields.ts";
import type { ScriptedHandler, ScriptedHead } from "../origins/scripted_origin.ts";
import { rawRequest, requestText, textOf } from "./_raw_client.ts";
import { startScriptedGateway } from "./_scripted_gateway.ts";

const plain: ScriptedHandler = (exchange) =>
  exchange.reply({ fields: [["content-type", "text/plain"], ["cache-control", "no-store"]], body: "hello" });

Deno.test("requests and responses pass through as they are", async (t) => {
  await using stack = new AsyncDisposableStack();
  const { origin, gateway } = await startScriptedGateway(stack, plain);
  const { port } = gateway;
  const last = (): ScriptedHead => origin.heads.at(-1)!;
  const sent = (name: string) => fieldValue(last().fields, name);

  await t.step("path and query, byte for byte", async () => {
    for (
      const target of [
        "/3/a%2Fb/{x}|'?q=o's&b=%zz&&c",
        "/3//double//slash/",
        "/a;b=c,d/~!$&'()*+,;=:@",
        "/%E4%BD%A0?%E5%A5%BD=%C3%A4&x=%2C,+%20",
        '/x?json={"a":[1,2]}&b=<>`^\\',
        "/?",
        "/?a=?b/c/../d",
        "/%41%2e%2Ehidden",
        "/x?&&&",
        "/x?",
      ]
    ) {
      const { status } = await rawRequest(port, requestText(`GET ${target}`));
      assert.equal(status, 200, target);
      assert.equal(last().target, target);
    }
  });

  await t.step("every method, with and without a body", async () => {
    for (const method of ["POST", "PUT", "PATCH", "DELETE", "PROPFIND", "REPORT", "M-SEARCH", "QUERY"]) {
      const bodies: string[] = [];
      origin.handle(async (exchange) => {
        bodies.push(textOf(await exchange.body()));
        await plain(exchange);
      });
      const length = await rawRequest(port, requestText(`${method} /m`, [["content-length", "5"]], "a=b&c"));
      assert.equal(length.status, 200, method);
      assert.equal(last().method, method);
      const chunked = await rawRequest(
        port,
        requestText(`${method} /m`, [["transfer-encoding", "chunked"]], "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
      );
      assert.equal(chunked.status, 200, method);
      assert.deepEqual(bodies, ["a=b&c", "abcde"], method);
    }
    origin.handle(plain);
  });

  await t.step("an empty body of a POST is told as such", async () => {
    await rawRequest(port, requestText("POST /empty", [["content-length", "0"]]));
    assert.equal(sent("content-length") ?? sent("transfer-encoding"), "0");
  });

  await t.step("HEAD and OPTIONS, also of the server", async () => {
    const head = await rawRequest(port, requestText("HEAD /h"), { isHead: true });
    assert.equal(head.status, 200);
    assert.equal(head.field("content-length"), "5");
    assert.ok(head.isComplete);
    assert.equal(last().method, "HEAD");
    origin.handle((exchange) => exchange.reply({ status: 204, fields: [["allow", "GET, HEAD"]] }));
    const options = await rawRequest(port, requestText("OPTIONS /o", [["origin", "https://page.example"]]));
    assert.equal(options.status, 204);
    assert.equal(options.field("allow"), "GET, HEAD");
    assert.equal(sent("origin"), "https://page.example");
    origin.handle(plain);
  });

  await t.step("hop-by-hop fields go no further, in both directions", async () => {
    origin.handle((exchange) =>
      exchange.reply({
        fields: [
          ["connection", "keep-alive, X-Origin-Private"],
          ["x-origin-private", "secret"],
          ["keep-alive", "timeout=5"],
          ["proxy-authenticate", "Basic"],
          ["upgrade", "h2c"],
          ["trailer", "x-sum"],
          ["x-kept", "yes"],
          ["cache-control", "no-store"],
        ],
        body: "x",
      })
    );
    const request = "GET /hop HTTP/1.1\r\nhost: gateway.test\r\nconnection: close, X-Client-Private, TE\r\n" +
      "x-client-private: secret\r\nte: trailers\r\nkeep-alive: 5\r\nproxy-connection: keep-alive\r\n" +
      "proxy-authorization: Basic eDp5\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\nx-kept: yes\r\n\r\n";
    const response = await rawRequest(port, request);
    for (const name of ["x-origin-private", "keep-alive", "proxy-authenticate", "upgrade", "trailer"]) {
      assert.equal(response.field(name), null, name);
    }
    assert.equal(response.field("x-kept"), "yes");
    for (
      const name of [
        "x-client-private",
        "te",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "upgrade",
        "http2-settings",
      ]
    ) assert.equal(sent(name), null, name);
    assert.equal(sent("x-kept"), "yes");
    origin.handle(plain);
  });

  await t.step("Connection cannot remove what the gateway's own decisions rest on", async () => {
    await rawRequest(
      port,
      "GET /own HTTP/1.1\r\nhost: gateway.test\r\nconnection: close, host, x-forwarded-for, via, x-request-id\r\n\r\n",
    );
    for (const name of ["host", "x-forwarded-for", "via", "x-request-id"]) assert.notEqual(sent(name), null, name);
  });

  await t.step("Via is added to in both directions", async () => {
    origin.handle((exchange) =>
      exchange.reply({ fields: [["via", "1.1 inner"], ["cache-control", "no-store"]], body: "x" })
    );
    const response = await rawRequest(port, requestText("GET /via", [["via", "1.0 outer"]]));
    assert.equal(sent("via"), "1.0 outer, 1.1 usher");
    assert.equal(response.field("via"), "1.1 inner, 1.1 usher");
    origin.handle(plain);
  });

  await t.step("a request id comes in or is made, and goes upstream, to the client and into the log", async () => {
    const given = await rawRequest(port, requestText("GET /id", [["x-request-id", "client-id.42"]]));
    assert.equal(given.field("x-request-id"), "client-id.42");
    assert.equal(sent("x-request-id"), "client-id.42");
    await gateway.logged("id=client-id.42");
    const made = await rawRequest(port, requestText("GET /id"));
    assert.match(made.field("x-request-id") ?? "", /^[\w-]{8,}$/);
    assert.equal(sent("x-request-id"), made.field("x-request-id"));
    const hostile = await rawRequest(port, requestText("GET /id", [["x-request-id", 'a b"<x>']]));
    assert.match(hostile.field("x-request-id") ?? "", /^[\w-]{8,}$/);
  });

  await t.step("an id that the origin answers with does not make two", async () => {
    origin.handle((exchange) =>
      exchange.reply({ fields: [["x-request-id", "of-the-origin"], ["cache-control", "max-age=60"]], body: "x" })
    );
    for (let turn = 0; turn < 2; turn++) {
      const response = await rawRequest(port, requestText("GET /two-ids", [["x-request-id", `of-the-client-${turn}`]]));
      assert.equal(response.field("x-request-id"), `of-the-client-${turn}`);
    }
    origin.handle(plain);
  });

  await t.step("what an untrusted client says about where it comes from is replaced", async () => {
    await rawRequest(
      port,
      requestText("GET /f", [
        ["x-forwarded-for", "203.0.113.9"],
        ["x-forwarded-host", "evil.example"],
        ["x-forwarded-proto", "https"],
        ["x-real-ip", "203.0.113.9"],
        ["forwarded", "for=203.0.113.9"],
      ]),
    );
    assert.equal(sent("x-forwarded-for"), "127.0.0.1");
    assert.equal(sent("x-forwarded-host"), "gateway.test");
    assert.equal(sent("x-forwarded-proto"), "http");
    assert.equal(sent("x-real-ip"), null);
    assert.equal(sent("forwarded"), null);
  });

  await t.step("absolute-form targets are taken, and their authority counts", async () => {
    const response = await rawRequest(port, requestText("GET http://named.test:81/abs?x=1"));
    assert.equal(response.status, 200);
    assert.equal(last().target, "/abs?x=1");
    assert.equal(sent("x-forwarded-host"), "named.test:81");
    assert.equal(sent("host"), origin.url.slice("http://".length));
  });

  await t.step("statuses and reasons of every class", async () => {
    for (
      const status of [
        200,
        201,
        202,
        203,
        206,
        207,
        226,
        300,
        301,
        302,
        303,
        307,
        308,
        400,
        401,
        402,
        403,
        404,
        405,
        406,
        407,
        409,
        410,
        412,
        415,
        416,
        418,
        422,
        429,
        451,
        499,
        599,
      ]
    ) {
      origin.handle((exchange) =>
        exchange.reply({ status, fields: [["cache-control", "no-store"], ["location", "/else where"]], body: "b" })
      );
      const response = await rawRequest(port, requestText(`POST /status/${status}`));
      assert.equal(response.status, status);
      assert.equal(textOf(response.body), "b", String(status));
      assert.equal(response.field("location"), "/else where");
    }
    origin.handle(plain);
  });

  await t.step("204 and 304 have no content and leave the connection usable", async () => {
    for (const status of [204, 304]) {
      origin.handle((exchange) =>
        exchange.write(`HTTP/1.1 ${status} X\r\netag: "a"\r\ncache-control: no-store\r\n\r\n`)
      );
      const response = await rawRequest(port, requestText("GET /empty", [["if-none-match", '"a"']]));
      assert.equal(response.status, status);
      assert.equal(response.field("etag"), '"a"');
      assert.ok(response.isComplete);
    }
    origin.handle(plain);
    assert.equal((await rawRequest(port, requestText("GET /after"))).status, 200);
  });

  await t.step("Set-Cookie lines stay apart and field values keep their bytes", async () => {
    origin.handle((exchange) =>
      exchange.reply({
        fields: [
          ["set-cookie", "a=1; Expires=Wed, 01 Jan 2031 00:00:00 GMT"],
          ["set-cookie", "b=2, still b"],
          ["x-latin", "caf\xe9"],
          ["x-empty", ""],
          ["link", "</a>; rel=preload"],
          ["link", "</b>; rel=preload"],
        ],
        body: "x",
      })
    );
    const response = await rawRequest(
      port,
      requestText("GET /cookies", [["x-client", "na\xefve"], ["cookie", "a=1; b=2"]]),
    );
    assert.deepEqual(response.fields.filter(([name]) => name === "set-cookie").map(([, value]) => value), [
      "a=1; Expires=Wed, 01 Jan 2031 00:00:00 GMT",
      "b=2, still b",
    ]);
    assert.equal(response.field("x-latin"), "caf\xe9");
    assert.equal(response.field("x-empty"), "");
    assert.equal(response.field("link"), "</a>; rel=preload, </b>; rel=preload");
    assert.equal(sent("x-client"), "na\xefve");
    assert.equal(sent("cookie"), "a=1; b=2");
    origin.handle(plain);
  });

  await t.step("an encoded body keeps its bytes and its label", async () => {
    const body = gzipSync("x".repeat(5000));
    for (const control of ["no-store", "max-age=60"]) {
      origin.handle((exchange) =>
        exchange.reply({
          fields: [["content-encoding", "gzip"], ["content-type", "text/plain"], ["cache-control", control], [
            "vary",
            "accept-encoding",
          ]],
          body,
        })
      );
      for (let turn = 0; turn < 2; turn++) {
        const response = await rawRequest(port, requestText(`GET /gzip-${control}`, [["accept-encoding", "gzip, br"]]));
        assert.equal(response.field("content-encoding"), "gzip");
        assert.deepEqual(response.body, new Uint8Array(body));
        assert.equal(sent("accept-encoding"), "gzip, br");
      }
    }
    origin.handle(plain);
  });

  await t.step("Expect: 100-continue is answered here and the body arrives", async () => {
    let body = "";
    origin.handle(async (exchange) => {
      body = textOf(await exchange.body());
      await plain(exchange);
    });
    const response = await rawRequest(
      port,
      requestText("POST /expect", [["expect", "100-continue"], ["content-length", "3"]], "abc"),
    );
    assert.ok(response.status === 200 || response.status === 100);
    assert.equal(body, "abc");
    assert.equal(sent("expect"), null);
    origin.handle(plain);
  });
  assert.deepEqual(origin.failures, []);
});

Deno.test("requests that a gateway must not serve are refused and never reach the origin", async (t) => {
  await using stack = new AsyncDisposableStack();
  const { origin, gateway } = await startScriptedGateway(stack, plain, (url) => ({
    pools: { any: { type: "custom", health: false, upstreams: [url], upgrade: [] } },
  }));
  const table: ReadonlyArray<readonly [what: string, request: string, status: number]> = [
    ["no Host", "GET / HTTP/1.1\r\nconnection: close\r\n\r\n", 400],
    ["an empty Host", "GET / HTTP/1.1\r\nhost:\r\nconnection: close\r\n\r\n", 400],
    ["two Hosts", "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n", 400],
    ["user information in Host", "GET / HTTP/1.1\r\nhost: a@b\r\nconnection: close\r\n\r\n", 400],
    ["a path in Host", "GET / HTTP/1.1\r\nhost: a/b\r\nconnection: close\r\n\r\n", 400],
    [
      "Content-Length with Transfer-Encoding",
      requestText("POST /", [["content-length", "3"], ["transfer-encoding", "chunked"]], "0\r\n\r\n"),
      400,
    ],
    ["two lengths", requestText("POST /", [["content-length", "3"], ["content-length", "4"]], "abcd"), 400],
    ["a length that is none", requestText("POST /", [["content-length", "+3"]], "abc"), 400],
    ["an unknown transfer coding", requestText("POST /", [["transfer-encoding", "chunked, gzip"]], "0\r\n\r\n"), 400],
    ["a folded field", "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx: a\r\n b\r\n\r\n", 400],
    ["a space before the colon", "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx : a\r\n\r\n", 400],
    ["a dot segment", requestText("GET /3/../admin"), 400],
    ["an escaped dot segment", requestText("GET /3/%2e%2E/admin"), 400],
    ["an escaped slash before dots", requestText("GET /3/x%2f../admin"), 400],
    ["TRACE", requestText("TRACE /"), 501],
    ["CONNECT", requestText("CONNECT gateway.test:80"), 501],
    ["a long target", requestText(`GET /${"x".repeat(20_000)}`), 414],
    [
      "WebSocket that the pool does not carry",
      "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade, close\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n",
      501,
    ],
  ];
  for (const [what, request, status] of table) {
    await t.step(what, async () => {
      const response = await rawRequest(gateway.port, request, { timeoutMs: 20_000 });
      assert.ok(
        response.status === status || (response.status === 400 && status > 400),
        `${response.status} instead of ${status}`,
      );
    });
  }
  assert.deepEqual(origin.heads.map(({ raw }) => raw), []);
});

Deno.test("what a trusted proxy says about the client is kept and added to", async () => {
  await using stack = new AsyncDisposableStack();
  const { origin, gateway } = await startScriptedGateway(stack, plain, (url) => ({
    server: { trusted_proxies: ["127.0.0.0/8"] },
    pools: { any: { type: "custom", health: false, upstreams: [url], forwarded: "both" } },
  }));
  await rawRequest(
    gateway.port,
    requestText("GET /f", [
      ["x-forwarded-for", "203.0.113.9, 198.51.100.7"],
      ["x-forwarded-host", "public.example"],
      ["x-forwarded-proto", "https"],
      ["forwarded", "for=203.0.113.9;proto=https"],
    ]),
  );
  const sent = (name: string) => fieldValue(origin.heads.at(-1)!.fields, name);
  assert.equal(sent("x-forwarded-for"), "203.0.113.9, 198.51.100.7, 127.0.0.1");
  assert.equal(sent("x-forwarded-host"), "public.example");
  assert.equal(sent("x-forwarded-proto"), "https");
  assert.equal(sent("forwarded"), 'for=203.0.113.9;proto=https, for=127.0.0.1;host="gateway.test";proto=http');
  await gateway.logged("client=198.51.100.7");
});
