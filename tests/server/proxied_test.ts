import assert from "node:assert/strict";
import { eventually } from "../eventually.ts";
import { binaryProxyHeader } from "./proxy_headers.ts";
import { latin1, RawClient } from "./raw_client.ts";
import { serving, type ServingOptions, textReply } from "./serving.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const HEADER = "PROXY TCP4 192.0.2.1 198.51.100.1 50000 80\r\n";
const BINARY = binaryProxyHeader({ family: 0x11, addresses: [192, 0, 2, 2, 198, 51, 100, 1, 0, 1, 0, 2] });
const LOCAL = binaryProxyHeader({ command: 0x20, family: 0, addresses: [] });

function proxied(options: ServingOptions = {}) {
  return serving(({ connection }) => textReply(connection.peer), {
    hasProxyHeader: true,
    isTrusted: (address) => address === "127.0.0.1",
    ...options,
  });
}

for (
  const [name, header, peer] of [
    ["version 1", latin1(HEADER), "192.0.2.1"],
    ["version 2", BINARY, "192.0.2.2"],
    ["LOCAL", LOCAL, "127.0.0.1"],
    ["UNKNOWN", latin1("PROXY UNKNOWN\r\n"), "127.0.0.1"],
  ] as const
) {
  Deno.test(`a PROXY header, ${name}, names the client for all requests of its connection`, async () => {
    await using running = await proxied();
    using client = await RawClient.to(running.address);
    await client.send(new Uint8Array([...header, ...latin1(GET)]));
    assert.equal((await client.response()).body, peer);
    await client.send(GET);
    assert.equal((await client.response()).body, peer);
  });
}

Deno.test("a PROXY header is read however it is split", async () => {
  await using running = await proxied();
  for (const message of [latin1(HEADER + GET), new Uint8Array([...BINARY, ...latin1(GET)])]) {
    for (let at = 1; at < message.length; at++) {
      using client = await RawClient.to(running.address);
      await client.send(message.subarray(0, at));
      await new Promise((resolve) => setTimeout(resolve, 0));
      await client.send(message.subarray(at));
      assert.match((await client.response()).body, /^192\.0\.2\.[12]$/, `split at ${at}`);
    }
  }
});

Deno.test("a trusted peer without a PROXY header, or with a malformed one, is closed", async () => {
  await using running = await proxied();
  for (const message of [GET, "PROXY TCP4 nonsense\r\n" + GET]) {
    using client = await RawClient.to(running.address);
    await client.send(message);
    assert.equal(await client.rest().catch(() => ""), "");
  }
  assert.equal(running.server.counts.refusedProxyHeader, 2);
  assert.equal(running.server.counts.requests, 0);
});

Deno.test("a PROXY header that does not come in time closes the connection", async () => {
  await using running = await proxied({ limits: { headTimeoutMs: 50 } });
  using client = await RawClient.to(running.address);
  await client.send(HEADER.slice(0, 10));
  assert.equal(await client.rest(), "");
  assert.equal(running.server.counts.headTimeouts, 1);
});

Deno.test("a peer that is not trusted is served without a PROXY header, and refused with one", async () => {
  await using running = await proxied({ isTrusted: () => false });
  using client = await RawClient.to(running.address);
  await client.send(GET);
  assert.equal((await client.response()).body, "127.0.0.1");
  await client.send(HEADER + GET);
  assert.equal((await client.response()).status, 400);
});

Deno.test("every peer of a unix socket may send a PROXY header where they are expected", async () => {
  const folder = await Deno.makeTempDir({ prefix: "usher-" });
  try {
    await using running = await proxied({ target: { path: `${folder}/socket` }, isTrusted: () => false });
    using client = await RawClient.to(running.address);
    await client.send(HEADER + GET);
    assert.equal((await client.response()).body, "192.0.2.1");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("an address that a PROXY header names has as many connections as it may", async () => {
  await using running = await proxied({ limits: { perAddress: 1 } });
  using first = await RawClient.to(running.address);
  await first.send(HEADER + GET);
  assert.equal((await first.response()).body, "192.0.2.1");
  using refused = await RawClient.to(running.address);
  await refused.send(HEADER + GET);
  assert.equal(await refused.rest().catch(() => ""), "");
  assert.equal(running.server.counts.refusedAddress, 1);
  using other = await RawClient.to(running.address);
  await other.send(new Uint8Array([...BINARY, ...latin1(GET)]));
  assert.equal((await other.response()).body, "192.0.2.2");
  first[Symbol.dispose]();
  await eventually("the first has ended", () => running.server.counts.openConnections === 1);
  using next = await RawClient.to(running.address);
  await next.send(HEADER + GET);
  assert.equal((await next.response()).body, "192.0.2.1");
});
