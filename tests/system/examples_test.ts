import assert from "node:assert/strict";
import { request } from "node:https";
import { join } from "node:path";
import { parse } from "yaml";
import { loadConfig } from "../../lib/config/load.ts";
import { formatLocated } from "../../lib/config/yaml/located.ts";
import { listFolder, readText as readBounded } from "../../lib/config/yaml/read_text.ts";
import { madeAuthority } from "../certificates/made.ts";
import { eventually } from "../eventually.ts";
import { listFiles, readText } from "../house/source_tree.ts";
import { filePath } from "../origins/artwork.ts";
import { startTmdbOrigin, type TmdbOrigin } from "../origins/tmdb_origin.ts";
import { runMain } from "./_command.ts";
import { fetched, freePort, type RunningGateway, startGateway } from "./_gateway.ts";

const EXAMPLES = listFiles().filter((path) => /^examples\/(?:tenants\/)?[\w-]+\.yaml$/.test(path));
const POSTER = filePath("poster", "movie/550");
const KEYS = ["1", "2", "3"].map((digit) => digit.repeat(32));
/** What the examples ask of the environment. */
const ENV: Readonly<Record<string, string>> = {
  TMDB_API_KEY: KEYS[0]!,
  TMDB_KEY_1: KEYS[0]!,
  TMDB_KEY_2: KEYS[1]!,
  TMDB_KEY_3: KEYS[2]!,
  WEATHER_KEY: "a key of the weather service",
  LIVING_ROOM_TOKEN: "5f3c9a1e7b2d4068aa51c0de93b7f642",
  KODI_TOKEN: "e0d1c2b3a495867768594a3e2d1c6f0b",
  FRIENDS_TOKEN: "90b1c2d3e4f5061728394a5b6c7d8e9f",
};

const authority = await madeAuthority();
const made = await authority.leaf([
  ...["api.themoviedb.org", "api.tmdb.org", "image.tmdb.org"],
  "tmdb.example.com",
]);

Deno.test("examples: each is a whole configuration that loads as it stands, without a warning, and has its row", async () => {
  assert.equal(EXAMPLES.length, 10);
  for (const path of EXAMPLES) {
    const loaded = await loadConfig(path, {
      readTextFile: (path) => {
        if (path.endsWith(".pem")) return Promise.resolve(path.endsWith("key.pem") ? made.key : made.cert);
        return readBounded(path);
      },
      listFolder,
      env: (name) => ENV[name],
      cores: 2,
      cwd: Deno.cwd(),
    });
    assert.ok(loaded.ok, loaded.ok ? "" : loaded.problems.map(formatLocated).join("\n"));
    assert.deepEqual(loaded.warnings.map(formatLocated), [], path);
    assert.ok(readText("examples/README.md").includes(`(${path.replace("examples/", "")})`), path);
    // A secret has no default that would be in force unnoticed: left out it is a mistake, or the feature is off.
    assert.doesNotMatch(readText(path), /TOKEN:-[^}]/, path);
  }
});

/** A part of a configuration file. */
type Part = Record<string, unknown>;

/** Where a test has what an example names. */
interface Places {
  readonly ports: { readonly plain: number; readonly tls: number; readonly admin: number };
  readonly origin: string;
  /** Where the certificate and its key lie, and the included files go. */
  readonly directory: string;
}

/** Pools and listeners as they stand, but for the upstreams and the places to listen. */
function placedPart({ pools = {}, listeners = [] }: Part, { ports, origin, directory }: Places): Part {
  const certificate = { cert: join(directory, "cert.pem"), key: join(directory, "key.pem") };
  return {
    pools: Object.fromEntries(
      Object.entries(pools as Record<string, Part>).map(([name, pool]) => [
        name,
        { ...pool, health: false, upstreams: [origin], change_feed: false },
      ]),
    ),
    listeners: (listeners as Part[]).map(({ listen: _, tls, ...listener }) =>
      tls === undefined
        ? { ...listener, listen: `127.0.0.1:${ports.plain}` }
        : { ...listener, listen: `127.0.0.1:${ports.tls}`, tls: certificate }
    ),
  };
}

/** An example for a test: who asks it is the proxy in front. */
function placed(name: string, places: Places): string {
  const { server = {}, cache = {}, ...rest } = read(name);
  const trusted = (server as { trusted_proxies?: string[] }).trusted_proxies;
  return JSON.stringify({
    ...rest,
    ...("include" in rest ? {} : placedPart(rest, places)),
    server: {
      ...{ ...server as Part, workers: 1, watch: false, data_dir: join(places.directory, "data") },
      ...(trusted === undefined ? {} : { trusted_proxies: [...trusted, "127.0.0.1"] }),
    },
    admin: { listen: `127.0.0.1:${places.ports.admin}` },
    logging: { access: "off" },
    cache: { ...cache as Part, memory: "32MiB", disk: "64MiB" },
  });
}

