import assert from "node:assert/strict";
import type { UpstreamBody, UpstreamResponse } from "../../lib/upstream_client/transport.ts";
import { answering, latin1, latin1Text, RawServer } from "./_raw_server.ts";
import { eventually, failureOf, leakless, PATIENT, request, transportTo } from "./_sending.ts";

const CONTENT = latin1(Array.from({ length: 40_000 }, (_, at) => `${at};`).join(""));

function chunked(content: Uint8Array, chunkBytes: number): Uint8Array {
  let text = "";
  for (let at = 0; at < content.length; at += chunkBytes) {
    const chunk = content.subarray(at, at + chunkBytes);
    text += `${chunk.length.toString(16)}\r\n${latin1Text(chunk)}\r\n`;
  }
  return latin1(`${text}0\r\n\r\n`);
}

const FRAMINGS: [name: string, head: string, wire: Uint8Array][] = [
  ["length", `content-length: ${CONTENT.length}\r\n`, CONTENT],
  ["chunks", "transfer-encoding: chunked\r\n", chunked(CONTENT, 700)],
  ["large chunks", "transfer-encoding: chunked\r\n", chunked(CONTENT, 150_000)],
  ["close", "", CONTENT],
];

/** What follows once the bytes have been written: the end of the connection, or nothing for as long as the client stays. */
type Then = "close" | "stay";

/** Runs `action` with the response whose body is framed and ended as told. */
async function withBody(
  { head, wire, then, idleMs = 10_000 }: { head: string; wire: Uint8Array; then: Then; idleMs?: number },
  action: (response: UpstreamResponse, open: () => number) => Promise<void>,
): Promise<void> {
  await using server = new RawServer(async (connection) => {
    await connection.readRequest();
    await connection.write(`HTTP/1.1 200 OK\r\n${head}\r\n`);
    await connection.write(wire);
    if (then === "stay") await connection.drain();
  });
  const transport = transportTo(server.url);
  const response = await transport.send(request(), { deadlines: { ...PATIENT, idleMs } });
  await action(response, () => transport.stats().open);
  transport.close();
}

async function readOut(body: UpstreamBody): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  for (let chunk = await body.read(); chunk !== null; chunk = await body.read()) chunks.push(chunk);
  return chunks;
}

