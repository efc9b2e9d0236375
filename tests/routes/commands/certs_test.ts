import assert from "node:assert/strict";
import { join } from "node:path";
import { readCertificate } from "../../../lib/config/certificates.ts";
import { fileMode, readText } from "../../../lib/config/yaml/read_text.ts";
import { makeCerts } from "../../../routes/commands/certs.ts";
import { serving, textReply } from "../../server/serving.ts";
import { askOnce } from "../../server/tls_serving.ts";
import { TlsFront } from "../../../lib/server/tls_identity.ts";

const names = ["api.themoviedb.org", "image.tmdb.org", "127.0.0.1"];

/** Makes certificates in a folder of its own. */
async function made(directory: string, more: Partial<Parameters<typeof makeCerts>[0]> = {}) {
  return await makeCerts({ directory, names, nowMs: Date.now(), renewAuthority: false, ...more });
}

Deno.test("makeCerts(): a client that is given ca.pem takes what a listener shows with cert.pem and key.pem", async () => {
  const directory = await Deno.makeTempDir();
  const file = (name: string) => join(directory, name);
  assert.equal((await made(directory)).isNewAuthority, true);
  const read = await readCertificate({ certFile: file("cert.pem"), keyFile: file("key.pem"), place: "" }, {
    readTextFile: readText,
    fileMode,
  });
  assert.ok(read.ok);
  assert.deepEqual([read.warnings, read.certificate.names], [[], names]);
  assert.equal((await fileMode(file("ca.key")))! & 0o777, 0o600);
  const front = new TlsFront({ identities: [read.certificate], minVersion: "1.2", http2: true });
  await using running = await serving(() => textReply("x"), { tls: front });
  const ca = await Deno.readTextFile(file("ca.pem"));
  for (const servername of ["api.themoviedb.org", "image.tmdb.org"]) {
    assert.match(await askOnce(running.address, { ca, servername }), /x$/);
  }
  await assert.rejects(askOnce(running.address, { ca, servername: "other.example" }));
  await Deno.remove(directory, { recursive: true });
});

Deno.test("makeCerts(): a second run goes on with the authority, for its names alone, until it is told to make another", async () => {
  const directory = await Deno.makeTempDir();
  const ca = () => Deno.readTextFile(join(directory, "ca.pem"));
  const cert = () => Deno.readTextFile(join(directory, "cert.pem"));
  await made(directory);
  const [firstCa, firstCert] = [await ca(), await cert()];
  assert.equal((await made(directory, { names: ["api.themoviedb.org", "a.image.tmdb.org"] })).isNewAuthority, false);
  assert.equal(await ca(), firstCa);
  assert.notEqual(await cert(), firstCert);
  await assert.rejects(
    made(directory, { names: ["usher.lan"] }),
    /is for api\.themoviedb\.org, image\.tmdb\.org, 127\.0\.0\.1 alone, not for usher\.lan: .*--new-authority/,
  );
  await made(directory, { names: ["usher.lan"], renewAuthority: true });
  assert.notEqual(await ca(), firstCa);
  await Deno.remove(directory, { recursive: true });
});
