import assert from "node:assert/strict";
import { join } from "node:path";
import { madeAuthority } from "../certificates/made.ts";
import { eventually } from "../eventually.ts";
import { startCollector } from "../origins/otlp_collector.ts";
import { startTmdbOrigin } from "../origins/tmdb_origin.ts";
import { runMany } from "./_command.ts";
import { fetched, freePort, type GatewayPlaces, type RunningGateway, startGateway } from "./_gateway.ts";
import { apiKey, leaks, secret } from "./_secrets.ts";
import { testConfig } from "./test_config.ts";

const SECRETS = {
  poolKey: apiKey(),
  otherPoolKey: apiKey(),
  clientKey: apiKey(),
  adminToken: secret(),
  readToken: secret(),
  metricsToken: secret(),
  peerToken: secret(),
  proxyPassword: secret(),
  upstreamBearer: secret(),
  upstreamKey: secret(),
  upstreamParameter: secret(),
  tracingToken: secret(),
  clientToken: secret(),
  clientTokenOfFile: secret(),
  pathToken: secret(),
  wrongToken: secret(),
  wrongAdminToken: secret(),
  appTokenSignature: secret(),
  userToken: secret(),
  password: secret(),
  cookie: secret(),
  session: secret(),
  guestSession: secret(),
  userInformation: secret(),
};
const APP_TOKEN = `eyJhbGciOiJIUzI1NiJ9.${
  btoa(JSON.stringify({ aud: "x", scopes: ["api_read"], version: 1 })).replaceAll("=", "")
}.${SECRETS.appTokenSignature}`;

/** Where a test's secret stands in the configuration: as a value, by the environment, by a file. */
function configOf(
  places: GatewayPlaces,
  { origin, collector, closed, folder }: { origin: string; collector: string; closed: number; folder: string },
): string {
  const { poolKey, otherPoolKey, peerToken, proxyPassword, upstreamBearer, upstreamKey, upstreamParameter } = SECRETS;
  const tls = { cert: join(folder, "one.pem"), key: join(folder, "one.key") };
  return testConfig(places, {
    logging: { level: "debug", format: "json", slow: "1ms" },
    tracing: { endpoint: collector, sample: "100%", headers: { "x-key": SECRETS.tracingToken } },
    admin: {
      token: "${USHER_ADMIN_TOKEN}",
      tokens: [
        { name: "viewer", token: SECRETS.readToken, role: "read" },
        { name: "grafana", token: SECRETS.metricsToken, role: "metrics" },
      ],
      peers: [{ url: `http://127.0.0.1:${closed}`, token: peerToken }],
    },
    pools: {
      films: {
        ...{ type: "tmdb-api", api_keys: ["${USHER_POOL_KEY}", otherPoolKey], upstreams: [origin], health: false },
        retry: { attempts: 2 },
      },
      dead: {
        ...{ type: "tmdb-api", api_keys: [poolKey], health: false },
        upstreams: [{ url: "http://127.0.0.1:9", proxy: `http://u:${proxyPassword}@127.0.0.1:${closed}` }],
      },
      any: { type: "custom", upstreams: [origin], health: false },
    },
    listeners: [
      { name: "films", prefix: "/3", pool: "films" },
      { name: "dead", prefix: "/dead", strip_prefix: true, pool: "dead" },
      {
        ...{ name: "any", prefix: "/any", strip_prefix: true, pool: "any", cache: { mode: "rfc9111" } },
        rules: [{
          request: {
            set: { authorization: `Bearer ${upstreamBearer}`, "x-api-key": upstreamKey },
            query: { set: { access_token: upstreamParameter } },
          },
        }],
      },
      {
        ...{ name: "closed", prefix: "/closed", strip_prefix: true, pool: "films" },
        auth: {
          tokens: {
            anna: [SECRETS.clientToken, SECRETS.pathToken],
            ben: `\${file:${join(folder, "ben")}}`,
          },
        },
      },
      { name: "tls", listen: `127.0.0.1:${freePort()}`, tls, pool: "films" },
    ],
  });
}

