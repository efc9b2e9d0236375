import assert from "node:assert/strict";
import type { Http1TransportOptions } from "../../lib/upstream_client/http1_transport.ts";
import type { FailureKind, UpstreamFailure } from "../../lib/upstream_client/transport.ts";
import { caCert, httpProxy, serverTls } from "./egress_servers.ts";
import { answering, latin1, RawServer } from "./_raw_server.ts";
import { eventually, exchange, failureOf, leakless, PATIENT, request, streamed, transportTo } from "./_sending.ts";

const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const HOSTS = { "upstream.example": "127.0.0.1" };
/** No name of an upstream is looked up where a proxy does it. */
const lookup = () => Promise.reject(new Error("looked up"));

function secureServer(): RawServer {
  return new RawServer(async (connection) => {
    while (await connection.readRequest() !== null) await connection.write(OK);
  }, serverTls);
}

function through(port: number, url: URL, options: Partial<Http1TransportOptions> = {}) {
  return transportTo(url, { proxy: new URL(`http://127.0.0.1:${port}`), lookup, caCerts: [caCert], ...options });
}

Deno.test(leakless("openHttpTunnel() reaches an https upstream by name, and keeps the connection", async () => {
  await using server = secureServer();
  await using proxy = httpProxy({ hosts: HOSTS });
  const transport = through(proxy.port, new URL(`https://upstream.example:${server.port}`));
  for (let turn = 0; turn < 3; turn++) assert.deepEqual(await exchange(transport), [200, "ok"]);
  assert.deepEqual(proxy.asked, [`CONNECT upstream.example:${server.port} HTTP/1.1`]);
  assert.deepEqual(transport.stats(), { open: 1, idle: 1 });
  transport.close();
  await eventually(() => server.openCount === 0 && proxy.openCount === 0);
}));

Deno.test(leakless("openHttpTunnel() goes through an HTTPS proxy, TLS inside TLS", async () => {
  await using server = secureServer();
  await using proxy = httpProxy({ hosts: HOSTS, isSecure: true, user: "me", password: "p@ss" });
  const transport = through(proxy.port, new URL(`https://upstream.example:${server.port}`), {
    proxy: new URL(`https://me:p%40ss@127.0.0.1:${proxy.port}`),
  });
  for (let turn = 0; turn < 3; turn++) assert.deepEqual(await exchange(transport), [200, "ok"]);
  assert.equal(proxy.accepted, 1);
  transport.close();
  await eventually(() => server.openCount === 0 && proxy.openCount === 0);
}));

Deno.test(leakless("openHttpTunnel() connects to a pinned address with the upstream's own TLS name", async () => {
  await using server = secureServer();
  await using proxy = httpProxy();
  const url = new URL(`https://upstream.example:${server.port}`);
  const transport = through(proxy.port, url, { address: "127.0.0.1" });
  assert.deepEqual(await exchange(transport), [200, "ok"]);
  assert.deepEqual(proxy.asked, [`CONNECT 127.0.0.1:${server.port} HTTP/1.1`]);
  transport.close();
}));

Deno.test(leakless("an http upstream is asked for in absolute form, with credentials on each request", async () => {
  await using server = new RawServer(async (connection) => {
    for (let got = await connection.readRequest(); got !== null; got = await connection.readRequest()) {
      const line = got.head.split("\r\n")[0];
      const body = `${line}|${/proxy-auth/i.test(got.head)}|${got.body}`;
      await connection.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    }
  });
  await using proxy = httpProxy({ hosts: HOSTS, user: "me", password: "x" });
  const transport = through(proxy.port, new URL(`http://upstream.example:${server.port}`), {
    proxy: new URL(`http://me:x@127.0.0.1:${proxy.port}`),
  });
  const fields: [string, string][] = [["host", `upstream.example:${server.port}`]];
  const get = { ...request("GET", "/a//b?c"), fields };
  assert.deepEqual(await exchange(transport, get), [200, "GET /a//b?c HTTP/1.1|false|"]);
  const body = streamed([latin1("abc")], 3);
  assert.deepEqual(await exchange(transport, { ...request("POST", "/p", body), fields }), [
    200,
    "POST /p HTTP/1.1|false|abc",
  ]);
  assert.equal(proxy.asked[0], `GET http://upstream.example:${server.port}/a//b?c HTTP/1.1`);
  await failureOf(exchange(transport, request()), "unsendable");
  transport.close();
}));

Deno.test(leakless("a proxy's 407 is the proxy's failure, in absolute form too", async () => {
  await using server = answering(OK);
  await using proxy = httpProxy({ user: "me", password: "right" });
  const forms: [url: URL, fields: [string, string][]][] = [
    [server.url, [["host", server.url.host]]],
    [new URL(`https://upstream.example:${server.port}`), [["host", "upstream.example"]]],
  ];
  for (const [url, fields] of forms) {
    for (const credentials of ["", "me:hunter2@"]) {
      const transport = through(proxy.port, url, { proxy: new URL(`http://${credentials}127.0.0.1:${proxy.port}`) });
      const failure = await failureOf(transport.send({ ...request(), fields }, { deadlines: PATIENT }), "proxy");
      assert.match(failure.message, /127\.0\.0\.1.*407|407.*127\.0\.0\.1/);
      assert.doesNotMatch(failure.message, /hunter2/);
      transport.close();
    }
  }
  assert.equal(server.accepted, 0);
}));

