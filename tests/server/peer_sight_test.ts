import assert from "node:assert/strict";
import { joinedPeers, type PeerFigures, PeerSight } from "../../lib/server/peer_sight.ts";
import { RawClient } from "./raw_client.ts";
import { serving, textReply } from "./serving.ts";
import { frontOf, http2Client } from "./tls_serving.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n";

Deno.test("a server notes where a connection comes from by its first request alone, over HTTP/2 too", async () => {
  await using running = await serving(() => textReply("x"), { tls: await frontOf() });
  await using plain = await serving(() => textReply("x"));
  using http2 = await http2Client(running.address);
  const fields = { ":path": "/", ":authority": "a" };
  await http2.ask({ ...fields, "x-forwarded-for": "192.0.2.7" });
  await http2.ask(fields);
  assert.deepEqual(running.server.peers.figures(), { connections: 1, forwarding: 1, trusted: 0, only: "127.0.0.1" });
  using client = await RawClient.to(plain.address);
  for (const more of ["", "X-Forwarded-For: 192.0.2.7\r\n"]) {
    await client.send(`${GET}${more}\r\n`);
    await client.response();
  }
  assert.deepEqual(plain.server.peers.figures(), { connections: 1, forwarding: 0, trusted: 0, only: "127.0.0.1" });
});

Deno.test("PeerSight remembers one address, and none once there were two; trusted proxies and unix sockets have none", () => {
  const sight = new PeerSight((address) => address === "10.0.0.1");
  const from = (peer: string, field = "") =>
    sight.note({
      connection: { peer, scheme: "http" },
      fields: { header: (name) => name === field ? "for=192.0.2.7" : null, list: () => [] },
    });
  from("10.0.0.1", "x-forwarded-for");
  from("unix");
  assert.deepEqual(sight.figures(), { connections: 0, forwarding: 0, trusted: 1, only: null });
  from("192.0.2.1");
  from("192.0.2.1", "forwarded");
  assert.deepEqual(sight.figures(), { connections: 2, forwarding: 1, trusted: 1, only: "192.0.2.1" });
  for (const peer of ["192.0.2.2", "192.0.2.2", "192.0.2.1"]) from(peer);
  assert.deepEqual(sight.figures(), { connections: 5, forwarding: 1, trusted: 1, only: null });
  sight.clear();
  from("192.0.2.3");
  assert.deepEqual(sight.figures(), { connections: 1, forwarding: 0, trusted: 0, only: "192.0.2.3" });
});

Deno.test("joinedPeers() adds workers up: one address where all that saw any saw the same", () => {
  const seen = (only: string | null, connections = 2): PeerFigures => ({
    connections,
    forwarding: 1,
    trusted: 3,
    only,
  });
  const none: PeerFigures = { connections: 0, forwarding: 0, trusted: 0, only: null };
  assert.deepEqual(joinedPeers([]), none);
  assert.deepEqual(joinedPeers([seen("a"), none, seen("a")]), { connections: 4, forwarding: 2, trusted: 6, only: "a" });
  assert.equal(joinedPeers([seen("a"), seen("b")]).only, null);
  assert.equal(joinedPeers([seen("a"), seen(null)]).only, null);
});
