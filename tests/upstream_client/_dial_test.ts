import assert from "node:assert/strict";
import { sharedLookup } from "../../lib/upstream_client/_dial.ts";
import type { Http1TransportOptions } from "../../lib/upstream_client/http1_transport.ts";
import { UpstreamFailure } from "../../lib/upstream_client/transport.ts";
import { isInstalled } from "../house/test_command.ts";
import { answering, RawServer } from "./_raw_server.ts";
import { exchange, failureOf, leakless, PATIENT, request, transportTo } from "./_sending.ts";

const PYTHON = "/usr/bin/python3";
const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const certificates = new URL("./certs/", import.meta.url);
const caCert = Deno.readTextFileSync(new URL("ca.pem", certificates));
const tls = {
  cert: Deno.readTextFileSync(new URL("server.pem", certificates)),
  key: Deno.readTextFileSync(new URL("server.key", certificates)),
};

/** A TLS server for upstream.example, localhost and 127.0.0.1; a client that turns away in the handshake is fine with it. */
function secureServer(): RawServer {
  return new RawServer(async (connection) => {
    while (await connection.readRequest() !== null) await connection.write(OK);
  }, tls);
}

/** Sends one GET to `name`, which resolves as told, on the port of `server`. */
async function send(server: RawServer, name: string, options: Partial<Http1TransportOptions>) {
  const transport = transportTo(new URL(`${name}:${server.port}`), options);
  try {
    return await exchange(transport);
  } finally {
    transport.close();
  }
}

Deno.test(leakless("openSocket() connects to what the look-up says", async () => {
  await using server = answering(OK);
  const asked: string[] = [];
  const lookup = (name: string) => Promise.resolve([asked.push(name) > 0 ? "127.0.0.1" : ""]);
  assert.deepEqual(await send(server, "http://upstream.example", { lookup }), [200, "ok"]);
  assert.deepEqual(asked, ["upstream.example"]);
}));

Deno.test("sharedLookup() has one look-up of a name under way, and asks again afterwards", async () => {
  const asked: ((addresses: string[]) => void)[] = [];
  const lookup = sharedLookup(() => new Promise((resolve) => asked.push(resolve)));
  const both = [lookup("a"), lookup("a")];
  assert.equal(asked.length, 1);
  asked[0]?.(["192.0.2.1"]);
  assert.deepEqual(await Promise.all(both), [["192.0.2.1"], ["192.0.2.1"]]);
  lookup("a");
  lookup("b");
  assert.equal(asked.length, 3);
  const failing = sharedLookup(() => Promise.reject(new Error("NXDOMAIN")));
  for (let turn = 0; turn < 2; turn++) await assert.rejects(failing("a"), /NXDOMAIN/);
});

Deno.test(leakless("openSocket() tries the next address when one refuses", async () => {
  await using server = answering(OK);
  const lookup = () => Promise.resolve(["127.0.0.9", "127.0.0.8", "127.0.0.1", "127.0.0.7"]);
  assert.deepEqual(await send(server, "http://upstream.example", { lookup }), [200, "ok"]);
}));

Deno.test(leakless("openSocket() looks nothing up for an address in the URL or a pinned one", async () => {
  await using server = answering(OK);
  const lookup = () => Promise.reject(new Error("looked up"));
  assert.deepEqual(await send(server, "http://127.0.0.1", { lookup, allowPrivate: false }), [200, "ok"]);
  const pinned = { lookup, allowPrivate: false, address: "127.0.0.1" };
  assert.deepEqual(await send(server, "http://api.themoviedb.org", pinned), [200, "ok"]);
}));

Deno.test(leakless("openSocket() refuses private addresses of public names only", async () => {
  await using server = answering(OK);
  const lookup = () => Promise.resolve(["127.0.0.1"]);
  const strict = { lookup, allowPrivate: false };
  const failure = await failureOf(send(server, "http://api.themoviedb.org", strict), "refused_address");
  assert.equal(failure.requestSent, false);
  assert.ok(failure.message.includes("127.0.0.1"));
  assert.equal(server.accepted, 0);
  assert.deepEqual(await send(server, "http://localhost", strict), [200, "ok"]);
  assert.deepEqual(await send(server, "http://tmdb-mirror", strict), [200, "ok"]);
  assert.deepEqual(await send(server, "http://nas.lan", strict), [200, "ok"]);
}));

Deno.test(leakless("openSocket() fails as resolve without an address", async () => {
  await using server = answering(OK);
  for (const lookup of [() => Promise.reject(new Error("NXDOMAIN")), () => Promise.resolve([])]) {
    const failure = await failureOf(send(server, "http://upstream.example", { lookup }), "resolve");
    assert.equal(failure.requestSent, false);
  }
}));