/** What the run has to show, by a name. */
type Outputs = Map<string, string>;

/** Requests with a secret wherever a client may put one. */
async function askAll({ url }: RunningGateway, outputs: Outputs) {
  const { clientKey, session, guestSession, userToken, password, cookie, clientToken, clientTokenOfFile, pathToken } =
    SECRETS;
  const escaped = [...clientKey].map((character) => `%${character.charCodeAt(0).toString(16)}`).join("");
  const fields = { authorization: `Bearer ${APP_TOKEN}`, cookie: `sid=${cookie}; session_id=${session}` };
  const tries: readonly [string, RequestInit][] = [
    [`/3/movie/550?api_key=${clientKey}`, {}],
    [`/3/movie/550?api%5Fkey=${escaped}`, {}],
    [`/3/movie/0?api_key=${clientKey}`, {}],
    ["/3/movie/551", {}],
    ["/3/movie/552", { headers: fields }],
    ["/3/account/1", { headers: { authorization: `Bearer ${userToken}` } }],
    ["/3/movie/553", { headers: { authorization: `Basic ${btoa(`alice:${password}`)}` } }],
    [`/3/movie/550/account_states?session_id=${session}`, {}],
    [`/3/guest_session/${guestSession}/rated/movies`, {}],
    [`/3/movie/550/rating?guest_session_id=${guestSession}`, { method: "POST", body: '{"value":8}' }],
    [`/3/nothing/${"x".repeat(300)}?api_key=${clientKey}`, {}],
    [`/3/../x?api_key=${clientKey}`, {}],
    ["/3/movie/550?language=fr", { headers: { "x-usher-token": clientTokenOfFile } }],
    ["/3/movie/550", { headers: { "x-usher-token": clientToken } }],
    ["/3/movie/550", { headers: { "x-usher-token": SECRETS.wrongToken } }],
  ];
  for (const prefix of ["", "/dead", "/any", "/closed", `/~${pathToken}/closed`, `/~${SECRETS.wrongToken}/closed`]) {
    for (const [path, init] of tries) {
      const response = await fetched(url + prefix + path, init);
      outputs.set(`fields of ${prefix}${path.slice(0, 40)}`, JSON.stringify([...response.headers]));
      // What the origin says to a user of that user is not the gateway's to hide.
      if (!response.headers.has("proxy-status")) continue;
      outputs.set(`error of ${prefix}${path.slice(0, 40)}`, new TextDecoder().decode(response.bytes));
    }
  }
}

