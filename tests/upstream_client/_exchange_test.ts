import assert from "node:assert/strict";
import type { Fields } from "../../lib/http/fields.ts";
import type { Deadlines, Transport } from "../../lib/upstream_client/transport.ts";
import { answering, RawServer } from "./_raw_server.ts";
import { exchange, failureOf, leakless, PATIENT, request, sourced, streamed, transportTo } from "./_sending.ts";

const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

type Interim = [status: number, fields: Readonly<Fields>];

/** Answers the first request of a connection with the given pieces, then waits for the client to close. */
function saying(...pieces: string[]): RawServer {
  return new RawServer(async (connection) => {
    await connection.readRequest();
    for (const piece of pieces) await connection.write(piece);
    await connection.drain();
  });
}

function get(transport: Transport, deadlines: Partial<Deadlines> = {}, signal?: AbortSignal) {
  return transport.send(request(), { deadlines: { ...PATIENT, ...deadlines }, signal });
}

Deno.test(leakless("run() tells when the field section was complete, by the given clock", async () => {
  await using server = answering(OK);
  const transport = transportTo(server.url, { clock: { now: () => 1_234 } });
  assert.equal((await get(transport)).receivedAtMs, 1_234);
  transport.close();
}));

Deno.test(
  leakless(
    "run() fails as first_byte_timeout on silence, on a trickled field section and on interim responses alone",
    async () => {
      const slow = new RawServer(async (connection) => {
        await connection.readRequest();
        const over = connection.readSome().then(() => true);
        const tick = () => new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 5));
        await connection.write("HTTP/1.1 200 OK\r\nx: ");
        while (!await Promise.race([over, tick()])) await connection.write("a");
      });
      for (const server of [saying(), slow, saying("HTTP/1.1 100 Continue\r\n\r\n"), saying("HTTP/1.1 200 OK\r\n")]) {
        await using _server = server;
        const transport = transportTo(server.url);
        const failure = await failureOf(get(transport, { firstByteMs: 40 }), "first_byte_timeout");
        assert.equal(failure.requestSent, true);
        assert.equal(transport.stats().open, 0);
        transport.close();
      }
    },
  ),
);

Deno.test(leakless("run() counts firstByteMs from the end of the upload, and the upload by idleMs", async () => {
  await using server = new RawServer(async (connection) => {
    await connection.readRequest();
    await connection.write(OK);
    await connection.drain();
  });
  const transport = transportTo(server.url);
  let sent = 0;
  const { body } = sourced(5, async () => {
    if (sent++ === 5) return null;
    await new Promise((resolve) => setTimeout(resolve, 500));
    return new Uint8Array(1);
  });
  const deadlines = { ...PATIENT, firstByteMs: 2_000 };
  const response = await transport.send(request("POST", "/", body), { deadlines });
  assert.equal(response.status, 200);
  transport.close();
}));

Deno.test(leakless("run() tells interim responses in order, but 100, before the final one", async () => {
  await using server = saying(
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n",
    "Link: </b>\r\nconnection: x\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n",
    OK,
  );
  const transport = transportTo(server.url);
  const seen: Interim[] = [];
  const onInterim = (status: number, fields: Readonly<Fields>) => void seen.push([status, fields]);
  const response = await transport.send(request(), { deadlines: PATIENT, onInterim });
  assert.deepEqual(seen, [
    [102, []],
    [103, [["link", "</a>"], ["link", "</b>"], ["connection", "x"]]],
    [103, []],
  ]);
  assert.equal((await response.body.readAll(2)).length, 2);
  transport.close();
}));

