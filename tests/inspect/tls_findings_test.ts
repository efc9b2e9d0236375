import assert from "node:assert/strict";
import type { Config } from "../../lib/config/config.ts";
import type { CertificateConfig } from "../../lib/config/certificates.ts";
import { tlsFindings } from "../../lib/inspect/tls_findings.ts";
import { DAY_MS, madeAuthority } from "../certificates/made.ts";

const authority = await madeAuthority();
const nowMs = Date.now();

function used(cert: string, names: readonly string[], notAfterMs = nowMs + 90 * DAY_MS): CertificateConfig {
  return { certFile: "c.pem", keyFile: "k.pem", cert, key: "", names, notAfterMs, place: "" };
}

function findings(
  certificate: CertificateConfig,
  hosts: readonly string[] = [],
  forwardProxies: readonly { name: string; hosts: string[]; others: string[] }[] = [],
): string[] {
  const tls = { certificates: [certificate], minVersion: null, http2: null };
  const listener = { listen: { hostname: "0.0.0.0", port: 443 }, hosts, tls };
  const config = { admin: { tls: null }, listeners: [listener], forwardProxies } as unknown as Config;
  return tlsFindings(config, nowMs).map(({ check, state, text }) =>
    `${check} ${state} ${text.replace(/\d{4}-\d\d-\d\d/, "DATE")}`
  );
}

Deno.test("tlsFindings() says how a client will see a certificate: its time, its chain, its names", async () => {
  const { cert } = await authority.leaf(["one.example", "*.two.example"]);
  const whole = used(cert + authority.ca, ["one.example", "*.two.example"]);
  assert.deepEqual(findings(whole, ["one.example", "a.two.example", "*.two.example"]), [
    "certificate ok c.pem: it expires in 90 days (DATE)",
    "chain ok c.pem: from an authority of your own, An authority of a test",
  ]);
  assert.deepEqual(findings(whole, ["three.example"]).slice(2), [
    "names fail 0.0.0.0:443: no certificate names three.example",
  ]);
  const [, alone] = findings(used(cert, ["one.example"]));
  assert.equal(alone, "chain warn c.pem: ends at An authority of a test, which is no authority that clients know");
  const [, strange] = findings(used(cert + (await madeAuthority()).ca, ["one.example"]));
  assert.equal(strange, "chain fail c.pem: certificate 2 of the file has not signed the one before it");
  const [expired] = findings(used(cert, [], nowMs - 2.5 * DAY_MS));
  assert.equal(expired, "certificate fail c.pem: it has expired (DATE, 2 days ago)");
  const [soon] = findings(used(cert, [], nowMs + 2.5 * DAY_MS));
  assert.equal(soon, "certificate warn c.pem: it expires in 2 days (DATE)");
});

Deno.test("tlsFindings() says whether tunnels of a forward proxy end at a certificate for their host", async () => {
  const { cert } = await authority.leaf(["one.example"]);
  const certificate = used(cert + authority.ca, ["one.example"]);
  const proxy = (hosts: string[], others: string[]) => ({ name: "way", hosts, others });
  assert.deepEqual(findings(certificate, [], [proxy(["one.example"], []), proxy(["one.example"], ["*"])]).slice(2), [
    "forward proxy ok way: serves one.example; others are refused",
    "forward proxy ok way: serves one.example; others go through a tunnel",
  ]);
  assert.deepEqual(findings(certificate, [], [proxy(["one.example", "two.example"], [])]).slice(2), [
    "forward proxy fail way: no certificate names two.example",
  ]);
});
