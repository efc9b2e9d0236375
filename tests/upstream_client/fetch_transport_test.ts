import assert from "node:assert/strict";
import { systemClock } from "../../lib/clock.ts";
import { createFetchTransport, fetchUrl } from "../../lib/upstream_client/fetch_transport.ts";
import { UpstreamFailure } from "../../lib/upstream_client/transport.ts";
import { fetchServer } from "./_fetch_server.ts";
import { answering, RawServer } from "./_raw_server.ts";
import { eventually, failureOf, PATIENT, sourced, streamed } from "./_sending.ts";
import { caCert, serverTls } from "./egress_servers.ts";

const options = { deadlines: PATIENT };

Deno.test("createFetchTransport() speaks HTTP/2 where the upstream does", async () => {
  const preface = Promise.withResolvers<string | null>();
  const tls = { ...serverTls, alpnProtocols: ["h2", "http/1.1"] };
  await using server = new RawServer(async (connection) => preface.resolve(await connection.readSome()), tls);
  const transport = createFetchTransport({
    url: new URL(`https://localhost:${server.port}`),
    caCerts: [caCert],
    allowPrivate: false,
    maxRequests: 1,
    clock: systemClock,
  });
  const request = { method: "GET", target: "/", fields: [["host", `localhost:${server.port}`]] as [string, string][] };
  await assert.rejects(transport.send({ ...request, body: null }, options), { name: "UpstreamFailure" });
  assert.match(await preface.promise ?? "", /^PRI \* HTTP\/2\.0/);
  transport.close();
});

Deno.test("createFetchTransport() carries many requests on few connections, bounded", async () => {
  const release: (() => void)[] = [];
  await using server = fetchServer(() => new Promise((resolve) => release.push(() => resolve(new Response("ok")))));
  const send = () => server.transport.send(server.request("GET", "/"), options);
  const sent = [send(), send(), send(), send()];
  await eventually(() => release.length === 4);
  const failure = await failureOf(send(), "crowded");
  assert.equal(failure.requestSent, false);
  assert.equal(server.transport.stats().open, 4);
  for (const answer of release) answer();
  for (const response of await Promise.all(sent)) assert.equal((await response.body.readAll(10)).length, 2);
  assert.equal(server.transport.stats().open, 0);
});

Deno.test("createFetchTransport() refuses private addresses of public names, and looks again in time only", async () => {
  let lookups = 0;
  const lookup = () => Promise.resolve([lookups++ === 0 ? "127.0.0.1" : "127.0.0.2"]);
  const url = new URL("https://api.themoviedb.org");
  const made = { url, caCerts: [], maxRequests: 1, clock: systemClock, lookup };
  const transport = createFetchTransport({ ...made, allowPrivate: false });
  const request = { method: "GET", target: "/?api_key=hunter2", fields: [["host", url.host]], body: null };
  const failure = await failureOf(transport.send(request as never, options), "refused_address");
  assert.match(failure.message, /127\.0\.0\.1/);
  assert.deepEqual([failure.requestSent, lookups], [false, 1]);
  assert.equal(transport.stats().open, 0);
  transport.close();
  await failureOf(transport.send(request as never, options), "aborted");
});

Deno.test("createFetchTransport() says what failed without the URL, which may hold a key", async () => {
  await using plain = answering("HTTP/1.1 400 Bad Request\r\n\r\n");
  await using strange = fetchServer(() => new Response("ok"), { caCerts: [] });
  const tls = await failureOf(strange.transport.send(strange.request("GET", "/?api_key=hunter2"), options), "tls");
  const transport = createFetchTransport({
    url: new URL(`https://localhost:${plain.port}`),
    caCerts: [],
    allowPrivate: false,
    maxRequests: 1,
    clock: systemClock,
  });
  const fields: [string, string][] = [["host", `localhost:${plain.port}`]];
  const request = { method: "GET", target: "/?api_key=hunter2", fields, body: null };
  const failure = await transport.send(request, { deadlines: { ...PATIENT, connectMs: 50, firstByteMs: 50 } }).catch((
    error,
  ) => error);
  for (const error of [tls, failure]) {
    assert.equal(error.name, "UpstreamFailure");
    assert.doesNotMatch(`${error.message} ${error.stack} ${error.cause}`, /hunter2/);
  }
  transport.close();
});

Deno.test("createFetchTransport() refuses another Host or protocol, schemes without TLS and no room at all", async () => {
  await using server = fetchServer(() => new Response("ok"));
  const request = { ...server.request("GET", "/"), fields: [["host", "other.example"]] as [string, string][] };
  assert.equal((await failureOf(server.transport.send(request, options), "unsendable")).requestSent, false);
  const upgrading = server.transport.send(server.request("GET", "/"), { ...options, upgrade: "websocket" });
  await failureOf(upgrading, "unsendable");
  const made = { caCerts: [], allowPrivate: false, clock: systemClock };
  assert.throws(() => createFetchTransport({ ...made, url: new URL("http://x"), maxRequests: 1 }), RangeError);
  assert.throws(() => createFetchTransport({ ...made, url: new URL("https://x"), maxRequests: 0 }), RangeError);
});