function read(name: string): Part {
  return parse(readText(`examples/${name}`), { merge: true });
}

Deno.test("examples: one after the other comes into force in a gateway that runs, and does what it says", async (t) => {
  await using stack = new AsyncDisposableStack();
  const tmdb = stack.adopt(await startTmdbOrigin({ keys: KEYS }), (running) => running.close());
  const other = stack.adopt(startOther(), (server) => server.shutdown());
  let places: Places | undefined;
  const gateway = stack.adopt(
    await startGateway({
      env: ENV,
      permissions: ["--allow-ffi"],
      config: ({ port, adminPort, dataDir }) => {
        const directory = join(dataDir, "..");
        places = { ports: { plain: port, tls: freePort(), admin: adminPort }, origin: tmdb.url, directory };
        Deno.writeTextFileSync(join(directory, "cert.pem"), made.cert);
        Deno.writeTextFileSync(join(directory, "key.pem"), made.key, { mode: 0o600 });
        return placed("home.yaml", places);
      },
    }),
    (running) => running.close(),
  );
  const around = { gateway, tmdb, other, places: places! };
  const example = (name: string, run: (around: Around) => Promise<void>, origin = tmdb.url) =>
    t.step(name, async () => {
      await gateway.writeConfig(placed(name, { ...places!, origin }));
      const reload = await fetch(`${gateway.adminUrl}/reload`, { method: "POST" });
      assert.equal(reload.status, 200, await reload.text());
      await run(around);
    });
  await example("home.yaml", house);
  await t.step("doctor tells of a proxy in front that no file trusts", () => distrusted(around));
  await example("several-keys.yaml", async ({ gateway, tmdb }) => {
    tmdb.requests.length = 0;
    for (let id = 0; id < 60; id++) await fetched(`${gateway.url}/3/movie/${1000 + id}`);
    for (const key of KEYS) assert.ok(tmdb.count(new RegExp(`api_key=${key}`)) > 0, key);
  });
  await example("converted-images.yaml", async ({ gateway }) => {
    const ask = (accept: string) => fetched(`${gateway.url}/t/p/w500${POSTER}`, { headers: { accept } });
    assert.equal((await ask("*/*")).headers.get("content-type"), "image/jpeg");
    await eventually("it is converted", async () => {
      return (await ask("image/avif,image/*;q=0.8")).headers.get("content-type") === "image/avif";
    });
  });
  await example("json-api.yaml", weather, other.url);
  await example("access-tokens.yaml", closed);
  await example("tls-at-home.yaml", async ({ places }) => {
    const ask = (name: string, path: string) => askTls(places, name, path);
    assert.equal((await ask("api.themoviedb.org", "/3/movie/550")).status, 200);
    assert.equal((await ask("image.tmdb.org", `/t/p/w92${POSTER}`)).status, 200);
    assert.equal((await ask("image.tmdb.org", "/3/movie/550")).status, 404);
  });
  for (const name of ["behind-nginx.yaml", "behind-traefik.yaml"]) await example(name, behindProxy);
  await example("behind-cloudflare.yaml", async ({ places }) => {
    const ask = (fields: Record<string, string>) => askTls(places, "tmdb.example.com", "/3/movie/550", fields);
    assert.equal((await ask({})).status, 401);
    const { status, headers } = await ask({ "x-usher-token": ENV["FRIENDS_TOKEN"]! });
    assert.equal(status, 200);
    assert.match(headers["cache-control"] ?? "", /^private/);
  });
  const folder = join(places!.directory, "tenants");
  await Deno.mkdir(folder);
  for (const name of ["blog.yaml", "shop.yaml"]) {
    const part = placedPart(read(`tenants/tenants/${name}`), { ...places!, origin: other.url });
    await Deno.writeTextFile(join(folder, name), JSON.stringify(part));
  }
  await example("tenants/config.yaml", async ({ gateway }) => {
    const ask = (path: string, headers = {}) => fetched(`${gateway.url}${path}`, { headers });
    for (const path of ["/blog/", "/shop/"]) assert.equal((await ask(path)).status, 200, path);
    assert.match((await ask("/shop/basket", { cookie: "customer=7" })).cacheStatus, /fwd=bypass/);
    assert.match((await ask("/blog/")).cacheStatus, /; hit;/);
  });
});

/** What a step asks. */
interface Around {
  readonly gateway: RunningGateway;
  readonly tmdb: TmdbOrigin;
  readonly other: Other;
  readonly places: Places;
}

