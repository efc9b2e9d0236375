import assert from "node:assert/strict";
import { forwardProxy, type ForwardProxyOptions, type ProxyRoute } from "../../lib/forward_proxy/forward_proxy.ts";
import { RouteTable } from "../../lib/listener/route_table.ts";
import { newForwardProxyCounts, PROXY_RESULTS } from "../../lib/metrics/gateway_metrics.ts";
import { handle } from "../../lib/pipeline/pipeline.ts";
import { tokenHash } from "../../lib/request/client_auth.ts";
import { type InternetDial, internetDial } from "../../lib/upstream_client/dial_internet.ts";
import { eventually } from "../eventually.ts";
import { type InProcessGateway, plainPool, withGateway } from "../pipeline/in_process_gateway.ts";
import { RawClient } from "../server/raw_client.ts";
import { serving, type ServingOptions } from "../server/serving.ts";
import { frontOf, identity, tlsClient } from "../server/tls_serving.ts";
import net from "node:net";

const OWN = "own.test";
const TOKEN = "5f3c9a1e7b2d4068aa51c0de93b7f642";

/** A forward proxy over a real server, whose other address speaks TLS and is served by a listener. */
interface Proxied {
  readonly address: string;
  readonly gateway: InProcessGateway;
  readonly counts: ReturnType<typeof newForwardProxyCounts>;
  /** What has become of its requests so far, zeros left out. */
  results(): Record<string, number>;
  /** The head that answers CONNECT to a target. */
  connect(target: string, fields?: string): Promise<string>;
}

async function withProxy(
  options: Partial<ForwardProxyOptions> & { readonly limits?: ServingOptions["limits"] },
  run: (proxied: Proxied) => Promise<void>,
): Promise<void> {
  const { limits = {}, ...parts } = options;
  await withGateway({
    pools: { p: plainPool(["https://one.example"]) },
    listeners: [{ name: "own", pool: "p", rules: [{ when: { path: "/ip" }, respond: { body: "served here" } }] }],
  }, async (gateway) => {
    const counts = newForwardProxyCounts();
    const proxy = forwardProxy({
      name: "way-in",
      routes: new RouteTable<ProxyRoute>([
        { hosts: [OWN], prefix: "/", value: { serveAt: "tls" } },
        { hosts: ["gone.test"], prefix: "/", value: { serveAt: "gone" } },
        { hosts: [], prefix: "/", value: "tunnel" },
      ]),
      isClient: () => true,
      tokenHash: null,
      connectMs: 60_000,
      idleMs: 60_000,
      maxTunnels: 10,
      dial: internetDial({ lookup: () => Promise.reject(new Error("nobody asks")) }),
      counts,
      ...parts,
    });
    const served: { address?: string } = {};
    const { services } = gateway.entrance();
    await using running = await serving((arrival) =>
      proxy.handle(arrival, {
        services,
        serveAt: (_, own) => handle(gateway.entrance(), own),
        boundAs: (address) => address === "tls" ? served.address : undefined,
      }), { limits });
    served.address = await running.server.listen(
      { hostname: "127.0.0.1", port: 0 },
      (arrival) => handle(gateway.entrance(), arrival),
      { tls: await frontOf({ identities: [await identity(OWN)] }) },
    );
    const { address } = running;
    await run({
      address,
      gateway,
      counts,
      results: () =>
        Object.fromEntries(
          PROXY_RESULTS.map((name, at) => [name, counts.byResult[at]!] as const).filter(([, count]) => count > 0),
        ),
      async connect(target, fields = "") {
        using client = await RawClient.to(address);
        await client.send(`CONNECT ${target} HTTP/1.1\r\nHost: x\r\n${fields}\r\n`);
        return await client.takeUntil("\r\n\r\n");
      },
    });
    assert.deepEqual(running.faults, []);
  });
}

/** One request in a tunnel, whose TLS begins behind `before`. */
async function askInTunnel(address: string, before: string, path = "/ip"): Promise<string> {
  const socket = net.connect(Number(address.split(":").at(-1)), "127.0.0.1");
  socket.write(before);
  let head = "";
  while (!head.includes("\r\n\r\n")) {
    head += String(await new Promise((resolve) => socket.once("data", resolve)));
  }
  assert.match(head, /^HTTP\/1\.1 200 OK\r\nDate: [^\r\n]*\r\n\r\n$/);
  socket.pause();
  using client = await tlsClient(address, { socket, servername: OWN });
  await client.write(new TextEncoder().encode(`GET ${path} HTTP/1.1\r\nHost: ${OWN}\r\nConnection: close\r\n\r\n`));
  let text = "";
  const memory = new Uint8Array(4096);
  for (let count = await client.read(memory); count !== null; count = await client.read(memory)) {
    text += new TextDecoder().decode(memory.subarray(0, count));
  }
  return text;
}