for (const [name, head, wire] of FRAMINGS) {
  const then = name === "close" ? "close" : "stay";

  Deno.test(
    leakless(
      `read() gives the content in chunks that are the caller's: ${name}`,
      () =>
        withBody({ head, wire, then }, async ({ body }) => {
          const chunks = await readOut(body);
          assert.ok(chunks.length > 1);
          for (const chunk of chunks) {
            assert.ok(chunk.length > 0 && chunk.length <= 65_536);
          }
          assert.equal(new Set(chunks.map((chunk) => chunk.buffer)).size, chunks.length);
          for (const chunk of chunks) assert.ok(chunk.buffer.byteLength <= 2 * chunk.length);
          assert.deepEqual(new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer()), CONTENT);
          assert.equal(await body.read(), null);
        }),
    ),
  );

  Deno.test(
    leakless(
      `lend() gives the same content in memory that is used again: ${name}`,
      () =>
        withBody({ head, wire, then }, async ({ body }, open) => {
          assert.equal(body.whole, null);
          const lend = () => body.lend!();
          const seen: Uint8Array[] = [];
          const memories = new Set<ArrayBufferLike>();
          for (let chunk = await lend(); chunk !== null; chunk = await lend()) {
            assert.ok(chunk.length > 0 && chunk.length <= 65_536);
            seen.push(chunk.slice());
            memories.add(chunk.buffer);
          }
          assert.deepEqual(new Uint8Array(await new Blob(seen as BlobPart[]).arrayBuffer()), CONTENT);
          // That of the connection, with what came behind the field section, and one of the body's own.
          assert.ok(memories.size <= 2);
          assert.equal(await lend(), null);
          assert.equal(body.whole, null);
          assert.equal(open(), then === "stay" ? 1 : 0);
        }),
    ),
  );

  Deno.test(
    leakless(
      `lend() and read() may take turns: ${name}`,
      () =>
        withBody({ head, wire, then }, async ({ body }) => {
          const seen: Uint8Array[] = [];
          for (let turn = 0;; turn++) {
            const chunk = turn % 2 === 0 ? await body.lend!() : await body.read();
            if (chunk === null) break;
            seen.push(chunk.slice());
          }
          assert.deepEqual(new Uint8Array(await new Blob(seen as BlobPart[]).arrayBuffer()), CONTENT);
        }),
    ),
  );

  Deno.test(
    leakless(
      `readAll() gives one array of the exact size: ${name}`,
      () =>
        withBody({ head, wire, then }, async ({ body }, open) => {
          const whole = await body.readAll(CONTENT.length);
          assert.deepEqual(whole, CONTENT);
          assert.equal(whole.buffer.byteLength, CONTENT.length);
          assert.equal(await body.read(), null);
          assert.equal(open(), then === "stay" ? 1 : 0);
        }),
    ),
  );

  Deno.test(
    leakless(
      `readAll() refuses more than its limit and closes: ${name}`,
      () =>
        withBody({ head, wire, then }, async ({ body }, open) => {
          await failureOf(body.readAll(CONTENT.length >> 1), "too_large");
          assert.equal(open(), 0);
          await failureOf(body.read(), "too_large");
        }),
    ),
  );

  Deno.test(
    leakless(
      `readAll() refuses one byte more than its limit: ${name}`,
      () =>
        withBody({ head, wire, then }, async ({ body }) => {
          await failureOf(body.readAll(CONTENT.length - 1), "too_large");
        }),
    ),
  );

  Deno.test(
    leakless(
      `readAll() gives the rest after read(): ${name}`,
      () =>
        withBody({ head, wire, then }, async ({ body }) => {
          const first = await body.read() ?? new Uint8Array();
          const rest = await body.readAll(CONTENT.length);
          assert.deepEqual(new Uint8Array([...first, ...rest]), CONTENT);
        }),
    ),
  );

  Deno.test(
    leakless(
      `cancel() closes the connection and may be called again: ${name}`,
      () =>
        withBody({ head, wire, then }, async ({ body }, open) => {
          await body.read();
          body.cancel();
          body.cancel();
          assert.equal(open(), 0);
          await failureOf(body.read(), "aborted");
        }),
    ),
  );

  Deno.test(
    leakless(
      `cancel() ends a read that waits: ${name}`,
      () =>
        withBody({ head, wire: wire.subarray(0, 300), then: "stay" }, async ({ body }) => {
          await body.read();
          const waiting = failureOf(body.read(), "aborted");
          body.cancel();
          await waiting;
        }),
    ),
  );

  Deno.test(
    leakless(
      `read() fails as idle_timeout when the upstream falls silent: ${name}`,
      () =>
        withBody(
          { head, wire: wire.subarray(0, wire.length - 3), then: "stay", idleMs: 100 },
          async ({ body }, open) => {
            await failureOf(readOut(body), "idle_timeout");
            await failureOf(body.readAll(10), "idle_timeout");
            assert.equal(open(), 0);
          },
        ),
    ),
  );

  if (name === "close") continue;
  for (const missing of [1, 4, wire.length - 10, wire.length]) {
    Deno.test(leakless(`read() fails as truncated with ${missing} bytes missing: ${name}`, async () => {
      const short = { head, wire: wire.subarray(0, wire.length - missing), then: "close" as const };
      await withBody(short, async ({ body }) => void await failureOf(readOut(body), "truncated"));
      await withBody(short, async ({ body }) => void await failureOf(body.readAll(1e6), "truncated"));
    }));
  }
}

Deno.test(
  leakless(
    "read() blames nobody when the reader takes its time",
    () =>
      withBody({ head: FRAMINGS[0]?.[1] ?? "", wire: CONTENT, then: "stay", idleMs: 1_000 }, async ({ body }) => {
        for (let times = 0; times < 3; times++) assert.ok(await body.read());
        await new Promise((resolve) => setTimeout(resolve, 2_100)); // more than twice idleMs
        assert.ok((await readOut(body)).length > 0);
      }),
  ),
);

Deno.test(
  leakless(
    "read() refuses to run twice at a time, and goes on",
    () =>
      withBody(
        { head: "content-length: 5\r\n", wire: new Uint8Array(0), then: "stay", idleMs: 50 },
        async ({ body }) => {
          const first = body.read();
          await assert.rejects(body.read(), TypeError);
          await failureOf(first, "idle_timeout");
        },
      ),
  ),
);

