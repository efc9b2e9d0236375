import assert from "node:assert/strict";
import { startScriptedOrigin } from "../origins/scripted_origin.ts";
import { caCert, type EgressServer, httpProxy, serverTls, socks5Proxy } from "../upstream_client/egress_servers.ts";
import { eventually } from "../eventually.ts";
import { fetched, type GatewayPlaces, type RunningGateway, startGateway } from "./_gateway.ts";
import { customPool, testConfig } from "./test_config.ts";

/** Names that nothing but the tests' proxies can resolve. */
const HOSTS = { "origin.egress.example": "127.0.0.1", "upstream.example": "127.0.0.1" };
const SECRET = "hunter2-p@ss";
const CREDENTIALS = `me:${encodeURIComponent(SECRET)}@`;

/** A gateway whose one listener takes everything to these upstreams. */
async function gatewayTo(
  stack: AsyncDisposableStack,
  upstreams: readonly unknown[],
  pool: Readonly<Record<string, unknown>> = {},
): Promise<RunningGateway> {
  return stack.adopt(
    await startGateway({ config: (places) => configTo(places, upstreams, pool) }),
    (running) => running.close(),
  );
}

function configTo(places: GatewayPlaces, upstreams: readonly unknown[], pool = {}): string {
  return testConfig(places, {
    pools: { p: customPool(upstreams, pool) },
    listeners: [{ name: "l", prefix: "/", pool: "p", cache: { mode: "off" } }],
  });
}

/** A PEM file, as `ca:` names one. */
async function caFile(stack: AsyncDisposableStack): Promise<string> {
  const path = await Deno.makeTempFile({ suffix: ".pem" });
  stack.defer(() => Deno.remove(path));
  await Deno.writeTextFile(path, caCert);
  return path;
}

function secureOrigin(stack: AsyncDisposableStack): number {
  const ending = new AbortController();
  const options = { hostname: "127.0.0.1", port: 0, ...serverTls, signal: ending.signal, onListen() {} };
  const server = Deno.serve(options, (request) => new Response(`secure ${new URL(request.url).pathname}`));
  stack.defer(async () => {
    ending.abort();
    await server.finished;
  });
  return server.addr.port;
}

Deno.test("an upstream behind a SOCKS5 proxy is reached, and checked, through it alone; its password shows nowhere", async () => {
  await using stack = new AsyncDisposableStack();
  await using proxy = socks5Proxy({ hosts: HOSTS, user: "me", password: SECRET });
  const origin = stack.adopt(
    await startScriptedOrigin((exchange) => exchange.reply({ body: "here" })),
    (o) => o.close(),
  );
  const url = `http://origin.egress.example:${origin.port}`;
  const gateway = await gatewayTo(stack, [{ url, proxy: `socks5://${CREDENTIALS}127.0.0.1:${proxy.port}` }], {
    health: { path: "/alive", interval: "100ms", timeout: "90ms" },
  });
  const { status, bytes } = await fetched(`${gateway.url}/x`);
  assert.deepEqual([status, new TextDecoder().decode(bytes)], [200, "here"]);
  await eventually("a check came too", () => origin.heads.some(({ target }) => target === "/alive"));
  assert.ok(proxy.asked.every((asked) => asked === `origin.egress.example:${origin.port}`), proxy.asked.join());
  assert.equal(
    origin.heads.find(({ target }) => target === "/x")?.fields[0]?.[1],
    `origin.egress.example:${origin.port}`,
  );
  const shown = await Promise.all(["/status", "/metrics"].map((path) => fetched(gateway.adminUrl + path)));
  const texts = [gateway.log(), ...shown.map(({ bytes }) => new TextDecoder().decode(bytes))];
  for (const text of texts) assert.doesNotMatch(text, /hunter2/);
});

Deno.test("https upstreams are reached through HTTP and HTTPS proxies, and by HTTP/2 without one", async () => {
  await using stack = new AsyncDisposableStack();
  const port = secureOrigin(stack);
  const ca = await caFile(stack);
  await using plain = httpProxy({ hosts: HOSTS });
  await using secured = httpProxy({ hosts: HOSTS, isSecure: true, user: "me", password: SECRET });
  const url = `https://upstream.example:${port}`;
  const upstreams: [upstream: unknown, proxy: EgressServer | null][] = [
    [{ url, ca, proxy: `http://127.0.0.1:${plain.port}` }, plain],
    [{ url, ca, proxy: `https://${CREDENTIALS}localhost:${secured.port}` }, secured],
    [{ url: `https://localhost:${port}`, ca, http2: true }, null],
  ];
  for (const [upstream, proxy] of upstreams) {
    const gateway = await gatewayTo(stack, [upstream]);
    for (const path of ["/one", "/two"]) {
      const { status, bytes } = await fetched(gateway.url + path);
      assert.deepEqual([status, new TextDecoder().decode(bytes)], [200, `secure ${path}`]);
    }
    if (proxy !== null) assert.ok(proxy.asked.every((line) => line === `CONNECT upstream.example:${port} HTTP/1.1`));
    assert.doesNotMatch(gateway.log(), /hunter2/);
  }
});

