import assert from "node:assert/strict";
import { GatewayError } from "../../lib/errors.ts";
import { refusal, refuseLoop, refuseUpgrade, upgradeProtocol } from "../../lib/forward/refuse.ts";
import { requestTarget } from "../../lib/http/target.ts";
import { ownArrival } from "../../lib/request/own_arrival.ts";
import {
  exchangeFor,
  type InProcessGateway,
  plainParts,
  withGateway,
  withOrigin,
} from "../pipeline/in_process_gateway.ts";
import type { ScriptedHandler } from "../origins/scripted_origin.ts";

const HOST = { host: "gateway.test" };

function refused(method: string, url: string, fields: Record<string, string> = HOST): string | null {
  const list = Object.entries(fields);
  const arrival = ownArrival({ method, target: url, fields: list });
  return refusal(arrival, requestTarget(url, fields["host"] ?? ""))?.code ?? null;
}

const CASES: [method: string, url: string, code: string | null][] = [
  ["GET", "http://gateway.test/", null],
  ["POST", "http://gateway.test/a?b", null],
  ["PROPFIND", "http://gateway.test/a", null],
  ["CONNECT", "http://gateway.test:443", "method_not_supported"],
  ["TRACE", "http://gateway.test/", "method_not_supported"],
  ["GET", "gateway.test:443", "bad_request"],
  ["GET", "http://user@gateway.test/", "bad_request"],
  ["GET", "http://gateway.test:port/", "bad_request"],
  ["GET", "http://gateway.test/a#b", "bad_request"],
  ["GET", "http://gateway.test/a?b#c", "bad_request"],
  ["GET", "http://gateway.test/a/../b", "bad_request"],
  ["GET", "http://gateway.test/a/%2e%2E/b", "bad_request"],
  ["GET", "http://gateway.test/a%2f..%5cb", "bad_request"],
  ["GET", "http://gateway.test/a/.", "bad_request"],
  ["GET", "http://gateway.test/.well-known/..a/b..", null],
];

for (const [method, url, code] of CASES) {
  Deno.test(`refusal() ${code === null ? "lets" : "refuses"} ${method} ${url.slice(0, 60)} ${code === null ? "pass" : `with ${code}`}`, () => {
    assert.equal(refused(method, url), code);
  });
}

Deno.test("refusal() wants a Host field, but of HTTP/1.0", () => {
  const old = { ...ownArrival({ method: "GET", target: "/", fields: [] }), minor: 0 };
  assert.equal(refusal(old, requestTarget("/", "")), null);
  assert.equal(refused("GET", "http://gateway.test/", {}), "bad_request");
  assert.equal(refused("GET", "http://gateway.test/", { host: "" }), "bad_request");
});

/** Runs a test with a listener over a pool that carries these protocols. */
const withUpgrades = (upgrade: readonly string[], run: (gateway: InProcessGateway) => void) =>
  withGateway(plainParts(["http://127.0.0.1:1"], { pool: { upgrade } }), (gateway) => Promise.resolve(run(gateway)));

const handshake = (value: string) => ({ headers: { connection: "upgrade", upgrade: value } });

Deno.test("upgradeProtocol() finds WebSocket in any list and case, and nothing else", () =>
  withUpgrades(["websocket"], (gateway) => {
    for (const value of ["websocket", "WebSocket", "h2c, websocket"]) {
      assert.equal(upgradeProtocol(exchangeFor(gateway, "/a", handshake(value))), "websocket", value);
    }
    for (const value of ["", "h2c", "HTTP/2.0", "websocketish"]) {
      assert.equal(upgradeProtocol(exchangeFor(gateway, "/a", handshake(value))), null, value);
      assert.doesNotThrow(() => refuseUpgrade(exchangeFor(gateway, "/a", handshake(value))));
    }
    const posted = exchangeFor(gateway, "/a", { ...handshake("websocket"), method: "POST", body: "x" });
    assert.equal(upgradeProtocol(posted), null);
    assert.throws(() => refuseUpgrade(posted), (error) => error instanceof GatewayError && error.status === 501);
  }));

Deno.test("upgradeProtocol() ignores an Upgrade that Connection does not name: whoever passed it on knows of no switch", () =>
  withUpgrades(["websocket"], (gateway) => {
    for (const connection of ["", "keep-alive", "upgrades, close"]) {
      const asked = exchangeFor(gateway, "/a", { headers: { connection, upgrade: "websocket" } });
      assert.equal(upgradeProtocol(asked), null, connection);
      assert.doesNotThrow(() => refuseUpgrade(asked));
    }
    const listed = exchangeFor(gateway, "/a", { headers: { connection: "keep-alive, Upgrade", upgrade: "websocket" } });
    assert.equal(upgradeProtocol(listed), "websocket");
  }));

Deno.test("refuseUpgrade() refuses WebSocket where the pool does not carry it", () =>
  withUpgrades([], (gateway) => {
    const asked = exchangeFor(gateway, "/a", handshake("websocket"));
    assert.equal(upgradeProtocol(asked), null);
    assert.throws(() => refuseUpgrade(asked), (error) => error instanceof GatewayError && error.status === 501);
  }));

const ok: ScriptedHandler = (exchange) => exchange.reply({ body: "good" });

Deno.test("refuseForwarding() answers 508 where its own name is in CDN-Loop, and asks nobody", () =>
  withOrigin(ok, async ({ ask }, origin) => {
    assert.equal((await ask("/a", { headers: { "cdn-loop": "other, usher-test" } })).status, 508);
    assert.equal(origin.heads.length, 0);
  }));

Deno.test("refuseForwarding() cuts a real loop: a gateway that leads to itself answers 508 and comes to rest", () =>
  withOrigin(ok, async (gateway, origin) => {
    const url = await gateway.serve();
    origin.handle(async (exchange) => {
      const headers = exchange.head.fields.filter(([name]) => name === "cdn-loop");
      const again = await fetch(`${url}${exchange.head.target}`, { headers });
      await exchange.reply({ status: again.status, body: await again.text() });
    });
    assert.equal((await gateway.ask("/a")).status, 508);
    assert.equal(origin.heads.length, 1);
  }));

Deno.test("refuseForwarding() refuses a WebSocket handshake that the pool does not carry", () =>
  withOrigin(ok, async ({ ask }, origin) => {
    const answer = await ask("/a", { headers: { connection: "upgrade", upgrade: "websocket" } });
    assert.equal(answer.status, 501);
    assert.equal(origin.heads.length, 0);
  }, { pool: { upgrade: [] } }));

Deno.test("refuseLoop() refuses what carries this process's own mark, wherever in the list", () =>
  withUpgrades([], (gateway) => {
    const asked = (list: string) => exchangeFor(gateway, "/a", { headers: { "cdn-loop": list } });
    for (const list of ["usher-test", "other, usher-test", "usher-test, other; x=1"]) {
      assert.throws(() => refuseLoop(asked(list)), (error) => {
        return error instanceof GatewayError && error.code === "loop_detected" && error.status === 508;
      });
    }
    refuseLoop(asked("other"));
    refuseLoop(exchangeFor(gateway, "/a"));
  }));