/** Every operation of the document, but those that end the gateway; then the page, both forms of metrics, the old addresses. */
async function askAdmin({ adminUrl, url }: RunningGateway, outputs: Outputs) {
  const ask = async (method: string, path: string, more: { body?: string; accept?: string; token?: string } = {}) => {
    const headers = {
      authorization: `Bearer ${more.token ?? SECRETS.adminToken}`,
      ...more.accept && { accept: more.accept },
      ...more.body && { "content-type": "application/json" },
    };
    const response = await fetch(adminUrl + path, { method, headers, body: more.body });
    const isEndless = response.headers.get("content-type")?.startsWith("application/x-ndjson");
    let text = "";
    if (isEndless) {
      for await (const part of response.body!) {
        text = new TextDecoder().decode(part);
        break;
      }
    } else text = await response.text();
    outputs.set(
      `${method} ${path} ${more.body ?? ""}${more.accept ?? ""}`,
      JSON.stringify([...response.headers]) + text,
    );
    return text;
  };
  const document = JSON.parse(await ask("GET", "/api/v1/openapi.json"));
  const ids = JSON.parse(await ask("GET", "/api/v1/slow")).map(({ id }: { id: string }) => id) as string[];
  assert.ok(ids.length > 5, `${ids.length}`);
  let asked = 0;
  for (const [path, methods] of Object.entries<Record<string, { requestBody?: Shown }>>(document.paths)) {
    for (const [method, { requestBody }] of Object.entries(methods)) {
      if (["/stop", "/hand-over", "/openapi.json"].includes(path)) continue;
      const names = path.includes("{id}")
        ? ids
        : path.startsWith("/pools")
        ? ["films", "dead", "any"]
        : ["films", "any"];
      for (const name of names) {
        const filled = path.replace(/\{\w+\}/, encodeURIComponent(name));
        const example = requestBody?.content["application/json"].example;
        await ask(method.toUpperCase(), `/api/v1${filled}`, { body: JSON.stringify(example) });
        asked++;
        if (filled === path) break;
      }
    }
  }
  assert.ok(asked > 30, `${asked}`);
  const looked = [
    { url: `${url}/3/movie/550?api_key=${SECRETS.clientKey}` },
    { url: `${url}/any/3/movie/550?session_id=${SECRETS.session}`, fields: { cookie: `sid=${SECRETS.cookie}` } },
    { url: `${url}/dead/3/movie/1`, fields: { authorization: `Bearer ${SECRETS.userToken}` } },
    { url: `${url}/~${SECRETS.pathToken}/closed/3/movie/550` },
    { url: `${url}/closed/3/movie/550`, fields: { "x-usher-token": SECRETS.clientToken } },
  ];
  for (const order of looked) {
    for (const path of ["/cache/lookup", "/explain"]) {
      await ask("POST", `/api/v1${path}`, { body: JSON.stringify(order) });
    }
  }
  const shell = await ask("GET", "/");
  for (const [, asset] of shell.matchAll(/(?:src|href)="\/?(page\/[^"]+)"/g)) await ask("GET", `/${asset}`);
  for (const path of ["/status", "/ready", "/health", "/nothing", "/prewarm"]) await ask("GET", path);
  for (const accept of ["text/plain", "application/openmetrics-text; version=1.0.0"]) {
    await ask("GET", "/metrics", { accept });
  }
  await ask("GET", "/metrics", { token: SECRETS.metricsToken });
  await ask("GET", "/status", { token: SECRETS.metricsToken });
  await ask("POST", "/purge", { token: SECRETS.readToken, body: '{"all":true}' });
  await ask("GET", "/status", { token: SECRETS.wrongAdminToken });
}

/** As much of a request body as the document says here. */
interface Shown {
  readonly content: { readonly "application/json": { readonly example?: unknown } };
}

async function runCommands(
  { adminUrl, configPath, url }: RunningGateway,
  outputs: Outputs,
  env: Record<string, string>,
) {
  const at = ["--admin", adminUrl, "--token", SECRETS.adminToken];
  const file = ["--config", configPath];
  const target = `${url}/3/movie/550?api_key=${SECRETS.clientKey}`;
  const header = ["-H", `Authorization: Bearer ${SECRETS.userToken}`, "-H", `Cookie: sid=${SECRETS.cookie}`];
  const lines = [
    ["check", ...file],
    ...[target, `${url}/any/x?session_id=${SECRETS.session}`, `${url}/dead/3/movie/1`].flatMap((asked) => [
      ["explain", asked, ...header, ...file],
      ["explain", asked, "--json", ...header, ...file],
      ["lookup", asked, "--explain", ...header, ...at],
    ]),
    ["doctor", ...file],
    ["reload", "--dry-run", ...file],
    ...["status", "top", "slow", "problems", "usage"].map((command) => [command, ...at]),
    ...["/config", "/pools"].map((path) => ["api", path, ...at]),
    ["status", "--admin", adminUrl, "--token", SECRETS.wrongAdminToken],
  ];
  const results = await runMany(lines, { env });
  for (const [n, { stdout, stderr, code }] of results.entries()) {
    outputs.set(`${lines[n]!.slice(0, 2).join(" ").replaceAll(/[?].*/g, "")} ${n}`, `${code} ${stdout}${stderr}`);
  }
  assert.ok(results.filter(({ stdout }) => stdout !== "").length > 12);
}

