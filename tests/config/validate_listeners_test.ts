import assert from "node:assert/strict";
import { problemsOf, warningsOf } from "./load_text.ts";

const POOLS = "pools: { tmdb: { type: custom, upstreams: [https://one.example] } }\nlisteners:\n";

/** What is said of these listeners; the first is in line 3. */
function said(...listeners: string[]): Promise<string[]> {
  return problemsOf(POOLS + listeners.map((listener) => `  - { pool: tmdb, ${listener} }\n`).join(""));
}

Deno.test("validateListeners() wants names of their own", async () => {
  assert.deepEqual(await said("name: a, prefix: /a", "name: a, prefix: /b"), [
    '4:25 listeners[1].name: found "a" expected a name of its own (listeners[0] in line 3 has it too)',
  ]);
});

Deno.test("validateListeners() names the nearest pool", async () => {
  const lines = await problemsOf(POOLS + "  - { name: a, pool: tmbd }\n");
  assert.deepEqual(lines, [
    '3:22 listeners[0].pool: found "tmbd" expected the name of a pool: tmdb; did you mean "tmdb"?',
  ]);
  assert.match((await problemsOf(POOLS + "  - { name: a, pool: constructor }\n"))[0] ?? "", /the name of a pool/);
});

Deno.test("validateListeners() does not call a pool unknown that has mistakes of its own", async () => {
  const lines = await problemsOf("pools: { a: { type: x } }\nlisteners: [{ name: a, pool: a }]\n");
  assert.deepEqual(lines.map((line) => line.split(":")[1]?.split(" ")[1]), ["pools.a.upstreams", "pools.a.type"]);
  assert.equal((await problemsOf("pools: 5\nlisteners: [{ name: a, pool: a }]\n")).length, 1);
});

Deno.test("validateListeners() refuses two claims to one address, host and prefix", async () => {
  const expected =
    /^4:\d+ listeners\[1\]\.prefix: found .* expected a prefix that no other listener has .*\(listeners\[0\] in line 3 has it\)$/;
  const clashes: ReadonlyArray<readonly [string, string]> = [
    ["prefix: /a", "prefix: /a/"],
    ["prefix: /", "strip_prefix: false"],
    ["host: A.example", "host: [b.example, a.example]"],
    ['listen: ":6635"', 'listen: "0.0.0.0:6635"'],
  ];
  for (const [first, second] of clashes) {
    const lines = await said(`name: a, ${first}`, `name: b, ${second}`);
    assert.equal(lines.length, 1, lines.join("\n"));
    assert.match(lines[0] ?? "", expected);
  }
  const apart: ReadonlyArray<readonly [string, string]> = [
    ["prefix: /a", "prefix: /a/b"],
    ["prefix: /a", "prefix: /A"],
    ["host: a.example", "host: '*.example'"],
    ["host: a.example", "strip_prefix: true"],
    ['listen: "127.0.0.1:1"', 'listen: "127.0.0.1:2"'],
    ['listen: "127.0.0.1:1"', 'listen: "127.0.0.2:1"'],
  ];
  for (const [first, second] of apart) assert.deepEqual(await said(`name: a, ${first}`, `name: b, ${second}`), []);
});

Deno.test("validateListeners() does not build on values that are wrong themselves", async () => {
  assert.equal((await said("name: a, prefix: 3", "name: b")).length, 1);
  assert.equal((await said("name: a, prefx: /3", "name: b")).length, 1);
  assert.equal((await said('name: a, listen: "x"', "name: b")).length, 1);
});

Deno.test("validateListeners() refuses addresses that cover each other, once for each", async () => {
  const lines = await said(
    "name: a",
    'name: b, listen: "127.0.0.1:6635"',
    'name: c, prefix: /c, listen: "127.0.0.1:6635"',
    'name: d, listen: "[::1]:6635"',
  );
  assert.equal(lines.length, 1);
  assert.match(
    lines[0] ?? "",
    /^4:\d+ listeners\[1\]\.listen: found "127\.0\.0\.1:6635" expected an address that does not overlap with listeners\[0\]\.listen in line 3; 0\.0\.0\.0 and \[::\] cover/,
  );
});

Deno.test("validateListeners() keeps the admin address apart", async () => {
  assert.match((await said('name: a, listen: "127.0.0.1:6636"'))[0] ?? "", /^3:\d+ listeners\[0\]\.listen: .*admin/);
  assert.match((await said('name: a, listen: ":6636"'))[0] ?? "", /^3:\d+ listeners\[0\]\.listen: .*admin/);
  const lines = await problemsOf(`admin: { listen: "127.0.0.1:6635" }\n${POOLS}  - { name: a, pool: tmdb }\n`);
  assert.match(
    lines[0] ?? "",
    /^1:18 admin\.listen: found "127\.0\.0\.1:6635" expected an address of its own \(listeners\[0\]\.listen in line 4/,
  );
});

Deno.test("validateListeners() wants min_ttl to be at most max_ttl", async () => {
  assert.deepEqual(
    await said("name: a, cache: { rules: [{ min_ttl: 1m, max_ttl: 1m }, { min_ttl: 2m, max_ttl: 1m }] }"),
    [
      '3:86 listeners[0].cache.rules[1].min_ttl: found "2m" expected at most max_ttl ("1m")',
    ],
  );
});

Deno.test("validateListeners() warns of a disk quota that cannot matter", async () => {
  const warned = (disk: string) =>
    warningsOf(`cache: { disk: ${disk} }\n${POOLS}  - { name: a, pool: tmdb, cache: { disk_quota: 2MiB } }\n`);
  assert.match((await warned("1MiB"))[0] ?? "", /listeners\[0\]\.cache\.disk_quota: it has no effect: it is larger/);
  assert.match((await warned("0"))[0] ?? "", /listeners\[0\]\.cache\.disk_quota: it has no effect: .*off/);
  assert.deepEqual(await warned("2MiB"), []);
});
