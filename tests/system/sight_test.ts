import assert from "node:assert/strict";
import { eventually } from "../eventually.ts";
import { runMany } from "./_command.ts";
import { fetched, freePort, type RunningGateway, startGateway } from "./_gateway.ts";
import { apiKey, leaks, secret } from "./_secrets.ts";
import { sharedByTests } from "./_shared.ts";
import { customPool, testConfig } from "./test_config.ts";

const SECRETS = {
  poolKey: apiKey(),
  adminToken: secret(),
  clientToken: secret(),
  pathToken: secret(),
  bearer: secret(),
  password: secret(),
  apiKey: secret(),
  cookie: secret(),
  session: secret(),
  guest: secret(),
  userInformation: secret(),
};

/** The origin: as slow as it is asked to be. */
function startOrigin() {
  return Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const { pathname, searchParams } = new URL(request.url);
    await request.body?.cancel();
    await new Promise((resolve) => setTimeout(resolve, Number(searchParams.get("wait") ?? 0)));
    const kept = pathname.startsWith("/kept");
    return new Response(`{"path":"${pathname}"}`, {
      status: pathname === "/bad" ? 500 : 200,
      headers: { "cache-control": kept ? "max-age=600" : "no-store", "content-type": "application/json" },
    });
  });
}

const running = sharedByTests(async (stack) => {
  const origin = stack.adopt(startOrigin(), (server) => server.shutdown());
  const url = `http://127.0.0.1:${origin.addr.port}`;
  const closed = freePort();
  const configFor = (logging: Record<string, unknown>) => (places: Parameters<typeof testConfig>[0]) =>
    testConfig(places, {
      logging: { format: "json", client: "network", slow: "250ms", ...logging },
      admin: { token: SECRETS.adminToken },
      cache: { disk: 0 },
      pools: {
        any: customPool([url], { retry: { attempts: 1 } }),
        gone: customPool([{
          url: `http://127.0.0.1:${closed}`,
          proxy: `http://u:${SECRETS.userInformation}@127.0.0.1:${closed}`,
        }]),
        films: { type: "tmdb-api", health: false, api_keys: [SECRETS.poolKey], upstreams: [url] },
      },
      listeners: [
        { name: "any", prefix: "/any", strip_prefix: true, pool: "any", server_timing: "trusted" },
        { name: "gone", prefix: "/gone", pool: "gone" },
        { name: "films", prefix: "/3", pool: "films" },
        {
          name: "closed",
          prefix: "/closed",
          pool: "any",
          auth: { tokens: { anna: [SECRETS.clientToken, SECRETS.pathToken] } },
        },
      ],
    });
  let places: Parameters<typeof testConfig>[0];
  const gateway = stack.adopt(
    await startGateway({ config: (made) => configFor({})(places = made) }),
    (started) => started.close(),
  );
  return { gateway, configWith: (logging: Record<string, unknown>) => configFor(logging)(places) };
});

const ADMIN = { headers: { authorization: `Bearer ${SECRETS.adminToken}` } };

async function api<T>({ adminUrl }: RunningGateway, path: string, init: RequestInit = {}): Promise<T> {
  const headers = { ...ADMIN.headers, ...init.body === undefined ? {} : { "content-type": "application/json" } };
  const { status, bytes } = await fetched(`${adminUrl}/api/v1${path}`, { ...init, headers });
  assert.equal(status, 200, `${path}: ${new TextDecoder().decode(bytes)}`);
  return JSON.parse(new TextDecoder().decode(bytes));
}

type Shown = Readonly<Record<string, unknown>>;

/** Lines of the log that are objects. */
function linesOf(gateway: RunningGateway): Shown[] {
  return gateway.log().split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
}

