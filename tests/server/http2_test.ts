import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type http2 from "node:http2";
import { eventually, leakless } from "../eventually.ts";
import { chunksOf, ends, readText, reply, serving, sourceOf, textReply } from "./serving.ts";
import { frontOf, http2Client, restOf, StallingWire, tlsClient, tlsOver } from "./tls_serving.ts";

const tls = await frontOf();
const GET = { ":path": "/", ":authority": "one.example" };
/** By number (RFC 9113 §7). */
const CANCEL = 8;

// Those that look for leaks come first: no test before them leaves a timer.
Deno.test(leakless("HTTP/2: a connection without a request is closed when its time is over", async () => {
  await using running = await serving(() => textReply("x"), { tls, limits: { idleTimeoutMs: 100 } });
  using client = await http2Client(running.address);
  assert.equal((await client.ask(GET)).body, "x");
  await new Promise((resolve) => client.session.once("close", resolve));
  assert.equal(running.server.counts.idleTimeouts, 1);
  assert.equal(running.server.counts.openConnections, 0);
  await running.server.close(10_000);
}));

Deno.test(leakless("HTTP/2: a connection on which nothing is ever said is closed too", async () => {
  await using running = await serving(() => textReply("x"), { tls, limits: { idleTimeoutMs: 100 } });
  using client = await tlsClient(running.address, { ALPNProtocols: ["h2"] });
  const memory = new Uint8Array(1_000);
  while (await client.read(memory) !== null);
  await eventually("it is closed", () => running.server.counts.openConnections === 0);
  await running.server.close(10_000);
}));

Deno.test(
  leakless("HTTP/2: a client that takes nothing is closed, whether its socket is full or its window shut", async () => {
    const { onEnd, all } = ends();
    await using running = await serving(
      () => reply({ body: sourceOf(() => "x".repeat(100_000)), onEnd }),
      { tls, limits: { sendTimeoutMs: 200 } },
    );
    const socket = await StallingWire.to(running.address);
    using full = await http2Client(running.address, {
      createConnection: () => tlsOver(socket),
    });
    full.session.on("error", () => {});
    const first = full.session.request(GET);
    first.on("error", () => {});
    first.once("response", () => socket.isStalled = true);
    first.resume();
    using shut = await http2Client(running.address);
    shut.session.on("error", () => {});
    const second = shut.session.request(GET);
    second.on("error", () => {});
    second.pause();
    await eventually("both are closed", () => running.server.counts.sendTimeouts === 2);
    await eventually("both have ended", () => all.length === 2 && running.server.counts.openConnections === 0);
    assert.deepEqual(all.map(({ aborted }) => aborted), [true, true]);
    full.session.destroy();
    socket.destroy();
    await running.server.close(10_000);
    await running.server.close(10_000);
  }),
);

Deno.test("HTTP/2: the handler is the same: method, target as sent, authority, fields, content, peer", async () => {
  await using running = await serving(async ({ method, target, fields, body, connection, minor }) => {
    const host = fields.header("host");
    const seen = [method, target, minor, host, fields.header("x-a"), connection.scheme, connection.peer];
    return textReply(`${seen.join(" ")} ${await readText(body)}`, { lines: 'X-B: c\r\nETag: "strong"\r\n' });
  }, { tls });
  using client = await http2Client(running.address);
  const got = await client.ask({ ":path": "/a%2fb//c?q=%41", ":authority": "one.example:8443", "x-a": "b" });
  assert.equal(got.body, "GET /a%2fb//c?q=%41 2 one.example:8443 b https 127.0.0.1 ");
  assert.equal(got.fields["x-b"], "c");
  const large = new Uint8Array(300_000).fill(120);
  const posted = await client.ask({ ...GET, ":method": "POST" }, large);
  assert.equal(posted.body.length, "POST / 2 one.example  https 127.0.0.1 ".length + large.length);
  assert.equal(running.server.counts.requests, 2);
  assert.deepEqual(running.faults, []);
});