/** Responses that come in one piece, each with its content. */
const AT_ONCE: [name: string, method: string, response: string, content: string][] = [
  ["length", "GET", "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc", "abc"],
  ["length 0", "GET", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", ""],
  ["chunks", "GET", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "abc"],
  ["no chunk", "GET", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", ""],
  ["HEAD", "HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n", ""],
  ["304", "GET", "HTTP/1.1 304 Not Modified\r\ncontent-length: 3\r\n\r\n", ""],
];

for (const [name, method, response, content] of AT_ONCE) {
  Deno.test(
    leakless(
      `whole is all of a body that came with the field section, and the connection is free: ${name}`,
      async () => {
        await using server = answering(response);
        const transport = transportTo(server.url);
        const send = async () => (await transport.send(request(method), { deadlines: PATIENT })).body;
        const first = await send();
        assert.deepEqual(transport.stats(), { open: 1, idle: 1 });
        const second = await send();
        assert.equal(server.accepted, 1);
        assert.equal(latin1Text(first.whole!), content);
        assert.equal(first.whole!.buffer.byteLength, content.length);
        assert.deepEqual(await second.readAll(3), latin1(content));
        assert.equal(second.whole, null);
        const third = await send();
        assert.equal(latin1Text(await third.lend!() ?? new Uint8Array()), content);
        assert.deepEqual([third.whole, await third.lend!()], [null, null]);
        const fourth = await send();
        fourth.cancel();
        assert.deepEqual([fourth.whole, await fourth.read()], [null, null]);
        transport.close();
      },
    ),
  );
}

Deno.test(leakless("whole is null where a body came in part, also once the rest has been read", async () => {
  await withBody({ head: "content-length: 6\r\n", wire: latin1("abcdef"), then: "stay" }, async ({ body }) => {
    const seen = [];
    for (let chunk = await body.lend!(); chunk !== null; chunk = await body.lend!()) {
      seen.push(latin1Text(chunk));
    }
    assert.deepEqual([seen.join(""), body.whole], ["abcdef", null]);
  });
}));

Deno.test(
  leakless("trailers are there once the content has ended, without those that have no business there", async () => {
    const last = "0\r\nX-Sum: caf\xe9\r\nx-sum:2\r\nContent-Length: 9\r\nset-cookie: a=b\r\n\r\n";
    const head = "transfer-encoding: chunked\r\n";
    const expected = [["x-sum", "caf\xe9"], ["x-sum", "2"]];
    await withBody({ head, wire: latin1(`3\r\nabc\r\n${last}`), then: "stay" }, async ({ body }, open) => {
      assert.equal((await body.readAll(3)).length, 3);
      assert.deepEqual([body.trailers, open()], [expected, 1]);
    });
    const long = latin1(`19000\r\n${"x".repeat(0x19000)}\r\n${last}`);
    await withBody({ head, wire: long, then: "stay" }, async ({ body }) => {
      assert.equal(body.trailers, null);
      for (let chunk = await body.lend!(); chunk !== null;) chunk = await body.lend!();
      assert.deepEqual(body.trailers, expected);
    });
    await withBody({ head: "content-length: 1\r\n", wire: latin1("a"), then: "stay" }, async ({ body }) => {
      await body.readAll(1);
      assert.equal(body.trailers, null);
    });
  }),
);

Deno.test(
  leakless("read() closes the connection where bytes come behind the last chunk, and gives the content", async () => {
    const head = "transfer-encoding: chunked\r\n";
    for (const size of [3, 100_000]) {
      const wire = latin1(`${size.toString(16)}\r\n${"x".repeat(size)}\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n`);
      await withBody({ head, wire, then: "stay" }, async ({ body }, open) => {
        assert.equal((await body.readAll(size)).length, size);
        await eventually(() => open() === 0);
      });
    }
  }),
);

Deno.test(leakless("readAll() of a body that came with its field section obeys the limit too", async () => {
  await using server = new RawServer(async (connection) => {
    while (await connection.readRequest() !== null) {
      await connection.write("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc");
    }
  });
  const transport = transportTo(server.url);
  const send = async () => (await transport.send(request(), { deadlines: PATIENT })).body;
  await failureOf((await send()).readAll(2), "too_large");
  assert.equal((await (await send()).readAll(3)).length, 3);
  const cancelled = await send();
  cancelled.cancel();
  assert.equal(await cancelled.read(), null);
  assert.equal(server.accepted, 1);
  transport.close();
}));

Deno.test(
  leakless(
    "readAll() does not allocate what a Content-Length merely claims",
    () =>
      withBody({ head: "content-length: 999999999999999\r\n", wire: latin1("abc"), then: "stay" }, async ({ body }) => {
        assert.equal(body.lengthBytes, 999999999999999);
        await failureOf(body.readAll(1_000_000), "too_large");
      }),
  ),
);
