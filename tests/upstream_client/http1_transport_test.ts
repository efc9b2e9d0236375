import assert from "node:assert/strict";
import { UpstreamFailure } from "../../lib/upstream_client/transport.ts";
import { integer, randomPieces, seededRandom } from "../seeded_random.ts";
import { answering, latin1, RawServer } from "./_raw_server.ts";
import { eventually, exchange, failureOf, leakless, PATIENT, request, streamed, transportTo } from "./_sending.ts";

const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

Deno.test(leakless("send() writes the request byte for byte and reads status, fields and body", async () => {
  let head = "";
  await using server = new RawServer(async (connection) => {
    head = (await connection.readRequest())?.head ?? "";
    await connection.write("HTTP/1.1 201 Made\r\nX-One: a\r\nX-ONE:\t b\xe9 \r\nContent-Length: 3\r\n\r\nabc");
  });
  const transport = transportTo(server.url);
  const response = await transport.send({
    method: "GET",
    target: "/3//a%2fb?x=1&y=%E9\xe9",
    fields: [["host", "upstream.example"], ["x-latin", "caf\xe9"], ["x-empty", ""]],
    body: null,
  }, { deadlines: PATIENT });
  assert.equal(response.status, 201);
  assert.deepEqual(response.fields, [["x-one", "a"], ["x-one", "b\xe9"], ["content-length", "3"]]);
  assert.equal(response.body.lengthBytes, 3);
  assert.deepEqual(await response.body.read(), latin1("abc"));
  assert.equal(await response.body.read(), null);
  transport.close();
  assert.equal(head, "GET /3//a%2fb?x=1&y=%E9\xe9 HTTP/1.1\r\nhost: upstream.example\r\nx-latin: caf\xe9\r\nx-empty: ");
}));

Deno.test(leakless("send() reuses one connection for requests in turn", async () => {
  await using server = answering(OK);
  const transport = transportTo(server.url);
  for (let turn = 0; turn < 20; turn++) assert.deepEqual(await exchange(transport), [200, "ok"]);
  assert.equal(server.accepted, 1);
  assert.deepEqual(transport.stats(), { open: 1, idle: 1 });
  transport.close();
  assert.deepEqual(transport.stats(), { open: 0, idle: 0 });
}));