Deno.test(leakless("openSocket() uses the system's look-up by default", async () => {
  await using server = answering(OK);
  assert.deepEqual(await send(server, "http://localhost", {}), [200, "ok"]);
}));

Deno.test(leakless("openSocket() fails as connect when all addresses refuse", async () => {
  let port = 0;
  {
    await using server = answering(OK);
    port = server.port;
  }
  const transport = transportTo(new URL(`http://127.0.0.1:${port}`));
  const failure = await failureOf(transport.send(request(), { deadlines: PATIENT }), "connect");
  assert.equal(failure.requestSent, false);
  assert.deepEqual(transport.stats(), { open: 0, idle: 0 });
  transport.close();
}));

Deno.test(leakless("openSocket() speaks TLS with the URL's host or tlsName as server name", async () => {
  await using server = secureServer();
  const options = { caCerts: [caCert], address: "127.0.0.1" };
  assert.deepEqual(await send(server, "https://upstream.example", options), [200, "ok"]);
  assert.deepEqual(await send(server, "https://127.0.0.1", options), [200, "ok"]);
  assert.deepEqual(await send(server, "https://other.example", { ...options, tlsName: "upstream.example" }), [
    200,
    "ok",
  ]);
}));

Deno.test(
  leakless("openSocket() fails as tls on a wrong name, an unknown issuer and a server without TLS", async () => {
    await using server = secureServer();
    const options = { caCerts: [caCert], address: "127.0.0.1" };
    await failureOf(send(server, "https://wrong.example", options), "tls");
    await failureOf(send(server, "https://upstream.example", { ...options, caCerts: [] }), "tls");
    await failureOf(send(server, "https://upstream.example", { ...options, tlsName: "not a name" }), "tls");
    await using closing = new RawServer(async (connection) => void await connection.readSome());
    await failureOf(send(closing, "https://upstream.example", options), "tls");
    await using text = new RawServer(async (connection) => {
      await connection.readSome();
      await connection.write("HTTP/1.1 400 Bad Request\r\n\r\n");
      await connection.drain();
    });
    const failure = await failureOf(send(text, "https://upstream.example", options), "tls");
    assert.equal(failure.requestSent, false);
  }),
);

/** Ways to stall before there is a connection: a look-up without answer and a TLS server that says nothing. */
const STALLS: [name: string, scheme: string, options: Partial<Http1TransportOptions>][] = [
  ["look-up", "http", { lookup: () => new Promise(() => {}) }],
  ["TLS", "https", { caCerts: [caCert], address: "127.0.0.1" }],
];

for (const [name, scheme, options] of STALLS) {
  Deno.test(leakless(`openSocket() gives up on connectMs and on abort: ${name}`, async () => {
    await using server = new RawServer((connection) => connection.drain());
    const transport = transportTo(new URL(`${scheme}://upstream.example:${server.port}`), options);
    const late = transport.send(request(), { deadlines: { ...PATIENT, connectMs: 20 } });
    assert.equal((await failureOf(late, "connect_timeout")).requestSent, false);
    const controller = new AbortController();
    const aborted = transport.send(request(), { deadlines: PATIENT, signal: controller.signal });
    setTimeout(() => controller.abort(), 5);
    assert.equal((await failureOf(aborted, "aborted")).requestSent, false);
    assert.deepEqual(transport.stats(), { open: 0, idle: 0 });
    transport.close();
  }));
}

Deno.test("UpstreamFailure of a dial keeps the cause for the log", async () => {
  const cause = new Error("NXDOMAIN");
  const transport = transportTo(new URL("http://upstream.example"), { lookup: () => Promise.reject(cause) });
  const failure = await transport.send(request(), { deadlines: PATIENT }).catch((error) => error);
  assert.ok(failure instanceof UpstreamFailure && failure.cause === cause);
});

Deno.test({
  name: "openSocket() takes a want of descriptors for its own, not for a failure of the upstream",
  ignore: !isInstalled(PYTHON),
  async fn() {
    const script = new URL("few_descriptors.ts", import.meta.url).pathname;
    const args = ["run", "--no-check", "--no-prompt", "--allow-net", "--allow-read", script];
    // The runtime cannot set the limit for itself.
    const program = [
      "-c",
      "import os, resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (96, 96)); os.execv(sys.argv[1], sys.argv[1:])",
    ];
    const child = new Deno.Command(PYTHON, { args: [...program, Deno.execPath(), ...args], stderr: "inherit" });
    const { stdout } = await child.output();
    assert.deepEqual(JSON.parse(new TextDecoder().decode(stdout)), ["crowded", "crowded"]);
  },
});
