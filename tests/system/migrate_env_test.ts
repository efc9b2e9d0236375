import assert from "node:assert/strict";
import { join } from "node:path";
import { filePath } from "../origins/artwork.ts";
import { demoApiKey, startTmdbOrigin } from "../origins/tmdb_origin.ts";
import { mainCommand, runMain } from "./_command.ts";
import { fetched, freePort, startGateway } from "./_gateway.ts";

const poster = filePath("poster", "movie/550");

/** Runs the program with a text for standard input. */
async function runWithInput(args: readonly string[], input: string, env: Record<string, string> = {}) {
  const child = mainCommand(args, { env, stdin: "piped" }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

Deno.test("usher migrate-env: a Compose file of the seed becomes a gateway that serves what the seed served", async () => {
  await using stack = new AsyncDisposableStack();
  const origin = stack.adopt(await startTmdbOrigin(), (running) => running.close());
  const directory = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(directory, { recursive: true }));
  const port = freePort();
  const [compose, output] = [join(directory, "docker-compose.yml"), join(directory, "config.yaml")];
  await Deno.writeTextFile(join(directory, "api.env"), `TMDB_API_KEY=${demoApiKey}\nREQUEST_TIMEOUT=5000\n`);
  await Deno.writeTextFile(
    compose,
    `
x-both: &both { PORT: 6635, NUM_WORKERS: 1, DISK_CACHE_TTL: 86400000, TZ: Asia/Shanghai }
services:
  api:
    ports: ["\${API_PORT:-1}:6635"]
    env_file: api.env
    environment: { <<: *both, UPSTREAM_TYPE: tmdb-api, UPSTREAM_SERVERS: "${origin.url}" }
  images:
    ports: ["${port}:6635"]
    environment:
      <<: *both
      UPSTREAM_TYPE: tmdb-image
      UPSTREAM_SERVERS: "${origin.url}"
      TMDB_IMAGE_TEST_URL: /t/p/w92${poster}
      MAX_ERRORS_BEFORE_UNHEALTHY: three
`,
  );
  const env = { API_PORT: String(port), TMDB_API_KEY: demoApiKey };
  const made = await runMain(["migrate-env", compose, "--output", output], { env });
  assert.equal(made.code, 0, made.stderr);
  assert.equal(made.stdout, "");
  assert.match(
    made.stderr,
    /docker-compose\.yml:15:36 MAX_ERRORS_BEFORE_UNHEALTHY: found "three" expected a whole number/,
  );
  assert.match(made.stderr, /NUM_WORKERS: had no effect there/);
  const yaml = await Deno.readTextFile(output);
  assert.doesNotMatch(yaml + made.stderr, new RegExp(demoApiKey));

  const again = await runMain(["migrate-env", compose, "-o", output], { env: { ...env, API_PORT: "1" } });
  assert.equal(again.code, 1);
  assert.match(again.stderr, /config\.yaml is there already/);
  assert.equal(await Deno.readTextFile(output), yaml);
  const checked = await runMain(["check", "--skip-ports", "--config", output], { env });
  assert.equal(checked.code, 0, checked.stdout + checked.stderr);
  assert.match(checked.stdout, /is valid: 3 listeners, 2 pools, 2 upstreams/);

  stack.adopt(
    await startGateway({
      env,
      config: ({ adminPort, dataDir }) =>
        `admin: { listen: "127.0.0.1:${adminPort}" }\n` +
        yaml.replace("server:\n", `server:\n  data_dir: ${JSON.stringify(dataDir)}\n`),
    }),
    (running) => running.close(),
  );
  const base = `http://127.0.0.1:${port}`;
  for (const path of ["/3/movie/550", "/3/search/movie?query=inception", `/t/p/original${poster}`]) {
    const first = await fetched(base + path);
    assert.equal(first.status, 200, path);
    assert.match(first.cacheStatus, /; stored/, path);
    const second = await fetched(base + path);
    assert.match(second.cacheStatus, /; hit/, path);
    assert.deepEqual(second.bytes, first.bytes);
  }
  const age = async (path: string) => (await fetched(base + path)).headers.get("cache-control");
  // The time that the origin took to answer is part of the age, so that a slow answer is given more.
  assert.match(await age("/3/movie/550") ?? "", /^public, max-age=864\d\d$/);
  assert.match(await age("/3/movie/changes") ?? "", /^public, max-age=[34]\d$/);
  assert.ok(origin.requests.some(({ target }) => target === `/3/movie/550?api_key=${demoApiKey}`));
});

Deno.test("usher migrate-env: reads a .env file from standard input, and the process's environment", async () => {
  const text = "UPSTREAM_TYPE=custom\nUPSTREAM_SERVERS=https://one.example\nPORT=8080 # there\n";
  const piped = await runWithInput(["migrate-env"], text);
  assert.equal(piped.code, 0, piped.stderr);
  assert.match(piped.stdout, /listen: 0\.0\.0\.0:8080 # PORT=8080\n/);
  const { code, stdout, stderr } = await runMain(["migrate-env", "--from-env"], {
    env: { UPSTREAM_TYPE: "tmdb-image", UPSTREAM_SERVER: "https://image.tmdb.org", TMDB_API_KEY: "swordfish" },
  });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /type: tmdb-image # UPSTREAM_TYPE=tmdb-image/);
  assert.match(stderr, /environment UPSTREAM_SERVER: is not read by anything; did you mean UPSTREAM_SERVERS\?/);
  assert.doesNotMatch(stdout + stderr, /swordfish/);
});

Deno.test("usher migrate-env: says what is wrong with what it is given, and writes nothing", async () => {
  const cases: ReadonlyArray<readonly [args: readonly string[], input: string, message: RegExp, status?: number]> = [
    [["migrate-env"], "", /none of the seed's variables in standard input/],
    [["migrate-env", "-"], "services:\n  a: [", /Cannot read the services of standard input\nstandard input:2:/],
    [["migrate-env", "nowhere.env"], "", /Cannot read nowhere\.env: there is no such file/],
    [["migrate-env", "a", "b"], "", /Unexpected argument "b"/, 2],
    [["migrate-env", "a", "--from-env"], "", /Give one source/, 2],
    [["migrate-env", "--form-env"], "", /"--form-env"; did you mean "--from-env"\?/, 2],
  ];
  for (const [args, input, message, status = 1] of cases) {
    const { code, stdout, stderr } = await runWithInput(args, input);
    assert.equal(code, status, args.join(" "));
    assert.equal(stdout, "");
    assert.match(stderr, message);
  }
});