Deno.test("HTTP/2: nothing is done to a reply: no coding, no weak tag, every size and kind comes whole", async () => {
  await using running = await serving(({ target }) => {
    const size = Number(target.slice(1));
    const lines = 'Content-Type: application/json\r\nETag: "strong"\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n';
    if (size < 0) {
      return reply({ lines, hasDate: true, body: chunksOf(...Array<string>(-size).fill("x".repeat(1_000))) });
    }
    return reply({ lines, hasDate: true, body: new Uint8Array(size).fill(120), lengthBytes: size });
  }, { tls });
  using client = await http2Client(running.address);
  await Promise.all([0, 1, 1_024, 16_384, 100_000, 3_000_000, -50].map(async (size) => {
    const { body, fields } = await client.ask({ ...GET, ":path": `/${size}`, "accept-encoding": "gzip, br" });
    assert.equal(body.length, size < 0 ? -size * 1_000 : size);
    assert.equal(fields["content-length"], size < 0 ? undefined : String(size));
    assert.equal(fields["content-encoding"], undefined);
    assert.equal(fields.etag, '"strong"');
    assert.equal(fields.date, "Thu, 01 Jan 2026 00:00:00 GMT");
    assert.equal(fields.vary, undefined);
  }));
});

Deno.test("HTTP/2: HEAD, statuses without content, handlers that throw", async () => {
  await using running = await serving(({ target }) => {
    if (target === "/throw") throw new Error("a bug");
    return target === "/304" ? reply({ status: 304 }) : textReply("content");
  }, { tls });
  using client = await http2Client(running.address);
  const head = await client.ask({ ...GET, ":method": "HEAD" });
  assert.deepEqual([head.status, head.body, head.fields["content-length"]], [200, "", "7"]);
  assert.equal((await client.ask({ ...GET, ":path": "/304" })).status, 304);
  assert.equal((await client.ask({ ...GET, ":path": "/throw" })).status, 500);
  assert.equal(running.faults.length, 1);
});

Deno.test("HTTP/2: the limits of a request's head are those of HTTP/1.1", async () => {
  await using running = await serving(() => textReply("x"), {
    tls,
    limits: { targetBytes: 100, maxFields: 10, fieldsBytes: 500 },
  });
  using client = await http2Client(running.address);
  assert.equal((await client.ask({ ...GET, ":path": `/${"a".repeat(100)}` })).status, 414);
  const many = Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`x-${index}`, "a"]));
  assert.equal((await client.ask({ ...GET, ...many })).status, 431);
  assert.equal((await client.ask({ ...GET, "x-a": "a".repeat(600) })).status, 431);
  assert.equal((await client.ask(GET)).status, 200);
  const { targetsTooLong, fieldsTooLarge } = running.server.counts;
  assert.deepEqual([targetsTooLong, fieldsTooLarge], [1, 2]);
});

Deno.test("HTTP/2: a client that cancels a request is seen by its handler, others go on", async () => {
  const gone = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  await using running = await serving(({ target, signal }) => {
    if (target !== "/slow") return textReply("x");
    signal.addEventListener("abort", () => gone.resolve());
    begun.resolve();
    return new Promise(() => {});
  }, { tls });
  using client = await http2Client(running.address);
  const stream = client.session.request({ ...GET, ":path": "/slow" });
  stream.on("error", () => {});
  await begun.promise;
  stream.close(8);
  await gone.promise;
  assert.equal((await client.ask(GET)).body, "x");
});

Deno.test("HTTP/2: content of unknown length that its client breaks off is never whole, and one that ends is", async () => {
  const begun = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const ends = [Promise.withResolvers<string>(), Promise.withResolvers<string>()];
  await using running = await serving(async ({ target, body }) => {
    const index = Number(target.slice(1));
    await body!.read();
    begun[index]!.resolve();
    await readText(body).then(() => ends[index]!.resolve("whole"), () => ends[index]!.resolve("broken"));
    return textReply("x");
  }, { tls });
  using client = await http2Client(running.address);
  for (const [index, { promise }] of begun.entries()) {
    const fields = { ...GET, ":method": "POST", ":path": `/${index}` };
    const stream = client.session.request(fields, { endStream: false });
    stream.on("error", () => {});
    stream.write("hello");
    await promise;
    if (index === 0) stream.close(CANCEL);
    else stream.end();
  }
  assert.deepEqual(await Promise.all(ends.map(({ promise }) => promise)), ["broken", "whole"]);
  assert.deepEqual(running.faults, []);
});

