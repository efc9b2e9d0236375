import assert from "node:assert/strict";
import { peerFindings } from "../../lib/inspect/diagnose_peers.ts";
import type { PeerFigures } from "../../lib/server/peer_sight.ts";

const PROXY = "172.18.0.2";
const seen = (more: Partial<PeerFigures>): PeerFigures => ({
  connections: 40,
  forwarding: 0,
  trusted: 0,
  only: PROXY,
  ...more,
});
const finding = (peers: PeerFigures | null, trusted: readonly string[] = []) => {
  const [only = null, ...others] = peerFindings(peers, trusted);
  assert.deepEqual(others, []);
  return only;
};

Deno.test("peerFindings() warns of a proxy that names its clients and is not trusted, and says what to add", () => {
  const found = finding(seen({ forwarding: 40 }))!;
  assert.equal(found.state, "warn");
  assert.match(found.text, /^40 of 40 connections from 172\.18\.0\.2 name another client/);
  assert.match(found.remedy!, /add 172\.18\.0\.2 to `server\.trusted_proxies`/);
  // An edge with many addresses, some of which are in the list.
  const edge = finding(seen({ forwarding: 30, only: null, trusted: 500 }))!;
  assert.equal(edge.state, "warn");
  assert.match(edge.remedy!, /the addresses of your proxy/);
});

Deno.test("peerFindings() says that a reload is missing where the file trusts the proxy already", () => {
  const found = finding(seen({ forwarding: 40 }), ["172.18.0.0/16"])!;
  assert.deepEqual([found.state, found.remedy], ["warn", "`deno task reload` brings it into force"]);
});

Deno.test("peerFindings() tells of one address for all without a warning, and of nothing that is as it should be", () => {
  const found = finding(seen({}))!;
  assert.equal(found.state, "ok");
  assert.match(found.text, /^all 40 connections came from 172\.18\.0\.2: one client, or something in front/);
  for (
    const quiet of [
      null,
      seen({ connections: 9, forwarding: 9 }),
      seen({ only: "127.0.0.1" }),
      seen({ only: null }),
      seen({ only: null, forwarding: 3 }),
      seen({ trusted: 7 }),
    ]
  ) assert.equal(finding(quiet), null, JSON.stringify(quiet));
});
