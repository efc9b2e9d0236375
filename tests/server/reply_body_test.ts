import assert from "node:assert/strict";
import { latin1, RawClient, textOf } from "./raw_client.ts";
import { chunksOf, ends, reply, serving, sourceOf, textReply } from "./serving.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const LARGE = "0123456789abcdef".repeat(64 * 1024 * 3 / 16) + "end";

Deno.test("content in memory of every size arrives whole", async () => {
  const sizes = [1, 4_000, 16_300, 16_384, 32_000, 32_768, 33_000, 65_536, 65_700, 1_000_003];
  const content = new Uint8Array(sizes.at(-1)!).map((_, at) => at * 31 & 255);
  const shared = new Uint8Array(new SharedArrayBuffer(content.length));
  shared.set(content);
  await using running = await serving(({ target }) => {
    const [, kind, size] = target.split("/");
    const bytes = (kind === "shared" ? shared : content).subarray(0, Number(size));
    const body = kind === "pieces" ? [bytes.subarray(0, 1), bytes.subarray(1, 700), bytes.subarray(700)] : bytes;
    return reply({ body, lengthBytes: bytes.length, lines: "x: y\r\n" });
  });
  using client = await RawClient.to(running.address);
  for (const kind of ["whole", "pieces", "shared"]) {
    for (const size of sizes) {
      await client.send(`GET /${kind}/${size} HTTP/1.1\r\nHost: a\r\n\r\n`);
      const { body } = await client.response();
      assert.equal(body.length, size);
      assert.ok(body === textOf(content.subarray(0, size)), `${kind} ${size}`);
    }
  }
});

Deno.test("a source of known length arrives with that length", async () => {
  const end = ends();
  await using running = await serving(() =>
    reply({ body: chunksOf("one ", "", LARGE, "two"), lengthBytes: LARGE.length + 7, onEnd: end.onEnd })
  );
  using client = await RawClient.to(running.address);
  await client.send(GET);
  const { body, field } = await client.response();
  assert.equal(field("content-length"), String(LARGE.length + 7));
  assert.ok(body === `one ${LARGE}two`);
  assert.deepEqual(await end.first, { bytes: LARGE.length + 7, aborted: false, error: null });
});

Deno.test("a source of unknown length arrives in chunks", async () => {
  const end = ends();
  const texts = ["one ", "", "x".repeat(7_000), LARGE, "y".repeat(65_536), "two"];
  await using running = await serving(() => reply({ body: chunksOf(...texts), onEnd: end.onEnd }));
  using client = await RawClient.to(running.address);
  await client.send(GET);
  const { body, field } = await client.response();
  assert.equal(field("transfer-encoding"), "chunked");
  assert.equal(field("content-length"), undefined);
  assert.ok(body === texts.join(""));
  assert.deepEqual(await end.first, { bytes: texts.join("").length, aborted: false, error: null });
});

Deno.test("the head and what is there are sent while the source is waited for", async () => {
  const turns = [Promise.withResolvers<string | null>(), Promise.withResolvers<string | null>()];
  let next = 0;
  await using running = await serving(() => reply({ body: sourceOf(() => turns[next++]?.promise ?? null) }));
  using client = await RawClient.to(running.address);
  await client.send(GET);
  assert.match(await client.takeUntil("\r\n\r\n"), /chunked$/);
  turns[0]!.resolve("data: 1\n\n");
  assert.equal(await client.take(14), "9\r\ndata: 1\n\n\r\n");
  turns[1]!.resolve(null);
  assert.equal(await client.take(5), "0\r\n\r\n");
});

Deno.test("a 205 has no content, whatever its reply holds, and the connection goes on", async () => {
  const source = chunksOf("hello");
  const bodies = [null, latin1("hello"), source];
  await using running = await serving(({ target }) =>
    reply({ status: 205, lengthBytes: 5, body: bodies[Number(target.slice(1))] })
  );
  using client = await RawClient.to(running.address);
  for (const index of bodies.keys()) {
    await client.send(`GET /${index} HTTP/1.1\r\nHost: a\r\n\r\n`);
    const response = await client.response();
    assert.deepEqual([response.status, response.field("content-length"), response.body], [205, "0", ""]);
  }
  assert.equal(source.isCancelled, true);
  assert.deepEqual(running.faults, []);
});

Deno.test("trailers are sent where the client takes them and the reply is chunked", async () => {
  const trailers: [string, string][] = [["x-sum", "1"], ["content-length", "2"]];
  await using running = await serving(({ target }) => {
    const texts = ["content"];
    const body = sourceOf(() => texts.shift() ?? null, { trailers });
    return reply({ body, lengthBytes: target === "/length" ? 7 : null });
  });
  using client = await RawClient.to(running.address);
  const trailersFor = async (target: string, te: string) => {
    await client.send(`GET ${target} HTTP/1.1\r\nHost: a\r\n${te}\r\n`);
    const { body, trailers } = await client.response();
    assert.equal(body, "content");
    return trailers;
  };
  assert.deepEqual(await trailersFor("/", "TE: trailers\r\n"), ["x-sum: 1"]);
  assert.deepEqual(await trailersFor("/", "TE: deflate, Trailers \r\n"), ["x-sum: 1"]);
  assert.deepEqual(await trailersFor("/", ""), []);
  assert.deepEqual(await trailersFor("/", "TE: xtrailers\r\n"), []);
  assert.deepEqual(await trailersFor("/length", "TE: trailers\r\n"), []);
});

