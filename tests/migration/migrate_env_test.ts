import assert from "node:assert/strict";
import { formatListenAddress } from "../../lib/config/addresses.ts";
import { formatLocated } from "../../lib/config/yaml/located.ts";
import { migrateEnv } from "../../lib/migration/migrate_env.ts";
import { seedVariables } from "../../lib/migration/seed_variables.ts";
import { configOf, warningsOf } from "../config/load_text.ts";
import { seedService } from "./_seed_service.ts";

const KEY = "0123456789abcdef0123456789abcdef";

/** The example of the seed's README. */
const README = {
  ...{ PORT: "6635", NUM_WORKERS: "4", TZ: "Asia/Shanghai", UPSTREAM_TYPE: "tmdb-api", TMDB_API_KEY: KEY },
  ...{ TMDB_IMAGE_TEST_URL: "/t/p/original/a.png", CACHE_DIR: "/app/cache", CACHE_MAX_SIZE: "1000" },
  ...{ UPSTREAM_SERVERS: "https://api.themoviedb.org,https://api.tmdb.org", CACHE_ENABLED: "true" },
  ...{ MEMORY_CACHE_SIZE: "10000", MEMORY_CACHE_TTL: "3600000", MEMORY_CACHE_CLEANUP_INTERVAL: "60000" },
  ...{ DISK_CACHE_TTL: "86400000", DISK_CACHE_CLEANUP_INTERVAL: "3600000", REQUEST_TIMEOUT: "15000" },
  ...{ UNHEALTHY_TIMEOUT: "663500", MAX_ERRORS_BEFORE_UNHEALTHY: "3", HEALTH_CHECK_INTERVAL: "66350" },
  ...{ BASE_WEIGHT_MULTIPLIER: "20", DYNAMIC_WEIGHT_MULTIPLIER: "50", ALPHA_INITIAL: "0.6" },
  ...{ ALPHA_ADJUSTMENT_STEP: "0.1", MAX_SERVER_SWITCHES: "4" },
};

function migrated(...services: Parameters<typeof seedService>[]) {
  const { yaml, warnings } = migrateEnv(
    { services: services.map((one) => seedService(...one)), problems: [] },
    "seed.env",
  );
  return { yaml, warnings: warnings.map(formatLocated) };
}

Deno.test("migrateEnv() carries every variable of the seed's README over, and loads", async () => {
  const { yaml, warnings } = migrated([README]);
  const config = await configOf(yaml, { env: { TMDB_API_KEY: KEY } });
  assert.equal(config.server.workers, 4);
  assert.deepEqual([config.cache.memoryBytes, config.cache.diskBytes], [313 * 2 ** 20, 256 * 2 ** 20]);
  const [pool] = config.pools;
  assert.deepEqual([pool!.name, pool!.type, pool!.apiKeys], ["tmdb-api", "tmdb-api", [KEY]]);
  assert.deepEqual(pool!.upstreams.map(({ url }) => url), ["https://api.themoviedb.org", "https://api.tmdb.org"]);
  assert.deepEqual([pool!.sending.firstByteMs, pool!.sending.totalMs], [15_000, 60_000]);
  assert.deepEqual([pool!.health.check.intervalMs, pool!.health.maxFailures], [66_350, 3]);
  const { weights, outliers } = pool!.resilience;
  assert.deepEqual([weights.baseMultiplier, weights.dynamicMultiplier], [20, 50]);
  assert.deepEqual([weights.alphaInitial, weights.alphaStep], [0.6, 0.1]);
  assert.equal(outliers.ejectionMs, 663_500);
  assert.equal(pool!.sending.attempts, 4);
  assert.deepEqual(config.listeners.map(({ name, prefix, listen }) => [name, prefix, formatListenAddress(listen)]), [
    ["api", "/3", "0.0.0.0:6635"],
    ["api-v4", "/4", "0.0.0.0:6635"],
  ]);
  for (const { cache: { rules } } of config.listeners) {
    assert.deepEqual(rules.map(({ path, ttlMs }) => [path, ttlMs]), [["/3/**/changes", null], [null, 86_400_000]]);
  }
  const said = seedVariables.filter(({ note }) => note !== null).map(({ name }) => name);
  for (const name of said) assert.ok(warnings.some((line) => line.includes(` ${name}: `)), name);
  assert.deepEqual(await warningsOf(yaml), []);
});

