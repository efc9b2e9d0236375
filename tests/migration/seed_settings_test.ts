import assert from "node:assert/strict";
import { formatLocated, type Located } from "../../lib/config/yaml/located.ts";
import { readSeedSettings, type SeedSettings } from "../../lib/migration/seed_settings.ts";
import { seedService } from "./_seed_service.ts";

function read(variables: Readonly<Record<string, string>>): { settings: SeedSettings; warnings: string[] } {
  const warnings: Located[] = [];
  const settings = readSeedSettings(seedService(variables), warnings);
  return { settings, warnings: warnings.map(formatLocated) };
}

/** The value of one setting, `null` where there is none. */
function valueOf(key: keyof SeedSettings, variables: Readonly<Record<string, string>>): unknown {
  const setting = read(variables).settings[key];
  return setting === null ? null : (setting as { readonly value: unknown }).value;
}

Deno.test("readSeedSettings() reads every variable, milliseconds and numbers alike", () => {
  const cases: ReadonlyArray<readonly [key: keyof SeedSettings, name: string, text: string, value: unknown]> = [
    ["port", "PORT", " 6635 ", 6635],
    ["workers", "NUM_WORKERS", "4", 4],
    ["type", "UPSTREAM_TYPE", "custom", "custom"],
    ["upstreams", "UPSTREAM_SERVERS", "https://A.example/, http://b.example:8080/base,", [
      "https://a.example",
      "http://b.example:8080/base",
    ]],
    ["isCacheOff", "CACHE_ENABLED", "false", true],
    ["isCacheOff", "CACHE_ENABLED", "true", null],
    ["memoryEntries", "MEMORY_CACHE_SIZE", "1000", 1000],
    ["diskEntries", "CACHE_MAX_SIZE", "0", 0],
    ["memoryTtlMs", "MEMORY_CACHE_TTL", "3600000", 3_600_000],
    ["diskTtlMs", "DISK_CACHE_TTL", "86400000", 86_400_000],
    ["requestTimeoutMs", "REQUEST_TIMEOUT", "5000", 5000],
    ["unhealthyMs", "UNHEALTHY_TIMEOUT", "663500", 663_500],
    ["maxErrors", "MAX_ERRORS_BEFORE_UNHEALTHY", "3", 3],
    ["checkIntervalMs", "HEALTH_CHECK_INTERVAL", "66350", 66_350],
    ["baseMultiplier", "BASE_WEIGHT_MULTIPLIER", "20", 20],
    ["dynamicMultiplier", "DYNAMIC_WEIGHT_MULTIPLIER", "50", 50],
    ["alphaInitial", "ALPHA_INITIAL", "0.5", 0.5],
    ["alphaStep", "ALPHA_ADJUSTMENT_STEP", ".1", 0.1],
    ["attempts", "MAX_SERVER_SWITCHES", "3", 3],
  ];
  for (const [key, name, text, value] of cases) assert.deepEqual(valueOf(key, { [name]: text }), value, name);
  const image = { UPSTREAM_TYPE: "tmdb-image", TMDB_IMAGE_TEST_URL: "/t/p/w92/a.jpg" };
  assert.equal(valueOf("testTarget", image), "/t/p/w92/a.jpg");
});

Deno.test("readSeedSettings() takes empty values for none", () => {
  const names = ["PORT", "UPSTREAM_SERVERS", "UPSTREAM_TYPE", "DISK_CACHE_TTL", "CACHE_ENABLED"];
  const { settings } = read(Object.fromEntries(names.map((name) => [name, " "])));
  assert.deepEqual([settings.port, settings.upstreams, settings.diskTtlMs, settings.isCacheOff], [
    null,
    null,
    null,
    null,
  ]);
  assert.equal(settings.type.value, "tmdb-api");
});

