import assert from "node:assert/strict";
import type { ScriptedExchange } from "../origins/scripted_origin.ts";
import { rawRequest, type RawResponse, requestText } from "./_raw_client.ts";
import { type InProcessGateway, sentField, withOrigin } from "../pipeline/in_process_gateway.ts";

const FRESH: [string, string] = ["cache-control", "max-age=600"];

/** An origin that tells what it was asked for. */
function echo(exchange: ScriptedExchange): Promise<void> {
  return exchange.reply({ fields: [FRESH], body: exchange.head.target });
}

function listener(rules: unknown, more: Record<string, unknown> = {}) {
  return { listeners: [{ name: "l", pool: "p", rules, ...more }] };
}

/** Sends requests as they are written, which no other client would. */
async function rawly(gateway: InProcessGateway): Promise<(request: string) => Promise<RawResponse>> {
  const port = Number(new URL(await gateway.serve()).port);
  return (request) => rawRequest(port, request);
}

Deno.test("a client cannot have left out what a rule sets, by naming it in Connection", () =>
  withOrigin(
    echo,
    async (gateway, origin) => {
      const ask = await rawly(gateway);
      const fields = "host: gateway.test\r\nconnection: close, X-Role\r\nconnection: x-more, x-own\r\nx-own: 1\r\n";
      await ask(`GET /a HTTP/1.1\r\n${fields}x-role: admin\r\n\r\n`);
      assert.deepEqual(["x-role", "x-more", "x-own"].map((name) => sentField(origin, name)), ["guest", "1", null]);
    },
    listener([{ request: { set: { "x-role": "guest" }, add: { "x-more": "1" } } }]),
  ));

Deno.test("rules see through every spelling of a path, and nobody gets past a rewriting by an escaped line end", () =>
  withOrigin(
    echo,
    async (gateway, origin) => {
      const ask = await rawly(gateway);
      const spellings = [
        ..."/private/x /%70rivate/x //private/x /%2fprivate/x /\\private/x /;/private/x /private;a=b/x /private%2fx"
          .split(" "),
        ..."/private%5Cx /%c1%b0rivate/x /private%c0%afx /private%e0%80%afx http://gateway.test/private/x".split(" "),
      ];
      for (const target of spellings) assert.equal((await ask(requestText(`GET ${target}`))).status, 403, target);
      for (
        const target of ["/a/%2e%2e/private/x", "/a/..;/private/x", "/a/..%3b/private/x", "/a/%c0%ae%c0%ae/private/x"]
      ) {
        assert.equal((await ask(requestText(`GET ${target}`))).status, 400, target);
      }
      assert.equal(origin.heads.length, 0);
      for (const [target, sent] of [["/v3/a%0Ab", "/api/a%0Ab"], ["/v3/%0d%0aX:%00y", "/api/%0D%0AX:%00y"]] as const) {
        await ask(requestText(`GET ${target}`));
        assert.equal(origin.heads.at(-1)!.target, sent);
        assert.equal(sentField(origin, "x-rest"), sent.slice(5));
      }
    },
    listener([
      { when: { path: "/private/**" }, respond: { status: 403 } },
      {
        when: { path: "/v3/**" },
        request: { rewrite: { from: "^/v3/(.*)$", to: "/api/$1" }, set: { "x-rest": "$1" } },
      },
    ]),
  ));

Deno.test("a condition on the query sees what a server would, whatever stands beside it", () =>
  withOrigin(
    echo,
    async (gateway) => {
      const ask = await rawly(gateway);
      for (const query of ["q=admin", "%71=%61dmin", "q=%61dmin%ff", "q=%61dmin%zz", "q=x&q=admin", "q=+%61dmin%C3"]) {
        assert.equal((await ask(requestText(`GET /?${query}`))).status, 403, query);
      }
      assert.equal((await ask(requestText("GET /?q=%2561dmin%ff"))).status, 200);
    },
    listener([{ when: { query: { q: "*admin*" } }, respond: { status: 403 } }]),
  ));