Deno.test("HTTP/2: a request that takes longer than a connection may idle is served", async () => {
  await using running = await serving(async () => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    return textReply("late");
  }, { tls, limits: { idleTimeoutMs: 50, sendTimeoutMs: 50 } });
  using client = await http2Client(running.address);
  assert.equal((await client.ask(GET)).body, "late");
});

Deno.test("HTTP/2: content that does not come in time is told so (408), whatever else comes; other requests go on", async () => {
  await using running = await serving(async ({ body }) => textReply(await readText(body)), {
    tls,
    limits: { bodyTimeoutMs: 100 },
  });
  using client = await http2Client(running.address);
  const stream = client.session.request({ ...GET, ":method": "POST" }, { endStream: false });
  stream.on("error", () => {});
  const status = new Promise((resolve) => stream.on("response", (fields) => resolve(fields[":status"])));
  stream.write(Buffer.from("a part"));
  let isPinging = true;
  const ping = () => void (isPinging && client.session.ping(ping));
  ping();
  assert.equal(await status, 408);
  isPinging = false;
  assert.equal(running.server.counts.bodyTimeouts, 1);
  assert.equal((await client.ask(GET)).status, 200);
});

Deno.test("HTTP/2: content that a client does not take in time is given up, though others are asked for", async () => {
  const given = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  await using running = await serving(async ({ method, target }) => {
    if (target === "/late") await goOn.promise;
    if (method === "HEAD") return textReply("x");
    return reply({ body: { ...sourceOf(() => "x".repeat(20_000)), cancel: () => given.resolve() } });
  }, { tls, limits: { sendTimeoutMs: 100 } });
  using client = await http2Client(running.address, { settings: { initialWindowSize: 0 } });
  const head = (path: string) => client.ask({ ...GET, ":method": "HEAD", ":path": path });
  const late = head("/late");
  client.session.request(GET).on("error", () => {});
  let isGivenUp = false;
  given.promise.then(() => isGivenUp = true);
  while (!isGivenUp) assert.equal((await head("/")).status, 200);
  goOn.resolve();
  assert.equal((await late).status, 200);
  assert.equal(running.server.counts.sendTimeouts, 1);
});