Deno.test("readSeedSettings() says what it cannot use, where it is, and what it does instead", () => {
  const cases: ReadonlyArray<readonly [name: string, text: string, warning: RegExp]> = [
    ["PORT", "http", /^seed\.env:1:1 PORT: found "http" expected a whole number from 1 to 65535: left out$/],
    ["PORT", "70000", /expected a whole number from 1 to 65535: taken as 65535/],
    ["PORT", "-1", /taken as 1$/],
    ["NUM_WORKERS", "2.5", /expected a whole number/],
    ["NUM_WORKERS", "1e9", /left out/],
    ["ALPHA_INITIAL", "NaN", /expected a number from 0 to 1: left out/],
    ["ALPHA_ADJUSTMENT_STEP", "7", /taken as 1$/],
    ["REQUEST_TIMEOUT", "5s", /found "5s" expected a whole number/],
    ["DISK_CACHE_TTL", "60", /is read as 60 milliseconds; some versions of it counted minutes/],
    ["UPSTREAM_TYPE", "tmdb_image", /found "tmdb_image" expected tmdb-api, tmdb-image or custom: taken as tmdb-image/],
    ["UPSTREAM_TYPE", "squirrel", /taken as custom/],
    ["UPSTREAM_SERVERS", "api.tmdb.org", /names api\.tmdb\.org without a scheme: taken as https/],
    ["UPSTREAM_SERVERS", "https://a.example,https://A.example/", /names https:\/\/a\.example twice/],
    ["UPSTREAM_SERVERS", "ftp://a.example", /found something else in place 1 expected a URL with the scheme/],
    ["CACHE_ENABLED", "no", /nothing but `false` turned the cache off there: it stays on/],
    ["TMDB_IMAGE_TEST_URL", "/t/p/a.jpg", /had no effect there with UPSTREAM_TYPE=tmdb-api: left out/],
    ["MEMORY_CACH_SIZE", "5", /did you mean MEMORY_CACHE_SIZE\?/],
    ["cache_max_size", "5", /did you mean CACHE_MAX_SIZE\?/],
    ["CACHE_TTL", "60", /of another version of it: say DISK_CACHE_TTL/],
    ["HTTPS_PROXY", "http://p:1", /say proxy: at each of them/],
    ["TZ", "UTC", /has no counterpart/],
    ["NUM_WORKERS", "4", /had no effect there/],
    ["PORT", "x".repeat(100), /found "x{40}…"/],
  ];
  for (const [name, text, warning] of cases) {
    const { warnings } = read({ [name]: text });
    assert.ok(warnings.some((line) => warning.test(line)), `${name}=${text}: ${warnings.join("; ")}`);
  }
});

Deno.test("readSeedSettings() says nothing of strangers", () => {
  const { warnings } = read({
    HOST: "h",
    PATH: "/bin",
    HOME: "/h",
    POST: "1",
    HTTP_PROXY: "",
    PWD: "/",
    LANGUAGE: "de",
  });
  assert.deepEqual(warnings, []);
});

Deno.test("readSeedSettings() judges the key and never shows it, nor passwords in URLs", () => {
  const key = "0123456789abcdef0123456789abcdef";
  const good = read({ TMDB_API_KEY: `\u200b ${key}` });
  assert.deepEqual(good.settings.apiKey, { text: key, isUsable: true });
  const bad = read({
    TMDB_API_KEY: "your_api_key_here",
    UPSTREAM_SERVERS: "https://user:swordfish@a.example/?k=swordfish",
  });
  assert.equal(bad.settings.apiKey?.isUsable, false);
  assert.equal(read({ TMDB_API_KEY: "" }).settings.apiKey?.isUsable, true);
  assert.equal(read({ TMDB_API_KEY: key, UPSTREAM_TYPE: "custom" }).settings.apiKey, null);
  for (const line of [...good.warnings, ...bad.warnings]) {
    assert.doesNotMatch(line, new RegExp(`${key}|your_api_key_here|swordfish`));
  }
});

Deno.test("readSeedSettings() gives the port that Compose publishes", () => {
  const warnings: Located[] = [];
  const port = (variables: Record<string, string>, published: [number, number][]) =>
    readSeedSettings(seedService(variables, { published }), warnings).port;
  assert.equal(port({ PORT: "6635" }, [[6635, 80]])?.value, 80);
  assert.equal(port({}, [[6635, 81]])?.value, 81);
  assert.equal(port({ PORT: "7000" }, [[6635, 80]])?.value, 7000);
  assert.deepEqual(warnings, []);
  readSeedSettings(seedService({ PORT: "7000" }, { published: [[7000, 80]], local: [80] }), warnings);
  assert.match(
    warnings.map(formatLocated).join(),
    /^seed\.env:1:1 PORT: was published to the host itself alone;/,
  );
});

Deno.test("readSeedSettings() takes the path of a test URL, and nothing of it that may be secret", () => {
  const given = (url: string) => {
    const warnings: Located[] = [];
    const service = seedService({ UPSTREAM_TYPE: "tmdb-image", TMDB_IMAGE_TEST_URL: url });
    const target = readSeedSettings(service, warnings).testTarget?.value ?? null;
    assert.equal(warnings.length, url === "/t/p/w92/a.jpg" ? 0 : 1, url);
    assert.doesNotMatch(JSON.stringify(warnings), /hunter2/);
    return target;
  };
  for (const url of ["https://u:hunter2@image.tmdb.org/t/p/w92/a.jpg?api_key=hunter2", "/t/p/w92/a.jpg?k=hunter2"]) {
    assert.equal(given(url), "/t/p/w92/a.jpg");
  }
  assert.equal(given("/t/p/w92/a.jpg"), "/t/p/w92/a.jpg");
  for (const url of ["no path", "https://u:hunter2@[bad/a.jpg", "ftp://u:hunter2@image.tmdb.org/a.jpg"]) {
    assert.equal(given(url), null);
  }
});