Deno.test("createFetchTransport() goes on after retire() with nothing kept, and ends what runs at close()", async () => {
  const release: (() => void)[] = [];
  await using server = fetchServer((request) =>
    request.url.endsWith("/slow")
      ? new Promise((resolve) => release.push(() => resolve(new Response("slow"))))
      : new Response("ok")
  );
  const slow = server.transport.send(server.request("GET", "/slow"), options);
  await eventually(() => release.length === 1);
  server.transport.retire();
  const quick = await server.transport.send(server.request("GET", "/"), options);
  assert.equal((await quick.body.readAll(10)).length, 2);
  server.transport.close();
  release[0]?.();
  assert.equal((await (await slow).body.readAll(10)).length, 4);
  assert.equal(server.transport.stats().open, 0);
});

Deno.test("createFetchTransport() sends what is to go once on connections of its own, and never again", async () => {
  const seen: string[] = [];
  await using server = new RawServer(async (connection) => {
    // Answers the first request of a connection, and breaks off at the second and at what is to be lost.
    for (let turn = 1; turn <= 2; turn++) {
      const target = (await connection.readRequest())?.head.split(" ")[1];
      if (target === undefined) return;
      seen.push(target);
      if (turn > 1 || target === "/lost") return;
      await connection.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    }
  }, serverTls);
  const transport = createFetchTransport({
    url: new URL(`https://localhost:${server.port}`),
    caCerts: [caCert],
    allowPrivate: false,
    maxRequests: 1,
    clock: systemClock,
  });
  const fields: [string, string][] = [["host", `localhost:${server.port}`]];
  const send = (target: string, method = "GET", once = false) =>
    transport.send({ method, target, fields, body: null }, { ...options, once });
  const good = async (sent: ReturnType<typeof send>) => assert.equal((await (await sent).body.readAll(10)).length, 2);
  await good(send("/a"));
  await good(send("/b", "GET", true));
  await good(send("/c", "DELETE"));
  await good(send("/d", "POST"));
  await failureOf(send("/lost", "GET", true), "reset");
  await failureOf(send("/lost", "POST"), "reset");
  assert.deepEqual(seen, ["/a", "/b", "/c", "/d", "/lost", "/lost"]);
  transport.close();
});

Deno.test("createFetchTransport() refuses what fetch throws for, before anything is sent: it says nothing of the upstream", async () => {
  await using server = fetchServer(() => new Response("ok"));
  const body = () => streamed([new Uint8Array(2)], 2);
  const requests = [
    ...["TRACE", "TRACK", "track", "connect"].map((method) => server.request(method, "/")),
    ...["GET", "HEAD", "get"].map((method) => server.request(method, "/", { body: body() })),
  ];
  for (const request of requests) {
    const { requestSent } = await failureOf(server.transport.send(request, options), "unsendable");
    assert.equal(requestSent, false, request.method);
  }
  assert.equal(server.transport.stats().open, 0);
});

Deno.test("createFetchTransport() takes a body that stalls for its source's doing", async () => {
  await using server = fetchServer(async (request) => new Response(await request.text().catch(() => "cut")));
  const stalled = sourced(2, () => new Promise(() => {}));
  const request = server.request("POST", "/", { body: stalled.body });
  await failureOf(server.transport.send(request, { deadlines: { ...PATIENT, idleMs: 50 } }), "aborted");
});

const ORIGIN = "https://upstream.example";

Deno.test("fetchUrl() keeps the meaning of every byte through a URL parser", () => {
  const cases: [target: string, seen: string][] = [
    ["/a//b;c=1?q=x&&y=%20", "/a//b;c=1?q=x&&y=%20"],
    ["/t/p/w780_filter(duotone,ffffff,bababa)//a.jpg", "/t/p/w780_filter(duotone,ffffff,bababa)//a.jpg"],
    ["/\xe9?\xe9", "/%E9?%E9"],
    ["/a#b?c#d", "/a%23b?c%23d"],
    ["/a\\..\\b", "/a%5C..%5Cb"],
    ["/a%2Fb%2e", "/a%2Fb%2e"],
    ["//evil.example/x", "//evil.example/x"],
    ["/?", "/?"],
    ["/x?a=/../b", "/x?a=/../b"],
  ];
  for (const [target, seen] of cases) {
    const url = new URL(fetchUrl(ORIGIN, target));
    assert.equal(url.origin, ORIGIN, target);
    assert.equal(url.href.slice(ORIGIN.length), seen, target);
  }
});

Deno.test("fetchUrl() refuses what a URL parser would resolve away, and what is no path", () => {
  for (
    const target of ["/a/../b", "/..", "/.", "/a/%2e%2E/b", "/a/.%2e", "/a/%2E", "*", "http://x/", "", "@evil.example/"]
  ) {
    assert.throws(() => fetchUrl(ORIGIN, target), (error) => {
      assert.ok(error instanceof UpstreamFailure, target);
      assert.deepEqual([error.kind, error.requestSent], ["unsendable", false]);
      return true;
    });
  }
});
