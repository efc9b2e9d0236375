import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { sentField, withOrigin } from "../pipeline/in_process_gateway.ts";

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
    assert.deepEqual(gateway.gateway.counts.upstreams["p"]![origin.url]!.outcomes, { cancelled: 1 });
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
    const head = "POST /a HTTP/1.1\r\nhost: gateway.test\r\ncontent-length: 1000\r\n\r\nhalf";
    await client.write(new TextEncoder().encode(head));
    while (origin.heads.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    client.close();
    await gateway.idle();
    assert.deepEqual(gateway.gateway.counts.upstreams["p"]![origin.url]!.outcomes, { cancelled: 1 });
    assert.equal(gateway.access()[0]!["status"], 499);
  }));
