import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { der, fromPem, toPem } from "../../lib/certificates/der.ts";
import { certificateRequest } from "../../lib/certificates/issue.ts";
import { keyPairOf, keyPem, newKeyPair } from "../../lib/certificates/key_pair.ts";
import { DAY_MS, madeAuthority, type MadeCertificate } from "./made.ts";

/** Whether a client that knows only `ca` takes the certificate for `hostname`. */
async function isTaken({ cert, key }: MadeCertificate, ca: string, hostname: string): Promise<boolean> {
  using listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert, key });
  const served = listener.accept().then(async (connection) => {
    await connection.handshake().catch(() => {});
    connection.close();
  });
  const socket = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  try {
    const secured = await Deno.startTls(socket, { hostname, caCerts: [ca] });
    await secured.handshake();
    secured.close();
    return true;
  } catch {
    return false;
  } finally {
    await served;
  }
}

Deno.test("issueLeaf() makes what a client takes that knows the authority, for its names and no others", async () => {
  const authority = await madeAuthority();
  const made = await authority.leaf(["one.example", "*.two.example", "127.0.0.1", "::1"]);
  const read = new X509Certificate(made.cert);
  assert.equal(
    read.subjectAltName,
    "DNS:one.example, DNS:*.two.example, IP Address:127.0.0.1, IP Address:::1",
  );
  assert.ok(read.checkPrivateKey(createPrivateKey(made.key)));
  assert.ok(read.verify(new X509Certificate(authority.ca).publicKey));
  for (const name of ["one.example", "a.two.example", "127.0.0.1"]) {
    assert.ok(await isTaken(made, authority.ca, name), name);
  }
  assert.ok(!await isTaken(made, authority.ca, "three.example"));
  assert.ok(!await isTaken(made, (await madeAuthority()).ca, "one.example"));
});

Deno.test("issueAuthority() with names vouches for nothing else (RFC 5280 §4.2.1.10)", async () => {
  const authority = await madeAuthority(["one.example", "127.0.0.1"]);
  assert.ok(await isTaken(await authority.leaf(["one.example"]), authority.ca, "one.example"));
  assert.ok(await isTaken(await authority.leaf(["127.0.0.1"]), authority.ca, "127.0.0.1"));
  assert.ok(!await isTaken(await authority.leaf(["other.example"]), authority.ca, "other.example"));
});

Deno.test("issueLeaf() ends when it is told, beyond 2050 too (RFC 5280 §4.1.2.5)", async () => {
  const authority = await madeAuthority();
  const ended = await authority.leaf(["one.example"], { notAfterMs: Date.now() - DAY_MS, notBeforeMs: 0 });
  assert.ok(!await isTaken(ended, authority.ca, "one.example"));
  const late = Date.UTC(2061, 1, 3, 4, 5, 6);
  const { cert } = await authority.leaf(["one.example"], { notAfterMs: late });
  assert.equal(Date.parse(new X509Certificate(cert).validTo), late);
});

Deno.test("keyPairOf() takes what keyPem() gives, and says where there is no key", async () => {
  const pem = await keyPem(await newKeyPair());
  assert.equal(await keyPem(await keyPairOf(pem)), pem);
  await assert.rejects(keyPairOf("nothing"), /no private key/);
});

Deno.test("certificateRequest() is signed by its key and names the hosts", async () => {
  const keys = await newKeyPair();
  const text = new TextDecoder("latin1").decode(await certificateRequest(["one.example", "two.example"], keys));
  assert.match(text, /one\.example.*two\.example/s);
});

Deno.test("der writes lengths, signs of numbers and object identifiers as X.690 has them", () => {
  assert.deepEqual([...der.integer(new Uint8Array([0, 0, 0x80]))], [2, 2, 0, 0x80]);
  assert.deepEqual([...der.oid("1.2.840.10045.4.3.2")], [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]);
  assert.deepEqual([...der.octets(new Uint8Array(200)).subarray(0, 4)], [4, 0x81, 200, 0]);
  assert.deepEqual([...der.octets(new Uint8Array(70_000)).subarray(0, 5)], [4, 0x83, 1, 0x11, 0x70]);
  assert.deepEqual(fromPem("X", toPem("X", new Uint8Array(100).fill(7))), new Uint8Array(100).fill(7));
  assert.equal(fromPem("Y", "text"), null);
});