Deno.test("a slow request is found by its id, in the log and by the API, with where its time went", async () => {
  const { gateway } = await running();
  const slow = await fetched(`${gateway.url}/any/slow?wait=300&api_key=${SECRETS.apiKey}`, {
    headers: { "x-request-id": "the-slow-one" },
  });
  assert.match(
    slow.headers.get("server-timing")!,
    /^cache;desc=miss, .*first_byte;dur=\d{3}.*, upstream;dur=\d{3}.*, total;dur=\d{3}/,
  );
  const first = await fetched(`${gateway.url}/any/kept`);
  await fetched(`${gateway.url}/any/kept`);
  assert.equal((await fetched(`${gateway.url}/gone/a`)).headers.get("server-timing"), null);
  const failedId = (await fetched(`${gateway.url}/gone/b`)).headers.get("x-request-id");
  const found = await api<Shown & { phases: Record<string, number> }>(gateway, "/requests/the-slow-one");
  const { target, status, termination, cache, tries, total_ms, phases } = found;
  assert.deepEqual(
    { target, status, termination, cache, tries },
    { target: "/any/slow?wait=300&api_key=[redacted]", status: 200, termination: "--", cache: "miss", tries: 1 },
  );
  assert.ok(Number(total_ms) >= 299 && phases["first_byte_ms"]! >= 290 && phases["first_byte_ms"]! <= Number(total_ms));
  const failed = await api<Shown>(gateway, `/requests/${failedId}`);
  assert.deepEqual([failed["termination"], failed["error"]], ["SC", "upstream_unreachable"]);
  const slowest = await api<Shown[]>(gateway, "/slow?listener=any");
  assert.equal(slowest[0]!["id"], "the-slow-one");
  assert.equal((await fetched(`${gateway.adminUrl}/api/v1/requests/nobody`, ADMIN)).status, 404);
  await eventually("the lines are there", () => linesOf(gateway).some(({ id }) => id === failedId));
  const line = linesOf(gateway).find(({ id, access }) => id === "the-slow-one" && access === "any")!;
  const { client, protocol, host, slow: isSlow, level } = line;
  assert.deepEqual({ client, protocol, isSlow, level }, {
    ...{ client: "127.0.0.0/24", protocol: "HTTP/1.1", isSlow: true, level: "warn" },
  });
  assert.equal(`http://${host}`, gateway.url);
  assert.match(first.headers.get("server-timing")!, /upstream;dur=/);
});