Deno.test("a redirect never leads to a host that the client names", () =>
  withOrigin(
    echo,
    async (gateway) => {
      const ask = await rawly(gateway);
      const tricks = [
        "//evil.example",
        "%2fevil.example",
        "%5C%5cevil.example",
        "\\evil.example",
        ";/evil.example",
        "%c0%afevil.example",
      ];
      for (const trick of tricks) {
        assert.equal((await ask(requestText(`GET /o/${trick}`))).field("location"), "/evil.example", trick);
      }
      const { field } = await ask(requestText("GET /o/%0D%0Aset-cookie:a%00%09/evil.example"));
      assert.deepEqual([field("location"), field("set-cookie")], ["/%0D%0Aset-cookie:a%00%09/evil.example", null]);
    },
    listener([{ when: { path: "/o/**" }, redirect: { to: "/$1" } }]),
  ));

Deno.test("bodies of rules take the place of errors that arise on the way out, too", () =>
  withOrigin(
    echo,
    async (gateway) => {
      assert.equal((await gateway.ask("/a")).text, "/a");
      const part = await gateway.ask("/a", { headers: { range: "bytes=999-" } });
      assert.deepEqual([part.status, part.text, part.headers.get("content-range")], [416, "no such part", null]);
      const head = await gateway.ask("/a", { method: "HEAD", headers: { range: "bytes=0-0" } });
      assert.deepEqual([head.status, head.text], [200, ""]);
    },
    listener([{ response: { status: { 416: "no such part", "400-599": "other" } } }]),
  ));

Deno.test("what a page may read is decided by the origin that its browser names, whatever rules send on", () =>
  withOrigin(
    echo,
    async (gateway, origin) => {
      const page = { headers: { origin: "https://page.example" } };
      const allowed = async (target: string, more: Record<string, string> = {}, method = "GET") =>
        (await gateway.ask(target, { method, headers: { ...page.headers, ...more } }))
          .headers.get("access-control-allow-origin");
      assert.equal(await allowed("/a", { "x-rid": "1" }), "https://page.example");
      assert.equal(sentField(origin, "origin"), null);
      const preflight = { "access-control-request-method": "GET" };
      assert.equal(await allowed("/a", preflight, "OPTIONS"), "https://page.example");
      assert.equal(await allowed("/b", { origin: "https://evil.example" }), null);
    },
    listener([
      { request: { remove: ["origin", "access-control-*"] } },
      { when: { path: "/b" }, request: { set: { origin: "https://page.example" } } },
    ], { cors: { origins: ["https://page.example"] } }),
  ));

const TOKEN = "5f3c9a1e7b2d4068aa51c0de93b7f642";

Deno.test("what leads back to a listener leads each client by its own name and token, from the cache too", () =>
  withOrigin(
    (exchange) => exchange.reply({ status: 301, fields: [FRESH, ["location", "http://films.lan/login"]] }),
    async (gateway) => {
      const ask = await rawly(gateway);
      const other = TOKEN.toUpperCase();
      const led = async (host: string, token: string) =>
        (await ask(`GET /~${token}/pre/x HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`)).field("location");
      for (let turn = 0; turn < 2; turn++) {
        assert.equal(await led("evil.example", TOKEN), "http://films.lan/login");
        assert.equal(await led("films.lan", TOKEN), `http://films.lan/~${TOKEN}/pre/login`);
        assert.equal(await led("films.lan", other), `http://films.lan/~${other}/pre/login`);
      }
      assert.deepEqual(gateway.results(), { hit_memory: 4, miss: 2 });
    },
    {
      pool: { forwarded: "off" },
      ...listener([], {
        prefix: "/pre",
        strip_prefix: true,
        auth: { tokens: { one: TOKEN, two: TOKEN.toUpperCase() } },
      }),
    },
  ));

Deno.test("an unsafe request ends what rules have stored for its target under another path", () =>
  withOrigin(
    echo,
    async (gateway) => {
      const states = async (method: string) => {
        gateway.clock.advance(1_000);
        const { cacheStatus } = await gateway.ask("/v3/a", { method });
        return /; hit/.test(cacheStatus) ? "hit" : "asked";
      };
      assert.deepEqual([await states("GET"), await states("HEAD"), await states("PUT")], ["asked", "hit", "asked"]);
      assert.deepEqual([await states("GET"), await states("GET")], ["asked", "hit"]);
    },
    listener([{
      when: { path: "/v3/**", method: ["GET", "HEAD"] },
      request: { rewrite: { to: "/api/$1" }, set: { "x-from": "usher" } },
    }]),
  ));