/** Where no tunnel may lead, with the status that says so. */
const HOSTILE: ReadonlyArray<readonly [target: string, status: number]> = [
  // Other ports, and none.
  ...["public.test:80", "public.test:22", "public.test:0", "public.test:4430", `${OWN}:80`, `${OWN}:8443`]
    .map((target) => [target, 403] as const),
  ...["public.test", "public.test:", "public.test:65536", "public.test:443443", ":443", "", "public.test:+443"]
    .map((target) => [target, 400] as const),
  // Addresses that are nobody's of the Internet, as they are written and as some resolvers read them.
  ...[
    ...["127.0.0.1:443", "10.0.0.1:443", "192.168.1.1:443", "172.16.0.1:443", "169.254.169.254:443", "100.64.0.1:443"],
    ...["0.0.0.0:443", "224.0.0.1:443", "255.255.255.255:443", "192.0.2.1:443", "203.0.113.7:443"],
    ...["127.1:443", "2130706433:443", "0x7f000001:443", "0x7f.0.0.1:443", "0177.0.0.1:443", "127.0.0.1.:443"],
    ...["[::1]:443", "[::]:443", "[::ffff:127.0.0.1]:443", "[::ffff:8.8.8.8]:443", "[0:0:0:0:0:ffff:7f00:1]:443"],
    ...["[fe80::1]:443", "[fc00::1]:443", "[ff02::1]:443", "[64:ff9b::7f00:1]:443", "[2002:7f00:1::]:443"],
    ...["[2001:db8::1]:443", "[2001:0:7f00:1::]:443", "[64:ff9b:1::808:808]:443"],
  ].map((target) => [target, 403] as const),
  // Names that are no public ones, or lead to private addresses.
  ...["localhost:443", "router:443", "nas.local:443", "x.localhost:443", "loopback.example:443", "mixed6.example:443"]
    .map((target) => [target, 403] as const),
  // What is no authority.
  ...["user@public.example:443", "user:pass@public.example:443", "http://public.example:443", "/", "*", "a b:443"]
    .map((target) => [target, 400] as const),
  ...[`${"a".repeat(300)}.example:443`, `x\r\nX-More: y:443`, "public.example:443#x"]
    .map((target) => [target, 400] as const),
  [`${"a".repeat(64)}.example:443`, 403],
  ["-a.example:443", 403],
  ["a..example:443", 403],
  ["a%2eb.example:443", 400],
];

const ADDRESSES: Readonly<Record<string, readonly string[]>> = {
  "loopback.example": ["127.0.0.1", "10.0.0.1"],
  "mixed6.example": ["::ffff:127.0.0.1", "fd00::1"],
  "good.example": ["8.8.8.8", "192.168.0.1", "2606:4700::1111"],
};

Deno.test(`${HOSTILE.length} hostile targets of CONNECT are refused, and nothing is connected to`, () =>
  withProxy({
    dial: internetDial({
      lookup: (name) => Promise.resolve([...ADDRESSES[name] ?? assert.fail(name)]),
      connect: () => assert.fail("connected"),
    }),
  }, async ({ connect, results, counts, gateway }) => {
    assert.ok(HOSTILE.length >= 40);
    for (const [target, status] of HOSTILE) {
      assert.match(await connect(target), new RegExp(`^HTTP/1\\.1 ${status} `), target);
    }
    const { target = 0, address = 0, ...others } = results();
    assert.equal(target + address, HOSTILE.filter(([, status]) => status === 403).length);
    assert.deepEqual([others, counts.tunnels], [{}, 0]);
    const line = gateway.access().find(({ target }) => target === "loopback.example:443");
    assert.deepEqual([line?.["access"], line?.["status"], line?.["detail"]], ["way-in", 403, "address"]);
  }));