Deno.test("a source that gives less than stated breaks the connection off", async () => {
  const end = ends();
  await using running = await serving(() => reply({ body: chunksOf("four"), lengthBytes: 5, onEnd: end.onEnd }));
  using client = await RawClient.to(running.address);
  await client.send(GET);
  assert.match(await client.rest(), /Content-Length: 5\r\n\r\nfour$/);
  const { bytes, aborted, error } = await end.first;
  assert.deepEqual({ bytes, aborted }, { bytes: 4, aborted: false });
  assert.match(String(error), /4 bytes, stated 5/);
});

Deno.test("a source that gives more than stated breaks the connection off, and the surplus is not sent", async () => {
  const end = ends();
  await using running = await serving(() =>
    reply({ body: chunksOf("four", "more"), lengthBytes: 4, onEnd: end.onEnd })
  );
  using client = await RawClient.to(running.address);
  await client.send(GET + GET);
  assert.match(await client.rest(), /Content-Length: 4\r\n\r\nfour$/);
  assert.match(String((await end.first).error), /8 bytes, stated 4/);
});

Deno.test("a source that fails breaks the connection off without a last chunk", async () => {
  const end = ends();
  const failure = new Error("upstream broke");
  const turns = ["content", failure];
  await using running = await serving(() => {
    const next = () => {
      const turn = turns.shift()!;
      return turn instanceof Error ? Promise.reject(turn) : turn as string;
    };
    return reply({ body: sourceOf(next), onEnd: end.onEnd });
  });
  using client = await RawClient.to(running.address);
  await client.send(GET);
  assert.match(await client.rest(), /\r\n\r\n7\r\ncontent\r\n$/);
  assert.deepEqual(await end.first, { bytes: 7, aborted: false, error: failure });
  assert.equal(running.faults.length, 0);
});

Deno.test("a source is read no faster than its client takes", async () => {
  let givenBytes = 0;
  const chunk = "x".repeat(64 * 1024);
  const total = 48 * 1024 * 1024;
  await using running = await serving(() =>
    reply({
      lengthBytes: total,
      body: sourceOf(() => {
        if (givenBytes === total) return null;
        givenBytes += chunk.length;
        return chunk;
      }),
    })
  );
  using client = await RawClient.to(running.address);
  await client.send(GET);
  await client.takeUntil("\r\n\r\n");
  // It stands still once the kernel's buffers are full.
  for (let seen = -1; seen !== givenBytes;) {
    seen = givenBytes;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.ok(givenBytes < total / 2, `${givenBytes} bytes`);
  let receivedBytes = 0;
  while ((receivedBytes += client.drop()) < total) {
    await client.receive();
  }
  assert.equal(givenBytes, total);
});

Deno.test("interim responses come before the reply, in order, and only while it has not begun", async () => {
  await using running = await serving(async (arrival) => {
    arrival.interim(103, [["link", "</a>; rel=preload"], ["link", "</b>"]]);
    await Promise.resolve();
    arrival.interim(102, []);
    arrival.interim(101, []);
    arrival.interim(200, []);
    const body = chunksOf("content");
    return reply({
      body: { ...body, read: () => (arrival.interim(103, []), body.read()), cancel: () => body.cancel() },
    });
  });
  using client = await RawClient.to(running.address);
  await client.send(GET);
  const early = await client.response();
  assert.equal(early.head, "HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\nlink: </b>");
  assert.equal((await client.response()).status, 102);
  const last = await client.response();
  assert.equal(last.status, 200);
  assert.equal(last.body, "content");
  assert.equal(client.buffered, "");
});

Deno.test("interim responses are bounded, and HTTP/1.0 gets none", async () => {
  await using running = await serving((arrival) => {
    for (let count = 0; count < 1000; count++) arrival.interim(103, [["x", String(count)]]);
    return textReply("done");
  });
  using client = await RawClient.to(running.address);
  await client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  assert.equal((await client.response()).body, "done");
  await client.send(GET);
  let interims = 0;
  while ((await client.response()).status === 103) interims++;
  assert.equal(interims, 32);
  await client.send(GET);
  assert.equal((await client.response()).status, 103);
});

Deno.test("content lent in pooled memory is never mixed between connections", async () => {
  await using running = await serving(({ target }) => {
    let left = 20;
    const mark = target.slice(1);
    const next = async () => {
      await new Promise((resolve) => setTimeout(resolve, 0));
      return left-- > 0 ? mark.repeat(3_000) : null;
    };
    return reply({ body: sourceOf(next), lines: `x: ${mark}\r\n`, fixed: latin1(`y: ${mark}\r\n`) });
  });
  await Promise.all(Array.from("abcdefghijkl", async (mark) => {
    using client = await RawClient.to(running.address);
    for (let round = 0; round < 3; round++) {
      await client.send(`GET /${mark} HTTP/1.1\r\nHost: a\r\n\r\n`);
      const { body, field } = await client.response();
      assert.ok(body === mark.repeat(60_000));
      assert.deepEqual([field("x"), field("y")], [mark, mark]);
    }
  }));
});

Deno.test("a short streamed reply goes out in one piece", async () => {
  for (const lengthBytes of [11, null]) {
    const written: number[] = [];
    await using running = await serving(() => textReply(""));
    const request = latin1(GET);
    const ended = Promise.withResolvers<void>();
    let reads = 0;
    running.server.take(
      {
        read(target) {
          if (reads++ > 0) return Promise.resolve(null);
          target.set(request);
          return Promise.resolve(request.length);
        },
        write(bytes) {
          written.push(bytes.length);
          return Promise.resolve(bytes.length);
        },
        closeWrite: () => Promise.resolve(),
        close: () => ended.resolve(),
      },
      { peer: "192.0.2.1", scheme: "https" },
      () => reply({ body: chunksOf("hello ", "world"), lengthBytes }),
    );
    await ended.promise;
    assert.equal(written.length, 1, `writes of ${written.join(", ")} bytes`);
  }
});
