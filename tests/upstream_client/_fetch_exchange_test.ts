import assert from "node:assert/strict";
import zlib from "node:zlib";
import { fieldValue } from "../../lib/http/fields.ts";
import { FetchBody, type FetchBodyOwner } from "../../lib/upstream_client/_fetch_exchange.ts";
import { UpstreamFailure } from "../../lib/upstream_client/transport.ts";
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

/** An owner that writes down what it is told. */
function recordingOwner(): FetchBodyOwner & { readonly told: string[] } {
  const told: string[] = [];
  return {
    told,
    arm: () => void told.push("arm"),
    disarm: () => void told.push("disarm"),
    finish: () => void told.push("finish"),
    fail(error) {
      told.push("fail");
      return error instanceof UpstreamFailure ? error : new UpstreamFailure("reset", String(error), true);
    },
  };
}

function bodyOf(chunks: string[], lengthBytes: number | null, onCancel = () => {}) {
  const owner = recordingOwner();
  const rest = chunks.map((chunk) => new TextEncoder().encode(chunk));
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      const chunk = rest.shift();
      if (chunk === undefined) controller.close();
      else controller.enqueue(chunk);
    },
    cancel: onCancel,
  }, { highWaterMark: 0 });
  return { owner, body: new FetchBody(owner, stream, lengthBytes) };
}

Deno.test("FetchBody hands chunks out in order and ends its exchange once", async () => {
  const { owner, body } = bodyOf(["ab", "c"], 3);
  assert.equal(new TextDecoder().decode(await body.readAll(3)), "abc");
  assert.equal(await body.read(), null);
  body.cancel();
  assert.deepEqual(owner.told.filter((what) => !what.includes("arm")), ["finish"]);
});

Deno.test("FetchBody takes no body for whole that is not of its length", async () => {
  await failureOf(bodyOf(["ab"], 3).body.readAll(10), "truncated");
  await failureOf(bodyOf(["abcd"], 3).body.readAll(10), "truncated");
  await failureOf(bodyOf(["abcd"], null).body.readAll(3), "too_large");
});

Deno.test("FetchBody cancels the stream when it is given up, once, and stays failed", async () => {
  let cancels = 0;
  const { owner, body } = bodyOf(["ab", "c"], 3, () => void cancels++);
  await body.read();
  body.cancel();
  body.cancel();
  await failureOf(body.read(), "aborted");
  assert.equal(cancels, 1);
  assert.equal(owner.told.filter((what) => what === "fail").length, 1);
});