/** What a proxy says to CONNECT, the kind of failure it is, and what the message has to hold. */
const HOSTILE: [name: string, answer: string, kind: FailureKind, message: RegExp][] = [
  ["a refusal", "HTTP/1.1 403 Forbidden\r\n\r\n", "proxy", /CONNECT upstream\.example:\d+ refused with status 403/],
  ["a redirect", "HTTP/1.1 302 Found\r\nlocation: http://evil.example/\r\n\r\n", "proxy", /302/],
  [
    "an unreachable upstream",
    "HTTP/1.1 502 Bad Gateway\r\n\r\n",
    "connect",
    /cannot reach upstream\.example:\d+: status 502/,
  ],
  ["a late upstream", "HTTP/1.1 504 Gateway Timeout\r\n\r\n", "connect", /status 504/],
  ["no HTTP", "SSH-2.0-OpenSSH_9.6\r\n\r\n", "proxy", /not HTTP/],
  ["bare line feeds", "HTTP/1.1 200 OK\n\n", "proxy", /not HTTP/],
  ["a close", "", "proxy", /closed without an answer/],
  ["half an answer", "HTTP/1.1 200 OK\r\nx: ", "proxy", /closed without an answer/],
  ["an endless answer", `HTTP/1.1 200 OK\r\n${"x: y\r\n".repeat(5000)}`, "proxy", /over 16384 bytes/],
  ["interim responses without end", "HTTP/1.1 100 Continue\r\n\r\n".repeat(6), "proxy", /interim/],
  ["words put into the upstream's mouth", `HTTP/1.1 200 OK\r\n\r\n${OK}`, "proxy", /bytes after/],
];

for (const [name, answer, kind, message] of HOSTILE) {
  Deno.test(leakless(`openHttpTunnel() survives a proxy that gives ${name}`, async () => {
    await using proxy = new RawServer(async (connection) => {
      await connection.readRequest();
      await connection.write(answer);
    });
    const transport = through(proxy.port, new URL("https://upstream.example:8443"));
    const failure: UpstreamFailure = await failureOf(transport.send(request(), { deadlines: PATIENT }), kind);
    assert.match(failure.message, message);
    assert.ok(failure.message.includes(`proxy http://127.0.0.1:${proxy.port}`), failure.message);
    assert.equal(failure.requestSent, false);
    await eventually(() => proxy.openCount === 0);
    transport.close();
  }));
}

Deno.test(leakless("a proxy that hangs or drips costs no more than connectMs, and an abort ends it", async () => {
  await using hanging = new RawServer((connection) => connection.drain());
  await using dripping = new RawServer(async (connection) => {
    const drip = setInterval(() => connection.write("HTTP/1.1 200 OK\r\n".charAt(0)), 5);
    await connection.drain();
    clearInterval(drip);
  });
  for (const server of [hanging, dripping]) {
    const transport = through(server.port, new URL("https://upstream.example:8443"));
    const late = transport.send(request(), { deadlines: { ...PATIENT, connectMs: 40 } });
    assert.match((await failureOf(late, "connect_timeout")).message, /through proxy http:\/\/127/);
    const controller = new AbortController();
    const aborted = transport.send(request(), { deadlines: PATIENT, signal: controller.signal });
    setTimeout(() => controller.abort(), 10);
    await failureOf(aborted, "aborted");
    await eventually(() => server.openCount === 0);
    assert.deepEqual(transport.stats(), { open: 0, idle: 0 });
    transport.close();
  }
}));

Deno.test(leakless("failures say which hop: the proxy's name, its port, its TLS, the upstream's TLS", async () => {
  await using server = secureServer();
  await using proxy = httpProxy({ hosts: { ...HOSTS, "wrong.example": "127.0.0.1" } });
  const url = new URL(`https://upstream.example:${server.port}`);
  const told = async (options: Partial<Http1TransportOptions>, kind: FailureKind, target = url) => {
    const transport = through(proxy.port, target, options);
    const failure = await failureOf(transport.send(request(), { deadlines: PATIENT }), kind);
    transport.close();
    return failure.message;
  };
  assert.match(
    await told({ proxy: new URL("http://proxy.example:1") }, "proxy"),
    /proxy .*"proxy\.example" not resolved/,
  );
  let closedPort = 0;
  {
    await using closed = answering(OK);
    closedPort = closed.port;
  }
  assert.match(await told({ proxy: new URL(`http://127.0.0.1:${closedPort}`) }, "proxy"), /refused by 127\.0\.0\.1/);
  await using text = new RawServer(async (connection) => {
    await connection.readSome();
    await connection.write("HTTP/1.1 400 Bad Request\r\n\r\n");
    await connection.drain();
  });
  assert.match(await told({ proxy: new URL(`https://127.0.0.1:${text.port}`) }, "proxy"), /proxy https:/);
  assert.doesNotMatch(await told({}, "tls", new URL(`https://wrong.example:${server.port}`)), /proxy/);
}));