const BODIES: [
  name: string,
  method: string,
  response: string,
  text: string,
  lengthBytes: number | null,
  kept: boolean,
][] = [
  ["a length", "GET", OK, "ok", 2, true],
  ["a length of 0", "GET", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "", 0, true],
  [
    "chunks",
    "GET",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nt: 1\r\n\r\n",
    "abc",
    null,
    true,
  ],
  ["HEAD", "HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", "", 0, true],
  ["304", "GET", "HTTP/1.1 304 Not Modified\r\ncontent-length: 1000\r\n\r\n", "", 0, true],
  ["204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", "", 0, true],
  ["204 that announces a body", "GET", "HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\n", "", 0, false],
  ["close asked for", "GET", "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", "ok", 2, false],
  ["HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", "ok", 2, false],
  [
    "HTTP/1.0 kept alive",
    "GET",
    "HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\ncontent-length: 2\r\n\r\nok",
    "ok",
    2,
    true,
  ],
  ["bytes behind the body", "GET", `${OK}!`, "ok", 2, false],
  [
    "interim responses",
    "GET",
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n${OK}`,
    "ok",
    2,
    true,
  ],
];

for (const [name, method, response, text, lengthBytes, isKept] of BODIES) {
  Deno.test(
    leakless(`send() ends the body right and ${isKept ? "keeps" : "closes"} the connection: ${name}`, async () => {
      await using server = answering(response);
      const transport = transportTo(server.url);
      const { body } = await transport.send(request(method), { deadlines: PATIENT });
      assert.equal(body.lengthBytes, lengthBytes);
      assert.equal(new TextDecoder().decode(await body.readAll(100)), text);
      assert.equal(transport.stats().open, isKept ? 1 : 0);
      transport.close();
    }),
  );
}

Deno.test(leakless("send() reads a body that the connection's end ends", async () => {
  await using server = new RawServer(async (connection) => {
    await connection.readRequest();
    await connection.write("HTTP/1.1 200 OK\r\n\r\n");
    await connection.write("a".repeat(100_000));
  });
  const transport = transportTo(server.url);
  assert.deepEqual(await exchange(transport), [200, "a".repeat(100_000)]);
  transport.close();
}));

Deno.test(leakless("send() carries request bodies with a length and chunked", async () => {
  const seen: string[] = [];
  await using server = new RawServer(async (connection) => {
    for (let got = await connection.readRequest(); got !== null; got = await connection.readRequest()) {
      const isChunked = got.head.includes("transfer-encoding: chunked");
      seen.push(isChunked ? await connection.readUntil((text) => text.endsWith("0\r\n\r\n")) ?? "" : got.body);
      await connection.write(OK);
    }
  });
  const transport = transportTo(server.url);
  const chunks = () => [latin1("hello "), new Uint8Array(0), latin1("world")];
  await exchange(transport, request("POST", "/", streamed(chunks(), 11)));
  await exchange(transport, request("POST", "/", streamed(chunks(), null)));
  assert.deepEqual(seen, ["hello world", "6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n"]);
  assert.equal(server.accepted, 1);
  transport.close();
}));

Deno.test(leakless("send() sends a GET again when its reused connection has died, and reports a POST", async () => {
  await using server = new RawServer(async (connection) => {
    await connection.readRequest();
    await connection.write(OK);
    await connection.readRequest(); // and closes without an answer
  });
  const transport = transportTo(server.url);
  await exchange(transport);
  assert.deepEqual(await exchange(transport), [200, "ok"]);
  assert.equal(server.accepted, 2);
  const failure = await failureOf(transport.send(request("POST"), { deadlines: PATIENT }), "reset");
  assert.equal(failure.requestSent, true);
  transport.close();
}));

Deno.test(leakless("send() never sends what is to go once again, whatever its method", async () => {
  await using server = new RawServer(async (connection) => {
    await connection.readRequest();
    await connection.write(OK);
    await connection.readRequest(); // and closes without an answer
  });
  const transport = transportTo(server.url);
  await exchange(transport);
  const failure = await failureOf(transport.send(request("GET"), { deadlines: PATIENT, once: true }), "reset");
  assert.equal(failure.requestSent, true);
  assert.equal(server.accepted, 1);
  transport.close();
}));

Deno.test(leakless("send() goes again on a fresh connection, not on one that has lain idle as long", async () => {
  await using server = new RawServer(async (connection) => {
    await connection.readRequest();
    await connection.write(OK);
    await connection.readRequest(); // and closes without an answer
  });
  const transport = transportTo(server.url);
  await Promise.all([exchange(transport), exchange(transport), exchange(transport)]);
  assert.equal(transport.stats().idle, 3);
  assert.deepEqual(await exchange(transport), [200, "ok"]);
  assert.equal(server.accepted, 4);
  transport.close();
}));

Deno.test(
  leakless("send() does not go again once a response has begun, nor after a fresh connection failed", async () => {
    await using server = new RawServer(async (connection) => {
      await connection.readRequest();
      await connection.write(OK);
      await connection.readRequest();
      await connection.write("HTTP/1.1 200 O");
    });
    const transport = transportTo(server.url);
    await exchange(transport);
    await failureOf(transport.send(request(), { deadlines: PATIENT }), "reset");
    assert.equal(server.accepted, 1);
    transport.close();
    await using silent = new RawServer(async (connection) => void await connection.readRequest());
    const other = transportTo(silent.url);
    await failureOf(other.send(request(), { deadlines: PATIENT }), "reset");
    assert.equal(silent.accepted, 1);
    other.close();
  }),
);

Deno.test(leakless("send() notices at once that an idle connection was closed", async () => {
  await using server = answering(OK);
  const transport = transportTo(server.url);
  await exchange(transport);
  server.closeConnections();
  await eventually(() => transport.stats().open === 0);
  transport.close();
}));

Deno.test(leakless("send() refuses what could split a request before it connects", async () => {
  const transport = transportTo(new URL("http://127.0.0.1:1"));
  const bad = [
    { ...request(), method: "GE T" },
    { ...request(), target: "/a b" },
    { ...request(), target: "/a\r\nx: y" },
    { ...request(), target: "/\u0100" },
    { ...request(), fields: [] },
    ...[["x", "a\r\nb: c"], ["x", "\0"], ["x", "\u0100"], ["x y", "a"], ["", "a"], ["Content-Length", "3"], [
      "host",
      "b",
    ]]
      .map(([name = "", value = ""]) => ({
        ...request(),
        fields: [["host", "a"] as [string, string], [name, value] as [string, string]],
      })),
  ];
  for (const request of bad) {
    const failure = await failureOf(transport.send(request, { deadlines: PATIENT }), "unsendable");
    assert.equal(failure.requestSent, false);
  }
  transport.close();
}));

/** A response of random framing, fields and content, and what is to come of it. */
function randomResponse(random: () => number) {
  const content = "0\r\n\r\nHTTP".repeat(integer(random, 2 ** integer(random, 13))).slice(integer(random, 9));
  const status = [200, 203, 404, 500][integer(random, 4)] ?? 200;
  const framing = ["length", "chunked", "close"][integer(random, 3)];
  const interim = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(integer(random, 3));
  const fields = "x-a: \xe9\r\n".repeat(integer(random, 40));
  let head = `${interim}HTTP/1.1 ${status} Any\r\n${fields}`;
  let wire = content;
  if (framing === "length") head += `Content-Length: ${content.length}\r\n`;
  if (framing === "chunked") {
    head += "transfer-encoding: chunked\r\n";
    const step = 1 + integer(random, 3_000);
    const chunks = content.match(new RegExp(`[^]{1,${step}}`, "g")) ?? [];
    wire = `${chunks.map((chunk) => `${chunk.length.toString(16)};e\r\n${chunk}\r\n`).join("")}0\r\nt: 1\r\n\r\n`;
  }
  return { bytes: latin1(`${head}\r\n${wire}`), status, content, framing };
}

Deno.test(leakless("send() gives the same result however a valid response is split", async () => {
  const random = seededRandom(3);
  let next = randomResponse(random);
  await using server = new RawServer(async (connection) => {
    while (await connection.readRequest() !== null) {
      for (const piece of randomPieces(random, next.bytes)) await connection.write(piece);
      if (next.framing === "close") return;
    }
  });
  const transport = transportTo(server.url);
  for (let round = 0; round < 100; round++) {
    next = randomResponse(random);
    assert.deepEqual(await exchange(transport), [next.status, next.content], `round ${round}`);
  }
  assert.ok(server.accepted < 80, `${server.accepted} connections`);
  transport.close();
}));

/** `bytes` with a few of them changed, removed or repeated, and perhaps the end cut off. */
function damaged(random: () => number, bytes: Uint8Array): Uint8Array {
  const damagedBytes = Array.from(bytes.subarray(0, random() < 0.5 ? bytes.length : integer(random, bytes.length + 1)));
  const tokens = [13, 10, 0, 32, 58, 59, 48, 57, 102, 255, 45, 44];
  for (let times = integer(random, 4); times > 0; times--) {
    // Most of what can go wrong is in the field section and the first chunks.
    const at = integer(random, Math.min(damagedBytes.length, 200) + 1);
    const token = tokens[integer(random, tokens.length)] ?? 0;
    damagedBytes.splice(at, integer(random, 3), ...Array<number>(integer(random, 3)).fill(token));
  }
  return Uint8Array.from(damagedBytes);
}

Deno.test(leakless("send() and readAll() end on damaged responses, in a result or an UpstreamFailure", async () => {
  const random = seededRandom(4);
  let next: Uint8Array = new Uint8Array(0);
  await using server = new RawServer(async (connection) => {
    while (await connection.readRequest() !== null) {
      await connection.write(next);
      if (random() < 0.7) return;
    }
  });
  const transport = transportTo(server.url);
  const kinds = new Map<string, number>();
  for (let round = 0; round < 600; round++) {
    next = damaged(random, randomResponse(random).bytes.subarray(0, 4_000));
    const deadlines = { connectMs: 5_000, firstByteMs: 15, idleMs: 15 };
    const whole = transport.send(request(), { deadlines }).then((response) => response.body.readAll(100_000));
    const kind = await whole.then(() => "none", (error) => error instanceof UpstreamFailure ? error.kind : `${error}`);
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  const known = ["none", "protocol", "reset", "truncated", "first_byte_timeout", "idle_timeout", "too_large"];
  assert.deepEqual([...kinds.keys()].filter((kind) => !known.includes(kind)), []);
  for (const kind of ["none", "protocol", "reset", "truncated"]) assert.ok((kinds.get(kind) ?? 0) > 10, kind);
  transport.close();
  assert.deepEqual(transport.stats(), { open: 0, idle: 0 });
}));

Deno.test("createHttp1Transport() refuses what it cannot reach", () => {
  assert.throws(() => transportTo(new URL("ftp://upstream.example")), RangeError);
  for (const maxConnections of [0, -1, NaN]) {
    assert.throws(() => transportTo(new URL("http://upstream.example"), { maxConnections }), RangeError);
  }
});

Deno.test(leakless("retire() closes what is idle, lets the rest finish, and keeps nothing from then on", async () => {
  const release = Promise.withResolvers<void>();
  await using server = new RawServer(async (connection) => {
    for (let got = await connection.readRequest(); got !== null; got = await connection.readRequest()) {
      if (got.head.startsWith("GET /slow")) await release.promise;
      await connection.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    }
  });
  const transport = transportTo(server.url);
  const slow = exchange(transport, request("GET", "/slow"));
  assert.deepEqual(await exchange(transport), [200, "ok"]);
  assert.deepEqual(transport.stats(), { open: 2, idle: 1 });
  transport.retire();
  assert.deepEqual(transport.stats(), { open: 1, idle: 0 });
  assert.deepEqual(await exchange(transport), [200, "ok"]);
  release.resolve();
  assert.deepEqual(await slow, [200, "ok"]);
  assert.deepEqual(transport.stats(), { open: 0, idle: 0 });
  await eventually(() => server.openCount === 0);
  transport.close();
}));
