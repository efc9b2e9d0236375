import assert from "node:assert/strict";
import { GatewayError } from "../../lib/errors.ts";
import { refusal, refuseUpgrade } from "../../lib/forward/refusal.ts";
import type { FieldSource } from "../../lib/http/field_source.ts";
import { splitTarget } from "../../lib/http/target.ts";

const HOST = { host: "gateway.test" };

function refused(method: string, url: string, fields: Record<string, string> = HOST): string | null {
  const source: FieldSource = { header: (name) => fields[name] ?? null };
  // A `Request` of one's own would change the address, as that of a server does not.
  return refusal({ method, url } as Request, splitTarget(url), source)?.code ?? null;
}

const CASES: [method: string, url: string, code: string | null][] = [
  ["GET", "http://gateway.test/", null],
  ["POST", "http://gateway.test/a?b", null],
  ["PROPFIND", "http://gateway.test/a", null],
  ["CONNECT", "http://gateway.test:443", "method_not_supported"],
  ["TRACE", "http://gateway.test/", "method_not_supported"],
  ["GET", "gateway.test:443", "bad_request"],
  ["GET", `http://gateway.test/${"x".repeat(16_000)}`, null],
  ["GET", `http://gateway.test/${"x".repeat(17_000)}`, "uri_too_long"],
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

Deno.test("refusal() wants a Host field", () => {
  assert.equal(refused("GET", "http://gateway.test/", {}), "bad_request");
  assert.equal(refused("GET", "http://gateway.test/", { host: "" }), "bad_request");
});

Deno.test("refuseUpgrade() refuses WebSocket in any list and case, and nothing else", () => {
  const upgrade = (value: string | null) => () => refuseUpgrade({ header: () => value });
  for (const value of ["websocket", "WebSocket", "h2c, websocket"]) {
    assert.throws(upgrade(value), (error) => error instanceof GatewayError && error.status === 501);
  }
  for (const value of [null, "", "h2c", "websocketish"]) assert.doesNotThrow(upgrade(value));
});
