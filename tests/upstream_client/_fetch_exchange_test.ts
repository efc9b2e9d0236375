import assert from "node:assert/strict";
import zlib from "node:zlib";
import { fieldValue } from "../../lib/http/fields.ts";
import { fetchServer } from "./_fetch_server.ts";
import { latin1 } from "./_raw_server.ts";
import { eventually, failureOf, PATIENT, streamed } from "./_sending.ts";

const options = { deadlines: PATIENT };

Deno.test("FetchExchange leaves encoded bodies as they are, with their length and label", async () => {
  const gzip = new Uint8Array(zlib.gzipSync("hello ".repeat(100)));
  const asked: (string | null)[] = [];
  await using server = fetchServer((request) => {
    asked.push(request.headers.get("accept-encoding"));
    return new Response(gzip, { headers: { "content-encoding": "gzip", etag: '"strong"' } });
  });
  for (const fields of [[], [["accept-encoding", "gzip, br"]]] as [string, string][][]) {
    const response = await server.transport.send(server.request("GET", "/", { fields }), options);
    assert.equal(fieldValue(response.fields, "content-encoding"), "gzip");
    assert.deepEqual(await response.body.readAll(10_000), gzip);
  }
  assert.deepEqual(asked, ["identity", "identity"]);
});

Deno.test("FetchExchange follows no redirect, and gives nothing after HEAD, 204 and 304", async () => {
  await using server = fetchServer((request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/moved") return new Response(null, { status: 302, headers: { location: "/elsewhere" } });
    if (request.method === "HEAD") return new Response(null, { headers: { "content-length": "7" } });
    return new Response(null, { status: Number(pathname.slice(1)), headers: { etag: '"x"' } });
  });
  const cases: [method: string, target: string, status: number][] = [
    ["GET", "/moved", 302],
    ["HEAD", "/head", 200],
    ["GET", "/204", 204],
    ["GET", "/304", 304],
  ];
  for (const [method, target, status] of cases) {
    const response = await server.transport.send(server.request(method, target), options);
    assert.equal(response.status, status);
    assert.equal((await response.body.readAll(0)).length, 0);
  }
  await eventually(() => server.transport.stats().open === 0);
});

Deno.test("FetchExchange sends a body whole, or lets the upstream see that it is not", async () => {
  const bodies: string[] = [];
  const broken = { count: 0 };
  await using server = fetchServer(async (request) => {
    try {
      bodies.push(await request.text());
    } catch {
      broken.count++;
    }
    return new Response("ok");
  });
  const whole = streamed([latin1("ab"), latin1("c")], 3);
  const response = await server.transport.send(server.request("POST", "/", { body: whole }), options);
  assert.equal((await response.body.readAll(10)).length, 2);
  for (const body of [streamed([latin1("ab")], 3), streamed([latin1("abcd")], 3)]) {
    const sending = server.transport.send(server.request("POST", "/", { body }), options);
    assert.equal((await failureOf(sending, "aborted")).requestSent, true);
  }
  await eventually(() => server.transport.stats().open === 0);
  assert.deepEqual(bodies, ["abc"]);
});

Deno.test("FetchExchange keeps to its deadlines and to the caller's signal", async () => {
  const open: ReadableStreamDefaultController<Uint8Array>[] = [];
  await using server = fetchServer((request) => {
    if (request.url.endsWith("/late")) return new Promise(() => {});
    return new Response(
      new ReadableStream({
        start(controller) {
          controller.enqueue(new Uint8Array(3));
          open.push(controller);
        },
      }),
    );
  });
  const hurried = { connectMs: 1_000, firstByteMs: 20, idleMs: 30 };
  const late = server.transport.send(server.request("GET", "/late"), { deadlines: hurried });
  await failureOf(late, "first_byte_timeout");
  const { body } = await server.transport.send(server.request("GET", "/"), { deadlines: { ...PATIENT, idleMs: 30 } });
  await failureOf(body.readAll(100), "idle_timeout");
  const controller = new AbortController();
  const aborted = server.transport.send(server.request("GET", "/late"), { ...options, signal: controller.signal });
  setTimeout(() => controller.abort(), 5);
  await failureOf(aborted, "aborted");
  assert.equal(server.transport.stats().open, 0);
});

Deno.test("FetchExchange takes a body that breaks off for what it is", async () => {
  await using server = fetchServer(() =>
    new Response(
      new ReadableStream({
        start(controller) {
          controller.enqueue(new Uint8Array(3));
          setTimeout(() => controller.close(), 10);
        },
      }),
      { headers: { "content-length": "100" } },
    )
  );
  const { body } = await server.transport.send(server.request("GET", "/"), options);
  await assert.rejects(body.readAll(1000), { name: "UpstreamFailure" });
});