Deno.test("targets, problems and slow requests are there for the API and the commands", async () => {
  const { gateway } = await running();
  for (let at = 0; at < 30; at++) await fetched(`${gateway.url}/any/kept/often`);
  const [most] = await api<Shown[]>(gateway, "/top?listener=any");
  const { target, requests, misses } = most!;
  assert.match(String(target), /\/any\/kept\/often$/);
  // Two workers; each may have asked the origin once.
  assert.ok(requests === 30 && Number(misses) >= 1 && Number(misses) <= 2, `${requests} ${misses}`);
  const byTime = await api<Shown[]>(gateway, "/top?by=time");
  assert.match(String(byTime[0]!["target"]), /\/any\/slow\?wait=300&api_key=\[redacted\]$/);
  let problem: Shown | undefined;
  for (let turn = 0; problem === undefined && turn < 100; turn++) {
    const problems = await api<Shown[]>(gateway, "/problems");
    problem = problems.find(({ message }) => message === "Try at an upstream failed");
    if (problem === undefined) await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.deepEqual([problem!["level"], problem!["area"]], ["warn", "upstream"]);
  const at = ["--admin", gateway.adminUrl, "--token", SECRETS.adminToken];
  const [slow, one, top, problems, wrong, nobody] = await runMany([
    ["slow", ...at],
    ["slow", "the-slow-one", ...at],
    ["top", "--by", "misses", "--listener", "any", ...at],
    ["problems", ...at],
    ["top", "--by", "mises", ...at],
    ["slow", "nobody", ...at],
  ]);
  assert.equal(slow!.stderr, "");
  assert.match(
    slow!.stdout,
    /^\d+ ms {2}GET \/any\/slow\?wait=300&api_key=\[redacted\] {2}200 --\n {2}where +.*first byte \d+ ms/,
  );
  assert.match(one!.stdout, /which +the-slow-one, listener any/);
  assert.match(top!.stdout, /^requests +misses +bytes +time +listener +target\n(?:.*\n)*30 +[12] .*\/often$/m);
  assert.match(problems!.stdout, /warn {2}Try at an upstream failed/);
  assert.deepEqual([wrong!.code, nobody!.code], [2, 1]);
  assert.match(wrong!.stderr, /did you mean "misses"/);
});

Deno.test("levels are set in every worker while it runs, and reloads bring new forms of access lines", async () => {
  const { gateway, configWith } = await running();
  const order = (body: unknown) => api<Shown>(gateway, "/log-level", { method: "PUT", body: JSON.stringify(body) });
  const set = await order({ areas: { request: "debug" }, for_seconds: 3_600 });
  assert.deepEqual([(set["areas"] as Shown)["request"], (set["areas"] as Shown)["cache"]], ["debug", "info"]);
  const workers = () =>
    new Set(linesOf(gateway).filter(({ message }) => message === "A request was served").map(({ worker }) => worker));
  for (let turn = 0; workers().size < 2 && turn < 200; turn++) {
    await fetched(`${gateway.url}/any/kept`, { headers: { connection: "close" } });
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assert.deepEqual([...workers()].sort(), ["serving-0", "serving-1"]);
  await order({});
  const count = linesOf(gateway).filter(({ message }) => message === "A request was served").length;
  await gateway.writeConfig(configWith({ access_format: "combined" }));
  assert.equal((await fetched(`${gateway.adminUrl}/reload`, { method: "POST", ...ADMIN })).status, 200);
  await fetched(`${gateway.url}/any/kept`, {
    headers: { "user-agent": 'a "b"', authorization: `Bearer ${SECRETS.bearer}` },
  });
  await gateway.logged('"GET /any/kept HTTP/1.1" 200 16 "-" "a \\x22b\\x22"');
  assert.match(gateway.log(), /^127\.0\.0\.0\/24 - - \[\d\d\/\w{3}\/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET/m);
  assert.equal(linesOf(gateway).filter(({ message }) => message === "A request was served").length, count);
  const template = "{method} {target} {client_name} {referer} ms={ms}";
  await gateway.writeConfig(configWith({ access_format: template, level: "debug" }));
  assert.equal((await fetched(`${gateway.adminUrl}/reload`, { method: "POST", ...ADMIN })).status, 200);
});

/** Sends a request as these lines, and reads until its end. */
async function sendRaw({ port }: RunningGateway, lines: readonly string[]): Promise<void> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`));
  const buffer = new Uint8Array(4_096);
  while (await connection.read(buffer) !== null);
}

Deno.test("no log line, list or command's output holds a secret, in whatever spelling", async () => {
  const { gateway } = await running();
  const { bearer, password, apiKey, cookie, session, guest, clientToken, pathToken } = SECRETS;
  const escaped = [...apiKey].map((character) => `%${character.charCodeAt(0).toString(16)}`).join("");
  const headers = {
    cookie: `sid=${cookie}; session_id=${cookie}`,
    "x-usher-token": clientToken,
  };
  const tries: [string, HeadersInit][] = [
    [`/a?api_key=${apiKey}`, {}],
    [`/a?api%5Fkey=${escaped}&wait=260`, {}],
    [`/a?session_id=${session}`, { authorization: `Bearer ${bearer}` }],
    [`/guest_session/${guest}/rated/movies?wait=260`, headers],
    ["/a?wait=260", { authorization: `Basic ${btoa(`anna:${password}`)}`, ...headers }],
    [`/bad?x_signature=${session}&wait=260`, headers],
  ];
  for (const prefix of ["/any", "/gone", "/3", "/closed", `/~${pathToken}/closed`, "/nowhere"]) {
    for (const [path, fields] of tries) await fetched(gateway.url + prefix + path, { headers: fields });
    await fetched(gateway.url + prefix + tries[2]![0], { headers, method: "POST", body: `api_key=${apiKey}` });
  }
  // A `fetch` sends no Referer of the caller's.
  await sendRaw(gateway, [
    "GET /any/b?wait=260 HTTP/1.1",
    "host: a",
    "connection: close",
    `referer: https://page.example/?a=1&token=${session}`,
    `cookie: a=${cookie}`,
  ]);
  const seen: string[] = [];
  const ids: string[] = [];
  const paths = [
    "/slow",
    "/problems",
    "/log-level",
    ...["requests", "misses", "bytes", "time"].map((by) => `/top?by=${by}`),
  ];
  for (const path of paths) {
    const answer = await api<Shown[]>(gateway, path);
    seen.push(JSON.stringify(answer));
    if (path === "/slow") ids.push(...answer.map(({ id }) => String(id)));
  }
  assert.ok(ids.length > 10);
  for (const id of ids) seen.push(JSON.stringify(await api(gateway, `/requests/${encodeURIComponent(id)}`)));
  const at = ["--admin", gateway.adminUrl, "--token", SECRETS.adminToken];
  for (const { stdout, stderr } of await runMany([["slow", ...at], ["top", ...at], ["problems", ...at]])) {
    seen.push(stdout, stderr);
  }
  gateway.signal("SIGTERM");
  assert.equal(await gateway.ended(), 0);
  seen.push(gateway.log());
  assert.match(gateway.log(), /^GET \/closed\/a\?wait=260 anna - ms=\d{3}/m);
  assert.match(
    gateway.log(),
    /^GET \/any\/b\?wait=260 - https:\/\/page\.example\/\?a=1&token=\[redacted\] ms=\d{3}/m,
  );
  assert.deepEqual(leaks(SECRETS, new Map(seen.map((text, at) => [`${at}`, text]))), []);
});