Deno.test("secrets are in no output: log, API, page, metrics, spans, errors, commands, run record, files of the disk tier", async () => {
  await using stack = new AsyncDisposableStack();
  const keys = [SECRETS.poolKey, SECRETS.otherPoolKey, SECRETS.clientKey];
  const origin = stack.adopt(await startTmdbOrigin({ keys }), (running) => running.close());
  const collector = stack.adopt(startCollector(), (running) => running.close());
  const folder = await Deno.makeTempDir({ prefix: "usher-test-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }).catch(() => {}));
  const { cert, key } = await (await madeAuthority()).leaf(["localhost"]);
  await Deno.writeTextFile(join(folder, "one.pem"), cert);
  await Deno.writeTextFile(join(folder, "one.key"), key, { mode: 0o600 });
  await Deno.writeTextFile(join(folder, "ben"), `${SECRETS.clientTokenOfFile}\n`, { mode: 0o600 });
  const secrets = { ...SECRETS, certificateKey: key.split("\n")[2]!.slice(0, 32) };
  const directory = join(folder, "gateway");
  const runFolder = join(directory, "run");
  await Deno.mkdir(directory);
  const env = {
    USHER_POOL_KEY: SECRETS.poolKey,
    USHER_ADMIN_TOKEN: SECRETS.adminToken,
    USHER_RUN_DIR: runFolder,
  };
  const given = { origin: origin.url, collector: collector.url, closed: freePort(), folder };
  const gateway = stack.adopt(
    await startGateway({ directory, env, config: (places) => configOf(places, given) }),
    (running) => running.close(),
  );
  const outputs: Outputs = new Map();
  await askAll(gateway, outputs);
  // Refused and limited keys are told of in the log: by their place.
  origin.keys.set(SECRETS.poolKey, "suspended");
  for (let id = 554; id < 558; id++) await fetched(`${gateway.url}/3/movie/${id}`);
  await askAdmin(gateway, outputs);
  await runCommands(gateway, outputs, env);
  for (const { name } of Deno.readDirSync(runFolder)) {
    outputs.set(`run record ${name}`, await Deno.readTextFile(join(runFolder, name)));
  }
  await gateway.writeConfig(
    `admin: { token: ${SECRETS.adminToken}, tokn: x }\npools: { a: { type: tmdb-api, api_keys: [ "${SECRETS.poolKey}x" ], upstreams: [ "http://u:${SECRETS.userInformation}@h" ] } }\n`,
  );
  const reload = await fetched(`${gateway.adminUrl}/reload`, {
    method: "POST",
    headers: { authorization: `Bearer ${SECRETS.adminToken}` },
  });
  assert.equal(reload.status, 422);
  outputs.set("a broken reload", new TextDecoder().decode(reload.bytes));
  await eventually("spans have been sent", () => collector.spans.length > 20);
  gateway.signal("SIGTERM");
  assert.equal(await gateway.ended(), 0);
  outputs.set("log", gateway.log());
  outputs.set("spans", collector.requests.map(({ body }) => body).join("\n"));
  for (const { name } of Deno.readDirSync(join(directory, "data"))) {
    const path = join(directory, "data", name);
    if (!Deno.statSync(path).isFile) continue;
    outputs.set(`data/${name}`, new TextDecoder("latin1").decode(await Deno.readFile(path)));
  }
  assert.match(gateway.log(), /\/3\/movie\/550/);
  assert.ok([...outputs.keys()].some((name) => name.startsWith("run record")) && outputs.has("data/usher.kv"));
  assert.match(outputs.get("data/usher.kv")!, /\/3\/movie\/551/);
  assert.deepEqual(leaks(secrets, outputs), []);
});