Deno.test("migrateEnv() makes a configuration that loads of nothing at all", async () => {
  for (const services of [[], [[{}]]] as Parameters<typeof migrated>[]) {
    const { yaml, warnings } = migrated(...services);
    const config = await configOf(yaml);
    assert.deepEqual(config.pools.map(({ type }) => type), ["tmdb-api"]);
    assert.match(warnings.join(), /UPSTREAM_SERVERS: names no upstream that can be used: TMDB's own are written down/);
  }
});

Deno.test("migrateEnv() says where each value comes from, and what was not set", () => {
  const { yaml } = migrated([{ PORT: "7000", REQUEST_TIMEOUT: "5000" }]);
  assert.match(yaml, /listen: 0\.0\.0\.0:7000 # PORT=7000$/m);
  assert.match(yaml, /first_byte: 5s # REQUEST_TIMEOUT=5000$/m);
  assert.match(yaml, /^# .*NUM_WORKERS \(4\)/m);
  assert.match(yaml, /^# Made by `usher migrate-env` from seed\.env\./m);
});

Deno.test("migrateEnv() maps images and custom upstreams", async () => {
  const image = migrated([{
    UPSTREAM_TYPE: "tmdb-image",
    UPSTREAM_SERVERS: "https://image.tmdb.org",
    TMDB_IMAGE_TEST_URL: "/t/p/w92/a:b.png",
  }]);
  const images = await configOf(image.yaml);
  assert.deepEqual(images.listeners.map(({ name, prefix }) => [name, prefix]), [["images", "/t/p"]]);
  assert.deepEqual([images.pools[0]!.health.method, images.pools[0]!.health.path], ["HEAD", "/t/p/w92/a:b.png"]);
  const custom = migrated([{
    UPSTREAM_TYPE: "custom",
    UPSTREAM_SERVERS: "http://10.0.0.1:8080",
    DISK_CACHE_TTL: "60000",
  }]);
  const any = await configOf(custom.yaml);
  assert.deepEqual(any.listeners.map(({ prefix, cache }) => [prefix, cache.mode]), [["/", "ttl"]]);
  const none = migrated([{ UPSTREAM_TYPE: "custom", UPSTREAM_SERVERS: "nonsense here" }]);
  assert.equal((await configOf(none.yaml)).pools[0]!.upstreams[0]!.url, "https://upstream.invalid");
  assert.match(none.warnings.join(), /replace https:\/\/upstream\.invalid by yours/);
});

Deno.test("migrateEnv() gives each key a variable of its own, however alike services are called", async () => {
  const keys = ["a", "b", "c", "d", "e"].map((digit) => digit.repeat(32));
  const { yaml } = migrated(
    ...["api-1", "api_1", "API.1", "电影", "剧集"].map((name, index): Parameters<typeof seedService> => [
      { UPSTREAM_TYPE: "tmdb-api", TMDB_API_KEY: keys[index]! },
      { name },
    ]),
  );
  const names = [...yaml.matchAll(/\$\{(TMDB_API_KEY\w*):-\}/g)].map((match) => match[1]!);
  const config = await configOf(yaml, { env: Object.fromEntries(names.map((name, index) => [name, keys[index]!])) });
  assert.deepEqual(config.pools.map(({ apiKeys }) => apiKeys), keys.map((key) => [key]));
});

Deno.test("migrateEnv() puts several services into one gateway, and keeps them apart", async () => {
  const { yaml, warnings } = migrated(
    [{ PORT: "6635", UPSTREAM_TYPE: "tmdb-api", TMDB_API_KEY: KEY }, { name: "api" }],
    [{ PORT: "6635", UPSTREAM_TYPE: "tmdb-image" }, { name: "images" }],
    [{ PORT: "6635", UPSTREAM_TYPE: "tmdb-api", TMDB_API_KEY: "f".repeat(32) }, { name: "api/2" }],
    [{ PORT: "6635", UPSTREAM_TYPE: "tmdb-image" }, { name: "api-2", published: [[6635, 8080]] }],
  );
  const config = await configOf(yaml, { env: { TMDB_API_KEY_API: KEY, TMDB_API_KEY_API_2: "f".repeat(32) } });
  assert.deepEqual(
    config.listeners.map(({ name, listen, prefix }) => `${name} ${formatListenAddress(listen)}${prefix}`),
    [
      "api 0.0.0.0:6635/3",
      "api-v4 0.0.0.0:6635/4",
      "images 0.0.0.0:6635/t/p",
      "api-2 0.0.0.0:6636/3",
      "api-2-v4 0.0.0.0:6636/4",
      "api-2-2 0.0.0.0:8080/t/p",
    ],
  );
  assert.deepEqual(config.pools.map(({ apiKeys }) => apiKeys), [[KEY], [], ["f".repeat(32)], []]);
  assert.equal(config.admin.listen.port, 6637);
  assert.match(warnings.join("\n"), /PORT: port 6635 is another service's: api\/2 gets 6636/);
});

Deno.test("migrateEnv() turns caching off where it was off", async () => {
  const { yaml } = migrated([{ ...README, CACHE_ENABLED: "false" }]);
  const config = await configOf(yaml);
  assert.deepEqual(config.listeners.map(({ cache }) => cache.mode), ["off", "off"]);
  assert.doesNotMatch(yaml, /ttl:/);
});

Deno.test("migrateEnv() never writes a key down, and switches api_keys off where it was none", async () => {
  const good = migrated([{ TMDB_API_KEY: KEY }]);
  assert.match(good.yaml, /api_keys: \["\$\{TMDB_API_KEY:-\}"\]/);
  const bad = migrated([{ TMDB_API_KEY: "your_api_key" }]);
  assert.deepEqual((await configOf(bad.yaml, { env: { TMDB_API_KEY: "your_api_key" } })).pools[0]!.apiKeys, []);
  for (const { yaml, warnings } of [good, bad]) {
    assert.doesNotMatch(yaml + warnings.join(), new RegExp(`${KEY}|your_api_key`));
  }
});

Deno.test("migrateEnv() makes a file that loads of whatever the values are", async () => {
  const odd = [
    "",
    " ",
    "abc",
    "-1",
    "1e999",
    "0",
    "0.5",
    "99999999999999",
    "a\nb: c",
    "#",
    '"',
    "'",
    "${X}",
    "$${",
    "\u2028- x",
    "\0",
  ];
  for (const value of odd) {
    for (const type of ["tmdb-api", "tmdb-image", "custom", value]) {
      const variables = Object.fromEntries(seedVariables.map(({ name }) => [name, value]));
      const { yaml } = migrated([{ ...variables, UPSTREAM_TYPE: type }, { name: value }], [{ PORT: value }, {
        name: "b",
      }]);
      await configOf(yaml);
    }
    for (const { name } of seedVariables) await configOf(migrated([{ ...README, [name]: value }]).yaml);
  }
  const hosts = "https://a.example/${X},https://b.example/#x,https://c.example/a%20b,https://d.example/'\"";
  await configOf(
    migrated([{ UPSTREAM_SERVERS: hosts, TMDB_IMAGE_TEST_URL: "/${X}/'", UPSTREAM_TYPE: "tmdb-image" }]).yaml,
  );
});
