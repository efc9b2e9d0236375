import assert from "node:assert/strict";
import type { Http1TransportOptions } from "../../lib/upstream_client/http1_transport.ts";
import type { FailureKind } from "../../lib/upstream_client/transport.ts";
import { caCert, serverTls, socks5Proxy } from "./egress_servers.ts";
import { answering, RawServer } from "./_raw_server.ts";
import { seededRandom } from "../seeded_random.ts";
import { eventually, exchange, failureOf, leakless, PATIENT, request, transportTo } from "./_sending.ts";

const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const HOSTS = { "upstream.example": "127.0.0.1" };
const lookup = () => Promise.reject(new Error("looked up"));

function through(port: number, url: string, options: Partial<Http1TransportOptions> = {}) {
  const proxy = new URL(`socks5://127.0.0.1:${port}`);
  return transportTo(new URL(url), { proxy, lookup, caCerts: [caCert], allowPrivate: false, ...options });
}

Deno.test(leakless("openSocks5Tunnel() lets the proxy resolve the name, for http and https", async () => {
  await using plain = answering(OK);
  await using secured = new RawServer(async (connection) => {
    while (await connection.readRequest() !== null) await connection.write(OK);
  }, serverTls);
  await using proxy = socks5Proxy({ hosts: HOSTS });
  for (const url of [`http://upstream.example:${plain.port}`, `https://upstream.example:${secured.port}`]) {
    const transport = through(proxy.port, url);
    for (let turn = 0; turn < 2; turn++) assert.deepEqual(await exchange(transport), [200, "ok"]);
    transport.close();
  }
  assert.deepEqual(proxy.asked, [`upstream.example:${plain.port}`, `upstream.example:${secured.port}`]);
}));

Deno.test(
  leakless("openSocks5Tunnel() sends addresses as addresses: in the URL, pinned, of both families", async () => {
    await using server = answering(OK);
    await using proxy = socks5Proxy({ hosts: { "2001:db8:0:0:0:0:0:7": "127.0.0.1" } });
    const sent: [url: string, address: string | null][] = [
      [`http://127.0.0.1:${server.port}`, null],
      [`http://upstream.example:${server.port}`, "127.0.0.1"],
      [`http://[2001:db8::7]:${server.port}`, null],
    ];
    for (const [url, address] of sent) {
      const transport = through(proxy.port, url, { address });
      assert.deepEqual(await exchange(transport), [200, "ok"]);
      transport.close();
    }
    assert.deepEqual(
      proxy.asked,
      ["127.0.0.1", "127.0.0.1", "2001:db8:0:0:0:0:0:7"].map((at) => `${at}:${server.port}`),
    );
  }),
);

Deno.test(leakless("openSocks5Tunnel() authenticates, and says what went wrong without the password", async () => {
  await using server = answering(OK);
  await using proxy = socks5Proxy({ user: "josé", password: "p@ss" });
  const url = `http://127.0.0.1:${server.port}`;
  const with_ = (credentials: string) =>
    through(proxy.port, url, { proxy: new URL(`socks5://${credentials}127.0.0.1:${proxy.port}`) });
  const right = with_("jos%C3%A9:p%40ss@");
  assert.deepEqual(await exchange(right), [200, "ok"]);
  right.close();
  for (const [credentials, message] of [["", /wants credentials/], ["me:hunter2@", /credentials refused/]] as const) {
    const transport = with_(credentials);
    const failure = await failureOf(transport.send(request(), { deadlines: PATIENT }), "proxy");
    assert.match(failure.message, message);
    assert.doesNotMatch(failure.message, /hunter2/);
    transport.close();
  }
  await using open = socks5Proxy();
  const generous = through(open.port, url, { proxy: new URL(`socks5://me:x@127.0.0.1:${open.port}`) });
  assert.deepEqual(await exchange(generous), [200, "ok"]);
  generous.close();
}));

