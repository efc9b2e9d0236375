import assert from "node:assert/strict";
import { startScriptedOrigin } from "./scripted_origin.ts";

/** What a client sees that sends `text` and reads to the end: the bytes, and how the connection ended. */
async function talk(port: number, text: string): Promise<[seen: string, end: "end" | "reset"]> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(text));
  const buffer = new Uint8Array(4096);
  let seen = "";
  try {
    for (;;) {
      const length = await connection.read(buffer);
      if (length === null) return [seen, "end"];
      seen += new TextDecoder("latin1").decode(buffer.subarray(0, length));
    }
  } catch {
    return [seen, "reset"];
  }
}

Deno.test("startScriptedOrigin() sends the bytes it is told and ends in order", async () => {
  const origin = await startScriptedOrigin(async (exchange) => {
    await exchange.write("HTTP/1.1 200 OK\r\nx: \xe9\r\n\r\npart");
    exchange.end();
  });
  assert.deepEqual(await talk(origin.port, "GET /a?b HTTP/1.1\r\nHost: h\r\n\r\n"), [
    "HTTP/1.1 200 OK\r\nx: \xe9\r\n\r\npart",
    "end",
  ]);
  assert.equal(origin.heads[0]!.target, "/a?b");
  assert.deepEqual(origin.heads[0]!.fields, [["host", "h"]]);
  await origin.close();
});

Deno.test("startScriptedOrigin() resets after what was written", async () => {
  const origin = await startScriptedOrigin(async (exchange) => {
    await exchange.write("HTTP/1.1 2");
    exchange.reset();
  });
  assert.deepEqual(await talk(origin.port, "GET / HTTP/1.1\r\n\r\n"), ["HTTP/1.1 2", "reset"]);
  await origin.close();
});

Deno.test("startScriptedOrigin() reads bodies and serves several requests of a connection", async () => {
  const bodies: string[] = [];
  const origin = await startScriptedOrigin(async (exchange) => {
    bodies.push(`${exchange.connection}.${exchange.turn} ${new TextDecoder().decode(await exchange.body())}`);
    await exchange.reply({ status: exchange.turn === 1 ? 200 : 404, fields: [["a", "b"]], body: "ok" });
    if (exchange.turn === 2) exchange.end();
  });
  const [seen] = await talk(
    origin.port,
    "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcPOST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1\r\nf\r\n0\r\n\r\n",
  );
  assert.deepEqual(bodies, ["1.1 abc", "1.2 def"]);
  assert.match(seen, /^HTTP\/1\.1 200 .*okHTTP\/1\.1 404 .*ok$/s);
  assert.deepEqual([origin.connections, origin.heads.length, origin.failures.length], [1, 2, 0]);
  await origin.close();
});

Deno.test("startScriptedOrigin() hangs until the client leaves", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const origin = await startScriptedOrigin((exchange) => exchange.hang().then(resolve));
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: origin.port });
  await connection.write(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"));
  while (origin.heads.length === 0) await new Promise((wake) => setTimeout(wake, 1));
  assert.equal(origin.open, 1);
  connection.close();
  await promise;
  assert.equal(origin.open, 0);
  await origin.close();
});
