import assert from "node:assert/strict";
import { formatLocated } from "../../lib/config/yaml/located.ts";
import { configOf, loadText, problemsOf, warningsOf } from "./load_text.ts";

const KEY = "0123456789abcdef0123456789abcdef";

/** A file with one pool that has these lines. */
function withPool(lines: string): string {
  return `listeners: [{ name: a, pool: a }]\npools:\n  a:\n    ${lines.split("\n").join("\n    ")}\n`;
}

Deno.test("validatePools() takes API keys from a page with all that sticks to them, drops empty ones", async () => {
  const keys = JSON.stringify([`\u200b ${KEY}\ufeff `, "", "${NONE:-}", "${KEY}"]);
  const config = await configOf(withPool(`type: tmdb-api\nupstreams: [https://a.example]\napi_keys: ${keys}`), {
    env: { KEY: "Bearer eyJ.b.c" },
  });
  assert.deepEqual(config.pools[0]?.apiKeys, [KEY, "eyJ.b.c"]);
});

Deno.test("validatePools() refuses unusable API keys without showing them", async () => {
  const text = withPool(
    `type: tmdb-api\nupstreams: [https://a.example]\napi_keys: ["hunter2", "\${KEY}", "hunter\${KEY}", 1234567]`,
  );
  const lines = await problemsOf(text, { env: { KEY: "hunter3" } });
  assert.equal(lines.length, 4);
  assert.match(
    lines[0] ?? "",
    /^6:16 pools\.a\.api_keys\[0\]: found a value that is not shown expected a TMDB API key/,
  );
  assert.match(lines[1] ?? "", /^6:27 pools\.a\.api_keys\[1\]: found \$\{KEY\} expected/);
  assert.match(lines[3] ?? "", /put quotes around it/);
  assert.doesNotMatch(lines.join("\n"), /hunter|1234567/);
});

Deno.test("validatePools() warns of a key that is one user's token", async () => {
  const token = `eyJhbGciOiJIUzI1NiJ9.${btoa('{"scopes":["api_read","api_write"]}').replaceAll("=", "")}.c2ln`;
  const [warning] = await warningsOf(withPool(`type: tmdb-api\nupstreams: [https://a.example]\napi_keys: [${token}]`));
  assert.match(warning ?? "", /^6:16 pools\.a\.api_keys\[0\]: this token may do more than read/);
  assert.ok(!warning!.includes(token));
});

Deno.test("validatePools() refuses API keys on a type that takes none", async () => {
  const lines = await problemsOf(withPool(`type: custom\nupstreams: [https://a.example]\napi_keys: [${KEY}]`));
  assert.deepEqual(lines, ['6:5 pools.a.api_keys: found api_keys expected none on a pool of type "custom"']);
  const empty = withPool('type: custom\nupstreams: [https://a.example]\napi_keys: ["${NONE:-}"]');
  assert.deepEqual(await problemsOf(empty), []);
});

Deno.test("validatePools() refuses the same upstream twice, however it is written", async () => {
  const text = withPool(`type: custom
upstreams:
  - https://A.example/
  - { url: "https://a.example:443", weight: 2 }
  - { url: https://a.example, resolve: 203.0.113.7 }
  - http://a.example`);
  assert.deepEqual(await problemsOf(text), [
    '7:16 pools.a.upstreams[1].url: found "https://a.example:443" expected an upstream that the pool does not have already (pools.a.upstreams[0] in line 6)',
  ]);
});

Deno.test("validatePools() wants a check to be shorter than its interval, and shrinks defaults", async () => {
  const pool = "type: custom\nupstreams: [https://a.example]\nhealth: ";
  assert.deepEqual(await problemsOf(withPool(`${pool}{ interval: 5s, timeout: 5s }`)), [
    '6:38 pools.a.health.timeout: found "5s" expected a duration shorter than health.interval ("5s")',
  ]);
  assert.match((await problemsOf(withPool(`${pool}{ timeout: 1m }`)))[0] ?? "", /\(30s, the default\)/);
  const config = await configOf(withPool(`${pool}{ interval: 1s }`));
  assert.deepEqual([config.pools[0]?.health.timeoutMs, config.pools[0]?.health.unhealthyIntervalMs], [500, 1000]);
});

Deno.test("validatePools() warns of what has no effect", async () => {
  const text = withPool(
    `type: tmdb-api\nupstreams: [https://a.example]\nkey_mode: pass\napi_keys: [${KEY}, ${KEY}]`,
  ).replace("pools:", "pools:\n  unused: { type: custom, upstreams: [https://b.example] }");
  assert.deepEqual(await warningsOf(text), [
    "3:3 pools.unused: no listener uses this pool",
    "7:15 pools.a.key_mode: api_keys are not used with `key_mode: pass`",
    "8:50 pools.a.api_keys[1]: this key is in the list already",
  ]);
});

Deno.test("validatePools() refuses a check that its type would not have asked again and again", async () => {
  const text = withPool(
    "type: tmdb-api\nupstreams: [https://a.example]\nhealth: { path: /3/authentication/token/new }",
  );
  const result = await loadText(text, { refusedCheck: (type, target) => `${type} ${target}` });
  assert.ok(!result.ok);
  assert.deepEqual(result.problems.map(formatLocated), [
    'config.yaml:6:21 pools.a.health.path: found "/3/authentication/token/new" expected a path that can be asked for ' +
    "again and again: tmdb-api /3/authentication/token/new",
  ]);
  assert.deepEqual(await problemsOf(text), []);
});

Deno.test("validatePools() wants upgrades on the general type alone", async () => {
  const pool = (type: string, upgrade: string) =>
    withPool(`type: ${type}\nupstreams: [https://a.example]\nupgrade: ${upgrade}`);
  for (const type of ["tmdb-api", "tmdb-image"]) {
    assert.deepEqual(await problemsOf(pool(type, "[websocket]")), [
      `6:5 pools.a.upgrade: found upgrade expected none on a pool of type ${type}: only custom has upgrades`,
    ]);
    assert.deepEqual(await problemsOf(pool(type, "[]")), []);
  }
  assert.deepEqual(await problemsOf(pool("custom", "[websocket]")), []);
  assert.deepEqual(await problemsOf(pool("custom", "[WebSocket]")), [
    '6:15 pools.a.upgrade[0]: found "WebSocket" expected "websocket"; did you mean "websocket"?',
  ]);
  assert.match((await problemsOf(pool("custom", "[h2c]")))[0] ?? "", /^6:15 pools\.a\.upgrade\[0\]: found "h2c" exp/);
  assert.match(
    (await problemsOf(pool("custom", "true")))[0] ?? "",
    /^6:14 pools\.a\.upgrade: found true expected a list/,
  );
});

Deno.test("validatePools() holds the limits of tunnels within their bounds", async () => {
  const tunnels = (keys: string) => withPool(`type: custom\nupstreams: [https://a.example]\ntunnels: { ${keys} }`);
  const lines = await problemsOf(tunnels("idle: 999ms, max: 0"));
  assert.match(lines[0] ?? "", /^6:22 pools\.a\.tunnels\.idle: found "999ms" expected a duration .* from 1s to 1d$/);
  assert.match(lines[1] ?? "", /^6:34 pools\.a\.tunnels\.max: found 0 expected a whole number from 1 to 1000000$/);
  assert.match((await problemsOf(tunnels("idel: 1s")))[0] ?? "", /did you mean "idle"\?$/);
  assert.deepEqual((await configOf(tunnels("idle: 1d"))).pools[0]?.tunnels, { idleMs: 86_400_000, max: 1000 });
});
