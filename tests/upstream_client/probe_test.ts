import assert from "node:assert/strict";
import { systemClock } from "../../lib/clock.ts";
import { type ProbedFamily, type ProbedWay, probeWay } from "../../lib/upstream_client/probe.ts";
import type { Http1TransportOptions } from "../../lib/upstream_client/http1_transport.ts";
import { freePort } from "../free_port.ts";
import { caCert, httpProxy, serverTls, socks5Proxy } from "./egress_servers.ts";
import { RawServer } from "./_raw_server.ts";
import { leakless } from "./_sending.ts";

/** Long enough for a starved machine; only what hangs takes as long. */
const PATIENT_MS = 10_000;

function quiet(tls?: { cert: string; key: string }): RawServer {
  return new RawServer((connection) => connection.drain(), tls);
}

function options(url: string, more: Partial<Http1TransportOptions> = {}): Http1TransportOptions {
  return { url: new URL(url), caCerts: [], allowPrivate: true, maxConnections: 1, clock: systemClock, ...more };
}

/** Look-ups that answer from a table. */
function names(ipv4: string[], ipv6: string[] = []) {
  return (family: 4 | 6) => () => Promise.resolve(family === 4 ? ipv4 : ipv6);
}

function familiesOf(way: ProbedWay): readonly ProbedFamily[] {
  assert.ok(way.kind === "direct");
  return way.families;
}

Deno.test(leakless("probeWay() connects to an address as it is, and does not look it up", async () => {
  await using server = quiet();
  const [family, ...others] = familiesOf(await probeWay(options(server.url.href), { timeoutMs: PATIENT_MS }));
  assert.deepEqual([family!.family, family!.addresses, family!.lookup], [4, ["127.0.0.1"], null]);
  assert.equal(family!.tcp?.failure, null);
  assert.equal(family!.tls, null);
  assert.deepEqual(others, []);
}));

Deno.test(leakless("probeWay() looks each family up by itself and finds the broken one", async () => {
  await using server = quiet();
  const lookupOf = names(["127.0.0.1"], ["::1"]);
  const way = await probeWay(options(`http://two.example:${server.port}`), { timeoutMs: PATIENT_MS, lookupOf });
  const [four, six] = familiesOf(way);
  assert.deepEqual([four!.addresses, six!.addresses], [["127.0.0.1"], ["::1"]]);
  assert.equal(four!.tcp?.failure, null);
  assert.equal(six!.tcp?.failure?.kind, "connect");
}));

Deno.test(leakless("probeWay() refuses private addresses of a public name, and goes to a pinned one", async () => {
  await using server = quiet();
  const url = `http://blocked.example:${server.port}`;
  const deps = { timeoutMs: PATIENT_MS, lookupOf: names(["127.0.0.1"], ["::1"]) };
  for (const family of familiesOf(await probeWay(options(url, { allowPrivate: false }), deps))) {
    assert.deepEqual(family.refused, family.addresses);
    assert.equal(family.tcp, null);
  }
  assert.equal(server.accepted, 0);
  const [pinned] = familiesOf(await probeWay(options(url, { allowPrivate: false, address: "127.0.0.1" }), deps));
  assert.equal(pinned!.tcp?.failure, null);
}));

Deno.test(leakless("probeWay() gives up a look-up that hangs, and tells a name without addresses", async () => {
  const never = () => () => new Promise<string[]>(() => {});
  const [hanging] = familiesOf(await probeWay(options("http://slow.example"), { timeoutMs: 20, lookupOf: never }));
  assert.equal(hanging!.lookup?.failure?.kind, "connect_timeout");
  const lookupOf = names([]);
  for (
    const family of familiesOf(await probeWay(options("http://none.example"), { timeoutMs: PATIENT_MS, lookupOf }))
  ) {
    assert.deepEqual([family.lookup?.failure, family.addresses, family.tcp], [null, [], null]);
  }
}));

Deno.test(leakless("probeWay() resolves by the system where nothing else is said", async () => {
  await using server = quiet();
  const families = familiesOf(await probeWay(options(`http://localhost:${server.port}`), { timeoutMs: PATIENT_MS }));
  assert.ok(families[0]!.addresses.includes("127.0.0.1"));
  assert.equal(families[0]!.tcp?.failure, null);
}));

