import assert from "node:assert/strict";
import { join } from "node:path";
import { startTmdbOrigin, type TmdbOrigin } from "../origins/tmdb_origin.ts";
import { eventually } from "../eventually.ts";
import { type CommandResult, runMany } from "./_command.ts";
import { fetched, type GatewayPlaces, type RunningGateway, startGateway } from "./_gateway.ts";
import { SteadyClient } from "./_steady_client.ts";

const KEY = crypto.getRandomValues(new Uint8Array(16)).toHex();
const PATHS = 500;

/** Has `init` make a configuration; answers that with upstreams and places of this test, and of more files: the user's own changes. */
async function initialized(directory: string, origins: readonly TmdbOrigin[]) {
  const path = join(directory, "config.yaml");
  const order = ["--client", "other", "--key", KEY, "--port", "6635", "--output", path, "--yes", "--skip-doctor"];
  const [made] = await runMany([["init", ...order]]);
  assert.deepEqual([made!.code, made!.stderr], [0, ""]);
  const text = await Deno.readTextFile(path);
  assert.ok(text.includes("${file:") && !text.includes(KEY));
  const urls = JSON.stringify(origins.map(({ url }) => url));
  const local = text.replace("[https://api.themoviedb.org, https://api.tmdb.org]", urls)
    .replace("[https://image.tmdb.org]", urls)
    // TMDB's own limit would make this a long day.
    .replace("  tmdb-image:", "    key_limits: { max_rps: 400, burst: 100 }\n  tmdb-image:");
  assert.equal(local.split(urls).length, 3);
  return ({ port, adminPort, dataDir }: GatewayPlaces) => {
    const more = {
      server: { data_dir: dataDir, workers: 2, worker_timeout: "5m" },
      admin: { listen: `127.0.0.1:${adminPort}` },
      cache: { memory: "32MiB", disk: "128MiB", collapse_timeout: "5m" },
      logging: { slow: "300ms" },
    };
    return local.replaceAll("0.0.0.0:6635", `127.0.0.1:${port}`) +
      Object.entries(more).map(([name, value]) => `${name}: ${JSON.stringify(value)}\n`).join("");
  };
}

/** What reached an origin of requests, checks left out. */
function asked(origin: TmdbOrigin): number {
  return origin.count("/3/movie/");
}