Deno.test(leakless("run() takes 16 interim responses and not one more", async () => {
  for (const count of [16, 17]) {
    await using server = saying("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(count) + OK);
    const transport = transportTo(server.url);
    let seen = 0;
    const sending = transport.send(request(), { deadlines: PATIENT, onInterim: () => seen++ });
    if (count === 16) (await sending).body.cancel();
    else await failureOf(sending, "protocol");
    assert.equal(seen, count);
    transport.close();
  }
}));

const REFUSED = [
  "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n",
  "HTTP/1.1 100 Continue\r\n\r\n".repeat(30),
  "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok",
  "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
  "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
  "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnonsense",
  "HTTP/1.1 200 OK\r\na: b\r\n folded\r\n\r\n",
  "HTTP/1.1 200 OK\n\n",
  "\r\nHTTP/1.1 200 OK\r\n\r\n",
  "<html>not HTTP at all</html>\r\n\r\n",
  "SSH-2.0-OpenSSH\r\n",
  `HTTP/1.1 200 OK\r\n${"a: b\r\n".repeat(300)}\r\n`,
  `HTTP/1.1 200 OK\r\nx: ${"a".repeat(70_000)}\r\n\r\n`,
  `HTTP/1.1 200 ${"a".repeat(1_000_000)}`,
];

for (const response of REFUSED) {
  Deno.test(leakless(`run() fails as protocol on ${JSON.stringify(response.slice(0, 70))}`, async () => {
    await using server = saying(response);
    const transport = transportTo(server.url);
    // "SSH-2.0…" is only known not to be HTTP once its field section would have ended.
    const isOpenEnded = response.startsWith("SSH");
    const sending = get(transport, isOpenEnded ? { firstByteMs: 40 } : {});
    const failure = await failureOf(sending, isOpenEnded ? "first_byte_timeout" : "protocol");
    assert.equal(failure.requestSent, true);
    assert.equal(transport.stats().open, 0);
    transport.close();
  }));
}

Deno.test(leakless("run() takes a field section of nearly 64 KiB", async () => {
  const value = "v".repeat(65_000);
  await using server = saying(`HTTP/1.1 200 OK\r\nx: ${value}\r\n`, "content-length: 2\r\n\r\n", "ok");
  const transport = transportTo(server.url);
  const response = await get(transport);
  assert.equal(response.fields[0]?.[1], value);
  assert.equal(new TextDecoder().decode(await response.body.readAll(2)), "ok");
  transport.close();
}));

Deno.test(leakless("run() fails as reset when the connection closes before or inside the field section", async () => {
  for (const text of ["", "HTTP/1.1 200 OK\r\ncontent-le"]) {
    await using server = new RawServer(async (connection) => {
      await connection.readRequest();
      await connection.write(text);
    });
    const transport = transportTo(server.url);
    assert.equal((await failureOf(get(transport), "reset")).requestSent, true);
    assert.equal(server.accepted, 1);
    transport.close();
  }
}));

Deno.test(leakless("run() ends as aborted while the response is awaited and while the body is read", async () => {
  for (const pieces of [[], ["HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart"], ["HTTP/1.1 200 OK\r\n\r\npart"]]) {
    await using server = saying(...pieces);
    const transport = transportTo(server.url);
    const controller = new AbortController();
    const reason = new Error("the client left");
    setTimeout(() => controller.abort(reason), 20);
    const whole = get(transport, {}, controller.signal).then((response) => response.body.readAll(100));
    const failure = await failureOf(whole, "aborted");
    assert.deepEqual([failure.requestSent, failure.cause], [true, reason]);
    assert.equal(transport.stats().open, 0);
    transport.close();
  }
}));

Deno.test(
  leakless(
    "run() does not begin with a signal that has aborted, and ignores one that aborts after the end",
    async () => {
      await using server = answering(OK);
      const transport = transportTo(server.url);
      const failure = await failureOf(get(transport, {}, AbortSignal.abort()), "aborted");
      assert.deepEqual([failure.requestSent, server.accepted], [false, 0]);
      const controller = new AbortController();
      const response = await get(transport, {}, controller.signal);
      controller.abort();
      assert.equal((await response.body.readAll(10)).length, 2);
      assert.deepEqual(await exchange(transport), [200, "ok"]);
      assert.equal(server.accepted, 1);
      transport.close();
    },
  ),
);

Deno.test(leakless("run() fails as aborted between two reads of a body", async () => {
  await using server = saying("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", "part");
  const transport = transportTo(server.url);
  const controller = new AbortController();
  const { body } = await get(transport, {}, controller.signal);
  assert.equal((await body.read())?.length, 4);
  controller.abort();
  await failureOf(body.read(), "aborted");
  await failureOf(body.read(), "aborted");
  transport.close();
}));

Deno.test(leakless("run() lets a request body be sent again elsewhere when nothing of it was taken", async () => {
  const body = streamed([new Uint8Array(3)], 3);
  const transport = transportTo(new URL("http://upstream.example"), { lookup: () => Promise.resolve([]) });
  await failureOf(transport.send(request("POST", "/", body), { deadlines: PATIENT }), "resolve");
  transport.close();
  await using server = answering(OK);
  const other = transportTo(server.url);
  assert.deepEqual(await exchange(other, request("POST", "/", body)), [200, "ok"]);
  other.close();
}));

Deno.test(leakless("run() takes its listener off the signal when the exchange is over", async () => {
  await using server = new RawServer(async (connection) => {
    while (await connection.readRequest() !== null) {
      await connection.write("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabc");
      await connection.write("def");
    }
  });
  const transport = transportTo(server.url, { maxConnections: 1 });
  const { signal } = new AbortController();
  let listeners = 0;
  for (const [name, by] of [["addEventListener", 1], ["removeEventListener", -1]] as const) {
    const method = signal[name] as unknown as (...args: unknown[]) => void;
    Reflect.set(signal, name, (...args: unknown[]) => {
      listeners += by;
      method.apply(signal, args);
    });
  }
  const both = [get(transport, {}, signal), get(transport, {}, signal)];
  for (const response of both) await (await response).body.readAll(6);
  (await get(transport, {}, signal)).body.cancel();
  assert.equal(listeners, 0);
  transport.close();
}));

Deno.test(leakless("run() has no deadline left while the caller looks at the response", async () => {
  await using server = saying("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", "hello");
  const transport = transportTo(server.url);
  const { body } = await get(transport, { firstByteMs: 1_000, idleMs: 1_000 });
  await new Promise((resolve) => setTimeout(resolve, 2_100)); // more than twice the deadlines
  assert.equal((await body.readAll(5)).length, 5);
  transport.close();
}));