Deno.test("a tunnel to an own host comes to the listener with TLS, whatever the client sends how early", () =>
  withProxy({}, async ({ address, connect, results, gateway }) => {
    const head = `CONNECT ${OWN}:443 HTTP/1.1\r\nHost: ${OWN}:443\r\n\r\n`;
    assert.match(await askInTunnel(address, head), /^HTTP\/1\.1 200 [^]*served here$/);
    assert.match(await askInTunnel(address, head.replace("/1.1", "/1.0").replace(OWN, "OWN.test.")), /served here$/);
    // A request before it, so that a read is under way.
    const url = `GET http://${OWN}/ip HTTP/1.1\r\nHost: other.test\r\nProxy-Authorization: Basic eDp5\r\n\r\n`;
    using client = await RawClient.to(address);
    await client.send(url + head + "\x16\x03\x01\x00\x02xx");
    assert.equal((await client.response()).body, "served here");
    assert.match(await client.takeUntil("\r\n\r\n"), /^HTTP\/1\.1 200 /);
    // What is no handshake ends it.
    await client.endSending();
    await client.rest();
    // One that is not listened on at this moment.
    assert.match(await connect("gone.test:443"), /^HTTP\/1\.1 503 /);
    assert.deepEqual(results(), { served: 4, failed: 1 });
    assert.ok(gateway.access().some(({ access, client }) => access === "own" && client === "127.0.0.1"));
  }));

Deno.test("plain http in a tunnel to an own host is told that it should be https", () =>
  withProxy({}, async ({ address }) => {
    using client = await RawClient.to(address);
    await client.send(`CONNECT ${OWN}:443 HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: ${OWN}\r\n\r\n`);
    assert.match(await client.takeUntil("\r\n\r\n"), /^HTTP\/1\.1 200 /);
    assert.match(await client.rest(), /^HTTP\/1\.1 400 [^]*speaks HTTPS/);
  }));

Deno.test("whole URLs are served for own hosts alone; nothing else is served on the address", () =>
  withProxy({}, async ({ address }) => {
    for (
      const [target, status] of [
        [`http://${OWN}/ip`, 200],
        [`http://${OWN}:80/ip`, 200],
        [`http://${OWN}:6636/ip`, 403],
        [`https://${OWN}/ip`, 403],
        ["http://public.example/ip", 403],
        ["http://127.0.0.1/ip", 403],
        ["/ip", 403],
      ] as const
    ) {
      using client = await RawClient.to(address);
      await client.send(`GET ${target} HTTP/1.1\r\nHost: ${OWN}\r\n\r\n`);
      assert.equal((await client.response()).status, status, target);
    }
  }));

Deno.test("clients need an address that is allowed, and the token where there is one", async () => {
  await withProxy({ isClient: () => false }, async ({ connect, results }) => {
    assert.match(await connect(`${OWN}:443`), /^HTTP\/1\.1 403 /);
    assert.deepEqual(results(), { client: 1 });
  });
  await withProxy({ tokenHash: tokenHash(TOKEN) }, async ({ connect, results }) => {
    const basic = (text: string) => `Proxy-Authorization: Basic ${btoa(text)}\r\n`;
    const wrong = [
      "",
      basic("usher:wrong"),
      basic(TOKEN.slice(1)),
      "Proxy-Authorization: Bearer x\r\n",
      "Proxy-Authorization: \r\n",
    ];
    for (const fields of [...wrong, `Authorization: Bearer ${TOKEN}\r\n`]) {
      const head = await connect(`${OWN}:443`, fields);
      assert.match(head, /^HTTP\/1\.1 407 [^]*Proxy-Authenticate: Basic realm="usher"/, fields);
    }
    const right = [
      basic(`usher:${TOKEN}`),
      basic(`${TOKEN}:`),
      basic(TOKEN),
      `Proxy-Authorization: bearer ${TOKEN}\r\n`,
    ];
    for (const fields of right) assert.match(await connect(`${OWN}:443`, fields), /^HTTP\/1\.1 200 /, fields);
    assert.deepEqual(results(), { served: right.length, token: wrong.length + 1 });
  });
});

/** A dial to a listener of the test, as if it were on the Internet. */
function dialTo(listener: Deno.TcpListener, told: string[][]): InternetDial {
  return internetDial({
    lookup: (name) => Promise.resolve([...ADDRESSES[name] ?? []]),
    async connect(addresses) {
      told.push([...addresses]);
      const socket = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
      // The listener stands for a host elsewhere, the connection's ends for two machines.
      return Object.create(socket, {
        localAddr: { value: { transport: "tcp", hostname: "192.0.2.1", port: 1 } },
        remoteAddr: { value: { transport: "tcp", hostname: addresses[0], port: 443 } },
        ...bound(socket),
      });
    },
  });
}

