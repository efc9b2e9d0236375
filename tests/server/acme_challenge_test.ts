import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { issueChallenge } from "../../lib/certificates/issue.ts";
import { fromPem } from "../../lib/certificates/der.ts";
import { keyPem, newKeyPair } from "../../lib/certificates/key_pair.ts";
import { NO_CHALLENGES } from "../../lib/server/acme_challenge.ts";
import { eventually, leakless } from "../eventually.ts";
import { RawClient } from "./raw_client.ts";
import { serving, textReply } from "./serving.ts";
import { AUTHORITY, firstMessage, frontOf, tlsClient } from "./tls_serving.ts";

const PYTHON = "/usr/bin/python3";
const PROTOCOL = ["acme-tls/1"];

/** A server with TLS that an authority asks about a name. */
async function asked(name: string, certificate: { cert: string; key: string }) {
  const running = await serving(() => textReply("x"), { tls: await frontOf(), limits: { handshakeTimeoutMs: 500 } });
  running.server.setChallenges({ texts: new Map(), certificates: new Map([[name, certificate]]) });
  return running;
}

Deno.test("the handshake of a challenge is one of TLS 1.3: a client that checks all of it takes it", async () => {
  await using running = await asked("localhost", await AUTHORITY.leaf(["localhost"]));
  using client = await tlsClient(running.address, { ALPNProtocols: PROTOCOL });
  assert.equal(client.socket.alpnProtocol, "acme-tls/1");
  assert.equal(client.socket.getProtocol(), "TLSv1.3");
  assert.equal(client.shown, "DNS:localhost");
  await eventually("openConnections is 0", () => running.server.counts.openConnections === 0);
  assert.equal(running.server.counts.handshakeFailures, 0);
});

Deno.test("a challenge is shown to who offers its protocol alone and asks for its name; all others get what they always get", async () => {
  await using running = await asked("one.example", await AUTHORITY.leaf(["one.example"]));
  const { counts } = running.server;
  const any = { checkServerIdentity: () => undefined };
  const shown = async (servername: string, ALPNProtocols: string[]) => {
    using client = await tlsClient(running.address, { ...any, servername, ALPNProtocols });
    return client.shown;
  };
  assert.equal(await shown("one.example", PROTOCOL), "DNS:one.example");
  assert.equal(await shown("one.example", ["http/1.1"]), "DNS:localhost, IP Address:127.0.0.1");
  assert.equal(await shown("one.example", [...PROTOCOL, "http/1.1"]), "DNS:localhost, IP Address:127.0.0.1");
  await assert.rejects(shown("two.example", PROTOCOL));
  await assert.rejects(
    tlsClient(running.address, { servername: "one.example", ALPNProtocols: PROTOCOL, maxVersion: "TLSv1.2" }),
  );
  running.server.setChallenges(NO_CHALLENGES);
  await assert.rejects(shown("one.example", PROTOCOL));
  await eventually("openConnections is 0", () => counts.openConnections === 0);
  assert.equal(counts.handshakeFailures, 3);
});

Deno.test(
  leakless("a client that asks for a challenge and says nothing more is closed when its time is over", async () => {
    await using running = await asked("localhost", await AUTHORITY.leaf(["localhost"]));
    using client = await RawClient.to(running.address);
    await client.send(await firstMessage({ ALPNProtocols: PROTOCOL }));
    await eventually("handshakeTimeouts is 1", () => running.server.counts.handshakeTimeouts === 1);
    await client.rest().catch(() => {});
    await running.server.close(10_000);
  }),
);

Deno.test({
  name: "OpenSSL is shown the certificate with its critical extension, over both curves (RFC 8737 §3)",
  ignore: !existsSync(PYTHON),
  async fn() {
    const keys = await newKeyPair();
    const keyAuthorization = "token.thumbprint";
    const cert = await issueChallenge({ name: "one.example", keyAuthorization, keys, nowMs: Date.now() });
    await using running = await asked("one.example", { cert, key: await keyPem(keys) });
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(keyAuthorization)));
    // The identifier, that it is critical, and an octet string in an octet string.
    const extension = `06082b0601050507011f0101ff04220420${digest.toHex()}`;
    for (const curve of ["", "prime256v1"]) {
      const { stdout, stderr } = await new Deno.Command(PYTHON, {
        args: ["-c", CLIENT, running.address.split(":").at(-1)!, curve],
      }).output();
      const [protocol, version, shown] = new TextDecoder().decode(stdout).trim().split(" ");
      assert.equal(protocol, "acme-tls/1", new TextDecoder().decode(stderr));
      assert.equal(version, "TLSv1.3");
      assert.equal(shown, fromPem("CERTIFICATE", cert)!.toHex());
      assert.ok(shown!.includes(extension));
    }
  },
});

const CLIENT = `
import socket, ssl, sys
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
context.set_alpn_protocols(["acme-tls/1"])
if sys.argv[2]: context.set_ecdh_curve(sys.argv[2])
with context.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[1]))), server_hostname="one.example") as one:
    print(one.selected_alpn_protocol(), one.version(), one.getpeercert(True).hex())
`;