const HELLO = [5, 0];
/** Bytes that a proxy answers with, step by step, and the failure they are. */
const HOSTILE: [name: string, answers: number[][], kind: FailureKind, message: RegExp][] = [
  ["another version", [[4, 0]], "proxy", /not a SOCKS5 answer/],
  ["HTTP", [[..."HTTP/1.1 400 Bad Request\r\n\r\n"].map((c) => c.charCodeAt(0))], "proxy", /not a SOCKS5 answer/],
  ["a method nobody offered", [[5, 2]], "proxy", /not offered/],
  ["no method", [[5, 0xff]], "proxy", /wants credentials/],
  ["a close", [], "proxy", /closed inside/],
  ["half a reply", [HELLO, [5, 0, 0]], "proxy", /closed inside/],
  ["a reply of another version", [HELLO, [4, 0, 0, 1, 0, 0, 0, 0, 0, 0]], "proxy", /not a SOCKS5 answer/],
  ["an unknown address type", [HELLO, [5, 0, 0, 9, 0, 0, 0, 0, 0, 0]], "proxy", /not a SOCKS5 answer/],
  ["a name that never ends", [HELLO, [5, 0, 0, 3, 255, 1, 2, 3]], "proxy", /closed inside/],
  ["rules against it", [HELLO, [5, 2, 0, 1, 0, 0, 0, 0, 0, 0]], "proxy", /not allowed by its rules/],
  ["an unknown reply", [HELLO, [5, 99, 0, 1, 0, 0, 0, 0, 0, 0]], "proxy", /reply 99/],
  [
    "an unreachable host",
    [HELLO, [5, 4, 0, 1, 0, 0, 0, 0, 0, 0]],
    "connect",
    /cannot reach upstream\.example:80: host/,
  ],
  ["a refused connection", [HELLO, [5, 5, 0, 1, 0, 0, 0, 0, 0, 0]], "connect", /connection refused/],
];

for (const [name, answers, kind, message] of HOSTILE) {
  Deno.test(leakless(`openSocks5Tunnel() survives a proxy that gives ${name}`, async () => {
    await using proxy = new RawServer(async (connection) => {
      await connection.readSome();
      for (const answer of answers) {
        await connection.write(Uint8Array.from(answer));
        if (answer !== answers.at(-1)) await connection.readSome();
      }
    });
    const transport = through(proxy.port, "http://upstream.example");
    const failure = await failureOf(transport.send(request(), { deadlines: PATIENT }), kind);
    assert.match(failure.message, message);
    assert.ok(failure.message.includes(`proxy socks5://127.0.0.1:${proxy.port}`), failure.message);
    assert.equal(failure.requestSent, false);
    await eventually(() => proxy.openCount === 0);
    transport.close();
  }));
}

Deno.test(leakless("openSocks5Tunnel() never hangs or crashes on random answers (seeded)", async () => {
  const random = seededRandom(7);
  await using proxy = new RawServer(async (connection) => {
    await connection.readSome();
    const head = random() < 0.7 ? [5, 0] : [];
    const noise = Array.from({ length: Math.floor(random() * 40) }, () => Math.floor(random() * 256));
    await connection.write(Uint8Array.from([...head, ...noise]));
  });
  const transport = through(proxy.port, "http://upstream.example");
  for (let turn = 0; turn < 200; turn++) {
    const failure = await transport.send(request(), { deadlines: { ...PATIENT, connectMs: 2_000 } }).then(
      () => null,
      (error) => error,
    );
    assert.ok(failure !== null, "noise was taken for an answer");
    assert.ok(["proxy", "connect", "reset", "protocol"].includes(failure.kind), failure.message);
  }
  transport.close();
}));

Deno.test(leakless("a SOCKS5 proxy that hangs at any step costs no more than connectMs", async () => {
  for (const step of [0, 1]) {
    await using proxy = new RawServer(async (connection) => {
      await connection.readSome();
      if (step === 1) await connection.write(Uint8Array.from(HELLO));
      await connection.drain();
    });
    const transport = through(proxy.port, "http://upstream.example");
    await failureOf(transport.send(request(), { deadlines: { ...PATIENT, connectMs: 30 } }), "connect_timeout");
    await eventually(() => proxy.openCount === 0);
    transport.close();
  }
}));