Deno.test("what rules take away is not to be read in interim responses and trailers either", () =>
  withOrigin(
    (exchange) =>
      exchange.write(
        "HTTP/1.1 103 Early\r\nlink: </a>\r\nx-secret: 1\r\nx-set: 1\r\n\r\n" +
          "HTTP/1.1 200 OK\r\nx-secret: 2\r\ncache-control: no-store\r\ntransfer-encoding: chunked\r\n\r\n" +
          "3\r\nabc\r\n0\r\nx-secret: 3\r\nx-set: 3\r\nx-sum: 4\r\n\r\n",
      ),
    async (gateway) => {
      const ask = await rawly(gateway);
      const { interim, trailers, field } = await ask(
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: close, te\r\nte: trailers\r\n\r\n",
      );
      assert.deepEqual(interim[0]!.fields, [["link", "</a>"]]);
      assert.deepEqual([field("x-secret"), field("x-set")], [null, "own"]);
      assert.deepEqual(trailers, [["x-sum", "4"]]);
    },
    listener([{ response: { remove: ["x-sec*"], set: { "x-set": "own" } } }]),
  ));

Deno.test("caches in front are told by which fields rules tell clients apart", () =>
  withOrigin(
    (exchange) => exchange.reply({ fields: [FRESH, ["vary", "Accept, X-App"]], body: "x" }),
    async (gateway) => {
      const vary = async (target: string, headers: Record<string, string> = {}) =>
        (await gateway.ask(target, { headers })).headers.get("vary");
      for (let turn = 0; turn < 2; turn++) {
        assert.equal(await vary("/v3/a"), "Accept, X-App, dnt");
        assert.equal(await vary("/v3/a", { "x-app": "kodi" }), "Accept, X-App, dnt");
        assert.equal(await vary("/b"), "Accept, X-App, dnt");
      }
      assert.equal(await vary("/c/a"), "Accept, X-App, x-c, dnt");
    },
    listener([
      { when: { path: "/v3/**", header: { "x-app": "kodi", host: "gateway.*" } }, request: { set: { "x-from": "1" } } },
      { when: { path: "/c/**", header: { "x-c": "!1" } }, response: { set: { "x-from": "1" } } },
      { when: { header: { dnt: "1" } }, request: { remove: ["cookie"] } },
    ]),
  ));

Deno.test("a condition on Host looks at what the target names, where it names one (RFC 9112 §3.2.2)", () =>
  withOrigin(
    echo,
    async (gateway) => {
      const ask = await rawly(gateway);
      const status = async (target: string, host: string) =>
        (await ask(`GET ${target} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`)).status;
      assert.deepEqual([await status("/x", "INSIDE.lan"), await status("/x", "out.example")], [200, 403]);
      assert.equal(await status("http://out.example/x", "inside.lan"), 403);
    },
    listener([{ when: { header: { host: "!inside.lan" } }, respond: { status: 403 } }]),
  ));

Deno.test("a removal with * leaves the handshake of a WebSocket alone", () =>
  withOrigin(
    async (exchange) => {
      await exchange.write("HTTP/1.1 101 Switching\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n");
      exchange.end();
    },
    async (gateway, origin) => {
      const ask = await rawly(gateway);
      const fields = "upgrade: websocket\r\nsec-websocket-key: x\r\nsec-websocket-version: 13\r\nsec-fetch-mode: a\r\n";
      await ask(`GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade, close\r\n${fields}\r\n`);
      const names = ["upgrade", "sec-websocket-key", "sec-websocket-version", "sec-fetch-mode"];
      assert.deepEqual(names.map((name) => sentField(origin, name)), ["websocket", "x", "13", null]);
    },
    listener([{ request: { remove: ["sec-*", "u*"] } }]),
  ));
