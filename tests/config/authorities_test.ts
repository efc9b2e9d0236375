import assert from "node:assert/strict";
import { isCertificatePem } from "../../lib/config/authorities.ts";
import { CERTIFICATE } from "./_certificate.ts";
import { configOf, problemsOf, SOUND } from "./load_text.ts";

const WITH_CA = SOUND.replace("[https://one.example]", "[{ url: https://one.example, ca: ./ca.pem }]");

Deno.test("isCertificatePem() wants certificates that can be read, all of them", () => {
  assert.ok(isCertificatePem(CERTIFICATE));
  assert.ok(isCertificatePem(`# a comment\n${CERTIFICATE}\n${CERTIFICATE}`));
  for (
    const text of [
      "",
      "text",
      CERTIFICATE.replace("MII", "AII"),
      CERTIFICATE + CERTIFICATE.replace(/\n[^-]{8}/, "\n!!!!"),
    ]
  ) {
    assert.ok(!isCertificatePem(text), text);
  }
});

Deno.test("readAuthorities() puts the file's text into the configuration", async () => {
  const config = await configOf(WITH_CA, { files: { "/etc/usher/ca.pem": CERTIFICATE } });
  assert.equal(config.pools[0]?.upstreams[0]?.ca, CERTIFICATE);
});

Deno.test("readAuthorities() locates files that cannot be used", async () => {
  const place = '3:66 pools.a.upstreams[0].ca: found "./ca.pem" expected a readable PEM file of certificates';
  assert.deepEqual(await problemsOf(WITH_CA), [`${place}, but there is no such file`]);
  const files = { "/etc/usher/ca.pem": "-----BEGIN SOMETHING ELSE-----\nhunter2\n-----END SOMETHING ELSE-----\n" };
  assert.deepEqual(await problemsOf(WITH_CA, { files }), [`${place}, but it holds no usable certificate`]);
});