function bound(socket: Deno.TcpConn): PropertyDescriptorMap {
  return Object.fromEntries(
    (["read", "write", "close", "closeWrite"] as const).map((name) => [name, { value: socket[name].bind(socket) }]),
  );
}

Deno.test("a tunnel to another host goes to the addresses that were checked, carries bytes, is counted and bounded", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const told: string[][] = [];
  await withProxy(
    { dial: dialTo(listener, told), maxTunnels: 1 },
    async ({ address, connect, results, counts, gateway }) => {
      using client = await RawClient.to(address);
      await client.send("CONNECT good.example:443 HTTP/1.1\r\nHost: x\r\n\r\nearly");
      using far = await listener.accept();
      assert.match(await client.takeUntil("\r\n\r\n"), /^HTTP\/1\.1 200 OK\r\nDate: [^\r\n]*$/);
      const memory = new Uint8Array(100);
      assert.equal(new TextDecoder().decode(memory.subarray(0, (await far.read(memory))!)), "early");
      assert.deepEqual([told, counts.tunnels], [[["8.8.8.8", "2606:4700::1111"]], 1]);
      assert.match(await connect("good.example:443"), /^HTTP\/1\.1 503 /);
      await far.write(new TextEncoder().encode("answer"));
      assert.equal(await client.take(6), "answer");
      await far.closeWrite();
      assert.equal(await client.rest(), "");
      await client.endSending();
      await eventually("the tunnel has ended", () => counts.tunnels === 0);
      assert.deepEqual([results(), counts.bytes], [{ tunnel: 1, full: 1 }, 6]);
      const line = gateway.access().find(({ detail }) => detail === "tunnel");
      assert.deepEqual([line?.["access"], line?.["bytes"], line?.["target"]], ["way-in", 6, "good.example:443"]);
      assert.match(await connect("none.example:443"), /^HTTP\/1\.1 403 /);
    },
  );
});

Deno.test("an address of this machine is refused, whatever it is called", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const dial = internetDial({
    lookup: () => Promise.resolve(["8.8.8.8"]),
    connect: () => Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port }),
  });
  await withProxy({ dial }, async ({ connect, results, counts }) => {
    assert.match(await connect("me.example:443"), /^HTTP\/1\.1 403 /);
    assert.deepEqual([results(), counts.tunnels], [{ address: 1 }, 0]);
  });
});

Deno.test("slow and silent clients and hosts end by the limits", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const dial = dialTo(listener, []);
  const limits = { headTimeoutMs: 100, handshakeTimeoutMs: 100, idleTimeoutMs: 100 };
  await withProxy({ dial, idleMs: 100, connectMs: 100, limits }, async ({ address, connect, counts }) => {
    // A head that does not end, none at all, a handshake that does not come.
    for (
      const [sent, expected] of [["CONNECT ", /^HTTP\/1\.1 408 /], ["", /^$/], [null, /^HTTP\/1\.1 200 /]] as const
    ) {
      using client = await RawClient.to(address);
      await client.send(sent ?? `CONNECT ${OWN}:443 HTTP/1.1\r\nHost: x\r\n\r\n`);
      assert.match(await client.rest(), expected);
    }
    // A tunnel in which nothing moves, half closed by its client or not.
    for (const isHalfClosed of [false, true]) {
      using client = await RawClient.to(address);
      await client.send("CONNECT good.example:443 HTTP/1.1\r\nHost: x\r\n\r\n");
      using far = await listener.accept();
      await client.takeUntil("\r\n\r\n");
      if (isHalfClosed) await client.endSending();
      assert.equal(await client.rest(), "");
      assert.equal(await far.read(new Uint8Array(1)).catch(() => null), null);
    }
    await eventually("all tunnels have ended", () => counts.tunnels === 0);
    assert.match(await connect("unresolved.example:443"), /^HTTP\/1\.1 403 /);
  });
  const never = internetDial({ lookup: () => new Promise(() => {}) });
  await withProxy({ dial: never, connectMs: 50 }, async ({ connect, counts }) => {
    assert.match(await connect("late.example:443"), /^HTTP\/1\.1 504 /);
    assert.equal(counts.tunnels, 0);
  });
});