Deno.test("HTTP/2: a client that takes a large response slowly is not idle", async () => {
  const size = 1_000_000;
  await using running = await serving(() => reply({ body: new Uint8Array(size), lengthBytes: size }), {
    tls,
    limits: { idleTimeoutMs: 200, sendTimeoutMs: 200 },
  });
  using client = await http2Client(running.address);
  const stream = client.session.request(GET);
  let got = 0;
  for await (const chunk of stream) {
    got += (chunk as Uint8Array).length;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.equal(got, size);
});

Deno.test("HTTP/2: what HTTP/1.1 refuses is refused, and a target is escaped as it is there", async () => {
  await using running = await serving(
    ({ target, body, fields }) => textReply(`${target} ${body === null ? "without" : "with"} ${fields.header("host")}`),
    { tls },
  );
  using client = await http2Client(running.address);
  const { ":authority": _, ...hostless } = GET;
  const cases: [http2.OutgoingHttpHeaders, Uint8Array | undefined, number][] = [
    [{ ...GET, host: "one.example" }, undefined, 200],
    [{ ...GET, host: "ONE.example" }, undefined, 200],
    [{ ...GET, host: "two.example" }, undefined, 400],
    [{ ...GET, ":authority": "one.example:99999" }, undefined, 400],
    [{ ...hostless, host: "two.example" }, undefined, 200],
    [{ ...hostless, host: "two.example/x" }, undefined, 400],
    [{ ...GET, "content-length": "5" }, Buffer.from("hello"), 400],
    [{ ...GET, "content-length": "0" }, undefined, 200],
    [{ ...GET, ":method": "POST", "content-length": "5" }, Buffer.from("hello"), 200],
  ];
  for (const [fields, content, status] of cases) {
    assert.equal((await client.ask(fields, content)).status, status, JSON.stringify(fields));
  }
  const target = "/3/search?query=\u9ed1";
  const latin1 = Buffer.from(target).toString("latin1");
  assert.equal((await client.ask({ ...GET, ":path": latin1 })).body, "/3/search?query=%E9%BB%91 without one.example");
  assert.equal((await client.ask({ ...GET, ":method": "DELETE" })).body, "/ without one.example");
  assert.equal((await client.ask({ ...GET, ":method": "PUT" }, Buffer.from("x"))).body, "/ with one.example");
});

Deno.test("HTTP/2: a connection that begins with something else is closed unanswered, with HTTP/1.1 too (RFC 9113 §3.4)", async () => {
  await using running = await serving(() => textReply("x"), { tls });
  const { counts } = running.server;
  const others = ["GET / HTTP/1.1\nHost: a\n\n", "PRI * HTTP/2.0\r\n\r\nXM\r\n\r\n", "P\r\n"];
  for (const [index, begin] of others.entries()) {
    using client = await tlsClient(running.address, { ALPNProtocols: ["h2"] });
    await client.write(Buffer.from(begin));
    assert.equal(await restOf(client), "");
    await eventually("it is counted", () => counts.malformed === index + 1 && counts.openConnections === 0);
  }
  assert.equal(counts.requests, 0);
});

Deno.test("HTTP/2: the beginning may come in pieces", async () => {
  await using running = await serving(() => textReply("x"), { tls });
  using client = await tlsClient(running.address, { ALPNProtocols: ["h2"] });
  for (const letter of "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") await client.write(Buffer.from(letter));
  await client.write(new Uint8Array([0, 0, 0, 4, 0, 0, 0, 0, 0]));
  const head = new Uint8Array(9);
  assert.notEqual(await client.read(head), null);
  const settings = 4;
  assert.equal(head[3], settings);
});

Deno.test("HTTP/2: lengths that differ are refused as in HTTP/1.1", async () => {
  await using running = await serving(() => textReply("x"), { tls });
  using client = await tlsClient(running.address, { ALPNProtocols: ["h2"] });
  const pairs = [[":method", "POST"], [":scheme", "https"], [":path", "/"], [":authority", "one.example"]];
  const fields = [...pairs, ["content-length", "5"], ["content-length", "3"]].flat();
  const literals = fields.map((text, at) => (at % 2 === 0 ? "\0" : "") + String.fromCharCode(text.length) + text).join(
    "",
  );
  const frame = (type: number, flags: number, stream: number, content: string) =>
    String.fromCharCode(0, 0, content.length, type, flags, 0, 0, 0, stream) + content;
  const [DATA, HEADERS, SETTINGS] = [0, 1, 4];
  const frames = frame(SETTINGS, 0, 0, "") + frame(HEADERS, 4, 1, literals) + frame(DATA, 1, 1, "hello");
  await client.write(Buffer.from(`PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${frames}`, "latin1"));
  await eventually("it is refused", () => running.server.counts.malformed === 1);
});

Deno.test("HTTP/2: a connection on which nothing was said keeps no server from closing", async () => {
  await using running = await serving(() => textReply("x"), { tls });
  using client = await tlsClient(running.address, { ALPNProtocols: ["h2"] });
  await running.server.close(600_000);
  assert.equal(await restOf(client), "");
});

Deno.test("stopListening() lets HTTP/2 requests finish and ends the connection", async () => {
  const begun = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  await using running = await serving(async () => {
    begun.resolve();
    await goOn.promise;
    return textReply("done");
  }, { tls });
  using client = await http2Client(running.address);
  const asked = client.ask(GET);
  await begun.promise;
  const stopped = running.server.stopListening(running.address);
  goOn.resolve();
  assert.equal((await asked).body, "done");
  await stopped;
  assert.equal(running.server.counts.openConnections, 0);
});

Deno.test("HTTP/2 is not offered where it is switched off", async () => {
  await using running = await serving(() => textReply("x"), { tls: await frontOf({ http2: false }) });
  using client = await tlsClient(running.address, { ALPNProtocols: ["h2", "http/1.1"] });
  assert.equal(client.socket.alpnProtocol, "http/1.1");
});