async function house({ gateway }: Around): Promise<void> {
  for (const path of ["/3/movie/550", "/4/list/1", `/t/p/w92${POSTER}`]) {
    assert.equal((await fetched(gateway.url + path)).status, 200, path);
    assert.match((await fetched(gateway.url + path)).cacheStatus, /; hit;/, path);
  }
  const { images } = await (await fetch(`${gateway.url}/3/configuration`)).json();
  assert.equal(images.secure_base_url, `${gateway.url}/t/p/`);
}

/** As many connections as it takes, each of which names another client. */
async function distrusted({ gateway }: Around): Promise<void> {
  for (let turn = 0; turn < 12; turn++) {
    using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
    const response = await fetch(`${gateway.url}/3/movie/550`, { client, headers: { "x-forwarded-for": "192.0.2.7" } });
    await response.body?.cancel();
  }
  const peers = async () => (await (await fetch(`${gateway.adminUrl}/status`)).json()).peers;
  await eventually("the worker has reported them", async () => (await peers()).forwarding >= 12);
  const { stdout } = await runMain(["doctor", "--config", gateway.configPath, "--json"], { env: ENV });
  const { machine } = JSON.parse(stdout) as { machine: { check: string; state: string; remedy: string }[] };
  const found = machine.find(({ check }) => check === "clients");
  assert.equal(found?.state, "warn");
  assert.match(found.remedy, /add 127\.0\.0\.1 to `server\.trusted_proxies`/);
}

async function weather({ gateway, other }: Around): Promise<void> {
  const ask = (query: string) => fetched(`${gateway.url}/weather/v1/forecast?${query}`);
  const first = await ask("city=berlin&utm_source=mail");
  // Ten minutes, less what the response was on its way: the upstream itself says one.
  assert.ok(Number(/stored; ttl=(\d+)$/.exec(first.cacheStatus)?.[1]) > 300, first.cacheStatus);
  assert.equal(first.headers.get("x-powered-by"), null);
  assert.match((await ask("_=17&city=berlin")).cacheStatus, /; hit;/);
  assert.deepEqual(other.seen.map(({ path, key }) => [path, key]), [["/v1/forecast", ENV["WEATHER_KEY"]]]);
}

async function closed({ gateway }: Around): Promise<void> {
  const path = "/3/movie/550";
  const token = ENV["KODI_TOKEN"]!;
  assert.equal((await fetched(gateway.url + path)).status, 401);
  assert.equal((await fetched(gateway.url + path, { headers: { "x-usher-token": token } })).status, 200);
  assert.equal((await fetched(`${gateway.url}/~${token}${path}`)).status, 200);
}

/** The proxy says how and by whom it was asked, and each client has a quota of its own. */
async function behindProxy({ gateway }: Around): Promise<void> {
  const of = (client: string) => ({
    headers: {
      "x-forwarded-for": client,
      "x-forwarded-host": "tmdb.example.com",
      "x-forwarded-proto": "https",
    },
  });
  const { images } = await (await fetch(`${gateway.url}/3/configuration`, of("192.0.2.7"))).json();
  assert.equal(images.secure_base_url, "https://tmdb.example.com/t/p/");
  let turn = 0;
  while ((await fetched(`${gateway.url}/3/movie/550`, of("192.0.2.8"))).status !== 429) assert.ok(++turn < 2000);
  assert.equal((await fetched(`${gateway.url}/3/movie/550`, of("192.0.2.9"))).status, 200);
}

/** Asks over TLS by a name that leads elsewhere. */
function askTls({ ports }: Places, name: string, path: string, headers: Record<string, string> = {}) {
  return new Promise<{ status: number; headers: Record<string, string> }>((resolve, reject) => {
    const options = {
      ...{ host: "127.0.0.1", port: ports.tls, path, agent: false },
      ...{ servername: name, ca: authority.ca, headers: { host: name, ...headers } },
    };
    request(options, (response) => {
      response.resume().on("end", () => {
        resolve({ status: response.statusCode!, headers: response.headers as Record<string, string> });
      });
    }).on("error", reject).end();
  });
}

/** An upstream that is not TMDB. */
interface Other {
  readonly url: string;
  readonly seen: { readonly path: string; readonly key: string | null }[];
  shutdown(): Promise<void>;
}

function startOther(): Other {
  const seen: Other["seen"][number][] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    seen.push({ path: new URL(request.url).pathname, key: request.headers.get("x-api-key") });
    return Response.json({ ok: true }, { headers: { "cache-control": "max-age=60", "x-powered-by": "a test" } });
  });
  return { url: `http://127.0.0.1:${server.addr.port}`, seen, shutdown: () => server.shutdown() };
}