Deno.test(leakless("probeWay() tells a refused connection", async () => {
  const [family] = familiesOf(await probeWay(options(`http://127.0.0.1:${freePort()}`), { timeoutMs: PATIENT_MS }));
  assert.equal(family!.tcp?.failure?.kind, "connect");
  assert.ok(family!.tcp?.failure?.cause instanceof Deno.errors.ConnectionRefused);
}));

Deno.test(leakless("probeWay() shakes hands by TLS: trusted, untrusted, another's name", async () => {
  await using server = quiet(serverTls);
  const url = `https://127.0.0.1:${server.port}`;
  const tls = async (more: Partial<Http1TransportOptions>) =>
    familiesOf(await probeWay(options(url, more), { timeoutMs: PATIENT_MS }))[0]!.tls?.failure?.message ?? null;
  assert.equal(await tls({ caCerts: [caCert] }), null);
  assert.match((await tls({}))!, /UnknownIssuer/);
  assert.match((await tls({ caCerts: [caCert], tlsName: "wrong.example" }))!, /not valid for name/);
}));

Deno.test(leakless("probeWay() tells a certificate that has expired", async () => {
  const file = (name: string) => Deno.readTextFileSync(new URL(`./certs/${name}`, import.meta.url));
  await using server = quiet({ cert: file("expired.pem"), key: file("expired.key") });
  const trusting = options(`https://127.0.0.1:${server.port}`, {
    caCerts: [file("expired_ca.pem")],
    tlsName: "upstream.example",
  });
  const [family] = familiesOf(await probeWay(trusting, { timeoutMs: PATIENT_MS }));
  assert.match(family!.tls!.failure!.message, /certificate expired/);
}));

Deno.test(leakless("probeWay() tells a handshake that is cut short or hangs, and a port without TLS", async () => {
  const failureAt = async (
    handler: (connection: import("./_raw_server.ts").RawConnection) => Promise<void>,
    timeoutMs: number,
  ) => {
    await using server = new RawServer(handler);
    const [family] = familiesOf(await probeWay(options(`https://127.0.0.1:${server.port}`), { timeoutMs }));
    assert.equal(family!.tcp?.failure, null);
    return family!.tls!.failure!;
  };
  const cut = await failureAt(async (connection) => void await connection.readSome(), PATIENT_MS);
  assert.equal(cut.kind, "tls");
  assert.match(cut.message, /unexpected end of file|reset/i);
  const plain = await failureAt(async (connection) => {
    await connection.readSome();
    await connection.write("HTTP/1.1 400 Bad Request\r\n\r\n");
    await connection.drain();
  }, PATIENT_MS);
  assert.match(plain.message, /InvalidContentType/);
  const hanging = await failureAt((connection) => connection.drain(), 4_000);
  assert.match(hanging.message, /No answer within|canceled/);
}));

Deno.test(leakless("probeWay() goes through the proxy that is configured", async () => {
  await using server = quiet(serverTls);
  await using socks = socks5Proxy({ user: "me", password: "secret" });
  await using http = httpProxy();
  const url = `https://127.0.0.1:${server.port}`;
  const through = async (proxy: string) => {
    const way = await probeWay(options(url, { caCerts: [caCert], proxy: new URL(proxy) }), { timeoutMs: PATIENT_MS });
    assert.ok(way.kind === "proxy");
    assert.equal(JSON.stringify(way).includes("secret"), false);
    return way;
  };
  assert.equal((await through(`socks5://me:secret@127.0.0.1:${socks.port}`)).whole.failure, null);
  assert.equal((await through(`http://127.0.0.1:${http.port}`)).whole.failure, null);
  assert.deepEqual(socks.asked, [`127.0.0.1:${server.port}`]);
  assert.match(
    (await through(`socks5://me:wrong@127.0.0.1:${socks.port}`)).whole.failure!.message,
    /credentials refused/,
  );
  const gone = await through(`socks5://127.0.0.1:${freePort()}`);
  assert.equal(gone.whole.failure?.kind, "proxy");
}));