Deno.test("a proxy that refuses costs a 502 and a log line that names the hop; the next upstream answers instead", async () => {
  await using stack = new AsyncDisposableStack();
  await using proxy = httpProxy({ user: "me", password: "another" });
  const origin = stack.adopt(
    await startScriptedOrigin((exchange) => exchange.reply({ body: "here" })),
    (o) => o.close(),
  );
  const blocked = { url: "https://upstream.example", proxy: `http://${CREDENTIALS}127.0.0.1:${proxy.port}` };
  const alone = await gatewayTo(stack, [blocked]);
  const refused = await fetched(`${alone.url}/x`);
  assert.equal(refused.status, 502);
  await alone.logged(`proxy http://127.0.0.1:${proxy.port}: credentials refused (407)`);
  for (const text of [alone.log(), new TextDecoder().decode(refused.bytes)]) assert.doesNotMatch(text, /hunter2/);
  const both = await gatewayTo(stack, [blocked, origin.url]);
  for (let turn = 0; turn < 6; turn++) assert.equal((await fetched(`${both.url}/${turn}`)).status, 200);
});

Deno.test("one URL may stand twice in a pool, with and without a proxy: what cannot be reached directly goes through it", async () => {
  await using stack = new AsyncDisposableStack();
  await using proxy = socks5Proxy({ hosts: HOSTS });
  const origin = stack.adopt(
    await startScriptedOrigin((exchange) => exchange.reply({ body: "here" })),
    (o) => o.close(),
  );
  const url = `http://origin.egress.example:${origin.port}`;
  const gateway = await gatewayTo(stack, [url, { url, proxy: `socks5://127.0.0.1:${proxy.port}` }]);
  for (let turn = 0; turn < 6; turn++) assert.equal((await fetched(`${gateway.url}/${turn}`)).status, 200);
  const { pools } = await gateway.status();
  assert.deepEqual(pools[0]?.upstreams.map((upstream) => upstream.url), [
    url,
    `${url} via socks5://127.0.0.1:${proxy.port}`,
  ]);
});

/** Open files of a process. Counted by a process of its own: only one with all permissions may look there. */
async function openFiles(pid: number): Promise<number> {
  const code = `console.log([...Deno.readDirSync("/proc/${pid}/fd")].length)`;
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["eval", code] }).output();
  return Number(new TextDecoder().decode(stdout));
}

async function reload(gateway: RunningGateway, yaml: string): Promise<void> {
  const reloads = () => gateway.log().split("Configuration reloaded").length;
  const before = reloads();
  await gateway.writeConfig(yaml);
  gateway.signal("SIGHUP");
  await eventually("one more reload", () => reloads() > before);
}

Deno.test("connections to an upstream that leaves the configuration are closed, those in use when they are done", async () => {
  await using stack = new AsyncDisposableStack();
  const release = Promise.withResolvers<void>();
  const leaving = stack.adopt(
    await startScriptedOrigin(async (exchange) => {
      if (exchange.head.target === "/slow") await release.promise;
      await exchange.reply({ body: "leaving" });
    }),
    (origin) => origin.close(),
  );
  const staying = stack.adopt(
    await startScriptedOrigin((exchange) => exchange.reply({ body: "staying" })),
    (o) => o.close(),
  );
  let places: GatewayPlaces | undefined;
  const gateway = stack.adopt(
    await startGateway({ config: (given) => configTo(places = given, [leaving.url]) }),
    (running) => running.close(),
  );
  await Promise.all(Array.from({ length: 8 }, (_, n) => fetched(`${gateway.url}/${n}`)));
  const slow = fetched(`${gateway.url}/slow`);
  await eventually("the slow request is there", () => leaving.heads.some(({ target }) => target === "/slow"));
  assert.ok(leaving.open >= 2, `${leaving.open} connections`);
  await reload(gateway, configTo(places!, [staying.url]));
  await eventually("only the one in use is left", () => leaving.open === 1);
  release.resolve();
  assert.equal(new TextDecoder().decode((await slow).bytes), "leaving");
  await eventually("that one is closed too", () => leaving.open === 0);
  assert.equal(new TextDecoder().decode((await fetched(`${gateway.url}/x`)).bytes), "staying");
});

Deno.test({
  name: "twenty reloads that replace upstream, proxy and HTTP/2 client leave no open files behind",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using stack = new AsyncDisposableStack();
    await using proxy = httpProxy({ hosts: HOSTS });
    const port = secureOrigin(stack);
    const ca = await caFile(stack);
    const upstreams = [
      { url: `https://localhost:${port}`, ca },
      { url: `https://upstream.example:${port}`, ca, proxy: `http://127.0.0.1:${proxy.port}` },
      { url: `https://localhost:${port}`, ca, http2: true },
    ];
    let places: GatewayPlaces | undefined;
    const gateway = stack.adopt(
      await startGateway({ config: (given) => configTo(places = given, upstreams.slice(0, 1)) }),
      (running) => running.close(),
    );
    const use = async () => {
      for (const { status } of await Promise.all([1, 2, 3, 4].map((n) => fetched(`${gateway.url}/${n}`)))) {
        assert.equal(status, 200);
      }
    };
    const counts: number[] = [];
    for (let round = 1; round <= 20; round++) {
      const upstream = { ...upstreams[round % 3], idle_timeout: `${20 + round}s` };
      await reload(gateway, configTo(places!, [upstream]));
      await use();
      counts.push(await openFiles(gateway.pid));
    }
    const early = Math.max(...counts.slice(2, 8));
    await eventually(
      `open files stay bounded: ${counts.join()}`,
      async () => await openFiles(gateway.pid) <= early + 8,
    );
  },
});