Deno.test("a day: init, start, a broken file, drain, purge, prewarm, one slow request, an upgrade, stop", async (t) => {
  await using stack = new AsyncDisposableStack();
  const startOrigin = async () => stack.adopt(await startTmdbOrigin({ keys: [KEY] }), (origin) => origin.close());
  const [one, two] = [await startOrigin(), await startOrigin()] as const;
  const directory = await Deno.makeTempDir({ prefix: "usher-test-" });
  stack.defer(() => Deno.remove(directory, { recursive: true }).catch(() => {}));
  const config = await initialized(directory, [one, two]);
  let gateway: RunningGateway = await startGateway({ directory, config });
  stack.defer(() => gateway.close());
  /** Commands as the operator types them, one after the other. */
  const usher = (...lines: string[][]): Promise<CommandResult[]> =>
    runMany(lines.map((line) => [...line, "--config", gateway.configPath]));
  const api = async (path: string) => {
    const { status, bytes } = await fetched(`${gateway.adminUrl}/api/v1${path}`);
    assert.equal(status, 200, path);
    return JSON.parse(new TextDecoder().decode(bytes));
  };
  const get = async (path: string, headers?: HeadersInit) => {
    const response = await fetched(gateway.url + path, { headers });
    assert.equal(response.status, 200, path);
    return response;
  };
  const shares = async () =>
    (await api("/pools/tmdb-api")).upstreams.map(({ share }: { share: number }) => share) as number[];

  await t.step(
    "a broken file: the message names the place, nothing changes; mended, it is brought into force",
    async () => {
      assert.match((await get("/3/movie/550")).cacheStatus, /fwd=/);
      const sound = await Deno.readTextFile(gateway.configPath);
      await gateway.writeConfig(sound.replace("upstreams:", "upstream:"));
      const [broken, status] = await usher(["reload"], ["status"]);
      assert.equal(broken!.code, 1);
      assert.match(broken!.stderr + broken!.stdout, /pools\.tmdb-api\.upstream.*did you mean "?upstreams/);
      assert.match(status!.stdout, /upstream/);
      assert.match((await get("/3/movie/550")).cacheStatus, /; hit/);
      await gateway.writeConfig(sound + "tracing: {}\n");
      const [mended] = await usher(["reload"]);
      assert.deepEqual([mended!.code, (await gateway.status()).config.generation], [0, 2], mended!.stderr);
    },
  );

  await t.step("drain: its share goes to the other one, and so do the requests; undrain", async () => {
    await eventually("both have a share", async () => (await shares()).every((share) => share > 0));
    const [drained] = await usher(["drain", "tmdb-api", one.url]);
    assert.equal(drained!.code, 0, drained!.stderr);
    assert.deepEqual(await shares(), [0, 1]);
    const before = [asked(one), asked(two)];
    for (let id = 1_000; id < 1_020; id++) await fetched(`${gateway.url}/3/movie/${id}`);
    assert.deepEqual([asked(one), asked(two)], [before[0], before[1]! + 20]);
    const [given] = await usher(["undrain", "tmdb-api", one.url]);
    assert.equal(given!.code, 0, given!.stderr);
    await eventually("it has a share again", async () => (await shares())[0]! > 0);
  });

  await t.step("a purged title is gone: lookup finds it before, and not after", async () => {
    const url = `${gateway.url}/3/movie/550`;
    const [before, purged, after, other] = await usher(
      ["lookup", url],
      ["purge", "--tag", "movie:550", "--hard"],
      ["lookup", url],
      ["lookup", `${gateway.url}/3/movie/551`],
    );
    assert.deepEqual([before!.code, purged!.code, after!.code, other!.code], [0, 0, 1, 1], purged!.stderr);
    assert.match(before!.stdout, /memory/);
    assert.match((await get("/3/movie/550")).cacheStatus, /fwd=/);
  });

  await t.step(`prewarm of ${PATHS} paths: progress, and hits afterwards`, async () => {
    const list = join(directory, "paths.txt");
    const paths = Array.from({ length: PATHS }, (_, page) => `/3/movie/550?language=x-${page}`);
    await Deno.writeTextFile(list, paths.map((path) => gateway.url + path).join("\n"));
    const order = ["prewarm", "--listener", "api", "--file", list, "--rate", "400", "--concurrency", "8"];
    const [done] = await usher(order);
    assert.equal(done!.code, 0, done!.stdout + done!.stderr);
    assert.match(
      done!.stdout,
      /^Prewarming 500 paths of listener api\n(?:running: .*\n)*running: \d+ of 500, \d+ fetched, .* a second, \d+ s to go$/m,
    );
    assert.match(done!.stdout, /^done: 500 of 500, 500 fetched, 0 fresh, 0 skipped, 0 failed/m);
    assert.match((await get(paths[7]!)).cacheStatus, /; hit/);
  });

  await t.step("one slow request is found by its id, with where its time went", async () => {
    for (const origin of [one, two]) origin.latencyMs = 400;
    await get("/3/movie/550?language=slow", { "x-request-id": "the-slow-one" });
    for (const origin of [one, two]) origin.latencyMs = 0;
    const { id, target, phases, total_ms } = await api("/requests/the-slow-one");
    assert.deepEqual([id, target], ["the-slow-one", "/3/movie/550?language=slow"]);
    assert.ok(phases.first_byte_ms >= 390 && phases.first_byte_ms <= total_ms, JSON.stringify(phases));
    const [found] = await usher(["slow", "the-slow-one"]);
    assert.match(found!.stdout, /first byte [4-9]\d\d ms/);
    await gateway.logged("id=the-slow-one");
  });

  await t.step("an upgrade without a gap: the disk, the drains and the usage are there", async () => {
    const client = new SteadyClient(() => Deno.connect({ hostname: "127.0.0.1", port: gateway.port }), false);
    const [drained] = await usher(["drain", "tmdb-api", two.url]);
    assert.equal(drained!.code, 0);
    const old = gateway;
    gateway = await startGateway({ config: () => Deno.readTextFileSync(old.configPath), takesOver: old });
    assert.equal(await old.ended(), 0);
    assert.match((await get("/3/movie/550?language=x-8")).cacheStatus, /; hit/);
    assert.deepEqual(await shares(), [1, 0]);
    const { lost } = await client.stop();
    assert.ok(lost.length <= 1, JSON.stringify(lost));
    const [{ requests }] = (await api("/usage?days=1")).usage;
    assert.ok(requests > 20, `${requests}`);
  });

  await t.step("stop: what is under way ends, nothing is cut, the record is gone", async () => {
    one.latencyMs = 400;
    const last = get("/3/movie/550?language=last");
    await eventually("it is at the origin", () => one.count("/3/movie/550?language=last") === 1);
    const [stopped] = await usher(["stop"]);
    assert.equal(stopped!.code, 0, stopped!.stderr);
    await last;
    assert.equal(await gateway.ended(), 0);
    assert.match(gateway.log(), /Usher has stopped, .* cut=0 /);
    assert.doesNotMatch(gateway.log(), /ERROR/);
    const [status] = await usher(["status"]);
    assert.equal(status!.code, 1);
    assert.match(status!.stderr, /No gateway answers/);
  });
});
