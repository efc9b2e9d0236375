import assert from "node:assert/strict";
import type { ScriptedExchange } from "../origins/scripted_origin.ts";
import { rawRequest, type RawResponse, requestText } from "../system/_raw_client.ts";
import { type InProcessGateway, sentField, withOrigin } from "./in_process_gateway.ts";

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
