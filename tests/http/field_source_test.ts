import assert from "node:assert/strict";
import { fieldSource, RequestFields } from "../../lib/http/field_source.ts";

/** Sends raw requests to a real server and gives what `inspect` made of each. */
async function served<T>(heads: readonly string[], inspect: (request: Request) => T): Promise<T[]> {
  const seen: T[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    seen.push(inspect(request));
    return new Response(null, { status: 204 });
  });
  for (const head of heads) {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.addr.port });
    await connection.write(new TextEncoder().encode(`GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${head}\r\n`));
    for (const buffer = new Uint8Array(1024); await connection.read(buffer) !== null;);
    connection.close();
  }
  await server.shutdown();
  return seen;
}

const HEADS = [
  "",
  "Accept-Encoding: gzip\r\nAuthorization: Bearer x\r\n",
  "X-A: 1\r\nX-B: 2\r\nx-a: 3\r\n",
  "Cookie: a=1\r\nCookie: b=2\r\n",
  "X-Empty:\r\nX-Latin: caf\xe9\r\n",
  'If-None-Match: "a"\r\nIf-None-Match: "b"\r\nCache-Control: no-cache\r\n',
];

Deno.test("fieldSource() says what headers says, for every field of real requests", async () => {
  const pairs = await served(HEADS, (request) => {
    const source = fieldSource(request);
    const names = [
      "host",
      "accept-encoding",
      "authorization",
      "x-a",
      "x-b",
      "cookie",
      "x-empty",
      "x-latin",
      "if-none-match",
      "no",
    ];
    return names.map((name) => [name, source.header(name), request.headers.get(name)]);
  });
  assert.equal(pairs.length, HEADS.length);
  for (const [name, direct, viaHeaders] of pairs.flat()) assert.equal(direct, viaHeaders, String(name));
});

Deno.test("fieldSource() finds the quick way on the pinned runtime", async () => {
  const kinds = await served(["", ""], (request) => fieldSource(request).constructor.name);
  assert.notEqual(kinds[1], "HeadersSource");
});

Deno.test("fieldSource() reads requests that no server made", () => {
  const request = new Request("http://a/", { headers: { "X-A": "1" } });
  assert.equal(fieldSource(request).header("x-a"), "1");
  assert.equal(fieldSource(request).header("x-b"), null);
});

Deno.test("RequestFields.hide() has fields be as if they were not there, by name and by what they hold", () => {
  const headers = { "x-key": "k", "x-uri": "/~secret/a", "accept": "*/*" };
  const hidden = { names: new Set(["x-key"]), texts: ["secret"] };
  for (const isListed of [false, true]) {
    const fields = new RequestFields(new Request("http://a.example/", { headers }));
    if (isListed) assert.equal(fields.list().length, 3);
    fields.hide(hidden);
    assert.deepEqual(["x-key", "x-uri", "accept", "x-none"].map((name) => fields.header(name)), [
      null,
      null,
      "*/*",
      null,
    ]);
    assert.deepEqual(fields.list(), [["accept", "*/*"]]);
  }
});

Deno.test("RequestFields.hide() leaves what proxies have added to the client's addresses", () => {
  const seen = (value: string) => {
    const fields = new RequestFields(new Request("http://a.example/", { headers: { "x-forwarded-for": value } }));
    fields.hide({ names: new Set(), texts: ["secret"] });
    return fields.header("x-forwarded-for");
  };
  assert.equal(seen("a secret, 203.0.113.7, 192.0.2.1"), " 203.0.113.7, 192.0.2.1");
  assert.equal(seen("203.0.113.7"), "203.0.113.7");
  assert.equal(seen("secret"), null);
});
