import assert from "node:assert/strict";
import type { Fields } from "../../lib/http/fields.ts";
import { bodyFraming } from "../../lib/upstream_client/_body_framing.ts";
import { UpstreamFailure } from "../../lib/upstream_client/transport.ts";

function framing(fields: Fields, { method = "GET", status = 200, minor = 1 } = {}) {
  const { kind, lengthBytes, isPersistent } = bodyFraming(method, { status, minor, fields });
  return [kind, lengthBytes, isPersistent];
}

const CHUNKED: Fields = [["transfer-encoding", "Chunked"]];
const FIVE: Fields = [["content-length", "5"]];

Deno.test("bodyFraming() follows RFC 9112 §6.3", () => {
  assert.deepEqual(framing(FIVE), ["length", 5, true]);
  assert.deepEqual(framing([["content-length", "0"]]), ["none", 0, true]);
  assert.deepEqual(framing([["content-length", "999999999999999"]]), ["length", 999999999999999, true]);
  assert.deepEqual(framing(CHUNKED), ["chunked", null, true]);
  assert.deepEqual(framing([]), ["close", null, false]);
  assert.deepEqual(framing(FIVE, { method: "HEAD" }), ["none", 0, true]);
  assert.deepEqual(framing(CHUNKED, { method: "HEAD" }), ["none", 0, true]);
  assert.deepEqual(framing(FIVE, { status: 304 }), ["none", 0, true]);
  assert.deepEqual(framing([], { status: 204 }), ["none", 0, true]);
});

Deno.test("bodyFraming() does not keep a connection on which a 204 may be followed by a body", () => {
  assert.deepEqual(framing(FIVE, { status: 204 }), ["none", 0, false]);
  assert.deepEqual(framing(CHUNKED, { status: 204 }), ["none", 0, false]);
});

Deno.test("bodyFraming() reads persistence from version and Connection (RFC 9112 §9.3)", () => {
  const persistence = (minor: number, ...values: string[]) =>
    framing([...FIVE, ...values.map((value) => ["connection", value] as [string, string])], { minor })[2];
  assert.equal(persistence(1), true);
  assert.equal(persistence(1, "Close"), false);
  assert.equal(persistence(1, "x-a, close ,b"), false);
  assert.equal(persistence(1, "keep-alive", "close"), false);
  assert.equal(persistence(1, "closed"), true);
  assert.equal(persistence(0), false);
  assert.equal(persistence(0, "Keep-Alive"), true);
  assert.equal(persistence(0, "keep-alive, close"), false);
});

Deno.test("bodyFraming() reads the timeout of Keep-Alive", () => {
  const keepAliveMs = (value: string) =>
    bodyFraming("GET", { status: 200, minor: 1, fields: [["keep-alive", value]] }).keepAliveMs;
  assert.equal(keepAliveMs("timeout=5, max=100"), 5000);
  assert.equal(keepAliveMs("max=100,Timeout=15"), 15000);
  assert.equal(keepAliveMs("xtimeout=5"), null);
  assert.equal(keepAliveMs("max=3"), null);
});

Deno.test("bodyFraming() refuses what responses are smuggled with", () => {
  const bad: [Fields, { minor?: number; method?: string }?][] = [
    ...["", "-1", "+5", "5, 5", "0x5", "5.0", "5 5", "1e3", "9999999999999999"].map((value) =>
      [[["content-length", value]]] as [Fields]
    ),
    [[...FIVE, ...FIVE]],
    [[...FIVE, ["content-length", "6"]]],
    [[...FIVE, ...CHUNKED]],
    [[...CHUNKED, ...FIVE], { method: "HEAD" }],
    [[...CHUNKED, ...CHUNKED]],
    ...["", "gzip", "gzip, chunked", "chunked, gzip", "chunked, chunked", "identity", "chunked;q=1", "xchunked"].map(
      (value) => [[["transfer-encoding", value]]] as [Fields],
    ),
    [CHUNKED, { minor: 0 }],
  ];
  for (const [fields, options] of bad) {
    assert.throws(
      () => framing(fields, options),
      (error) => error instanceof UpstreamFailure && error.kind === "protocol",
      JSON.stringify(fields),
    );
  }
});
