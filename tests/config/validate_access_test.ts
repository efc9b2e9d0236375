import assert from "node:assert/strict";
import { problemsOf, warningsOf } from "./load_text.ts";

const TOKEN = "5f3c9a1e7b2d4068aa51c0de93b7f642";
const OTHER = "e0d1c2b3a495867768594a3e2d1c6f0b";

/** A file with one listener that has these keys, in line 3. */
function file(keys: string): string {
  return `pools: { p: { type: tmdb-api, upstreams: [https://one.example], api_keys: [0123456789abcdef0123456789abcdee] } }
listeners:
  - { name: l, pool: p, ${keys} }
`;
}

Deno.test("validateAccess() finds every token that is no good, by its place, and shows none", async () => {
  const problems = await problemsOf(file(
    `auth: { tokens: { a: tooshort, b: [${TOKEN}, 0123456789abcdef0123456789abcdee, "\u200b"], c: ${TOKEN} }, header: Cookie }`,
  ));
  assert.deepEqual(problems.map((problem) => problem.replace(/ expected .*/, "")), [
    "3:46 listeners[0].auth.tokens.a: found a value that is not shown",
    "3:94 listeners[0].auth.tokens.b[1]: found a value that is not shown",
    "3:137 listeners[0].auth.tokens.c: found a value that is not shown",
    '3:181 listeners[0].auth.header: found "Cookie"',
  ]);
  assert.match(problems[1]!, /not one of a pool's api_keys/);
  assert.match(problems[2]!, /a token of its own \(b has it too\)/);
});

Deno.test("validateAccess() takes no field for tokens that says something else, or that proxies add to", async () => {
  for (const name of ["Authorization", "X-Forwarded-For", "range", "Origin", "Connection"]) {
    const problems = await problemsOf(file(`auth: { tokens: { a: ${TOKEN} }, header: ${name} }`));
    assert.match(
      problems.join(),
      /^3:\d+ listeners\[0\]\.auth\.header: found [^,]* expected a field that has no meaning/,
    );
  }
});

Deno.test("validateAccess() never leaves open what was meant to be closed", async () => {
  const unset = [
    `auth: { tokens: { a: "\${TOKEN:-}" } }`,
    "auth: { tokens: {} }",
    `auth: { tokens: { a: ["\${TOKEN:-}"] } }`,
  ];
  for (const keys of ["auth:", "auth: {}", ...unset]) {
    const problems = await problemsOf(file(keys));
    assert.equal(problems.length, 1, keys);
    assert.match(problems[0]!, /^3:\d+ listeners\[0\]\.auth/);
  }
});

Deno.test("validateAccess() shows no token that stands in a wrong place", async () => {
  for (const keys of [`auth: ${TOKEN}`, `auth: { tokens: ${TOKEN} }`, `auth: { tokens: [${TOKEN}] }`]) {
    const problems = await problemsOf(file(keys));
    assert.equal(problems.length, 1, keys);
    assert.ok(!problems[0]!.includes(TOKEN), keys);
  }
});

Deno.test("validateAccess() cleans tokens of what sticks to them, and takes several of a client", async () => {
  const tokens = `{ a: " ${TOKEN}\u200b ", b: [${OTHER}, "\${OLD:-}"], "c.d-e_1": "0123456789-._~abcdef" }`;
  assert.deepEqual(await problemsOf(file(`auth: { tokens: ${tokens} }, rate_limit: { requests: 1, by: client }`)), []);
});

Deno.test("validateAccess() wants names where limits go by them", async () => {
  const problems = await problemsOf(file("rate_limit: { requests: 1, by: client }"));
  assert.deepEqual(problems, [
    '3:56 listeners[0].rate_limit.by: found "client" expected ip or header, because the listener has no `auth` with names of clients',
  ]);
});

Deno.test("validateAccess() refuses credentials for all pages, and what is no origin", async () => {
  const all = await problemsOf(file("cors: { credentials: true }"));
  assert.match(all[0]!, /^3:46 listeners\[0\]\.cors\.credentials: found true expected false, or a list of `origins`/);
  assert.deepEqual(await problemsOf(file("cors: { credentials: true, origins: https://a.example }")), []);
  assert.match(
    (await problemsOf(file("cors: of")))[0]!,
    /^3:31 listeners\[0\]\.cors: found "of" expected "\*", or an origin/,
  );
  assert.match((await problemsOf(file(`cors: { origins: [null, "x"] }`)))[0]!, /listeners\[0\]\.cors\.origins\[0\]/);
});

Deno.test("validateAccess() warns of keys that have no effect", async () => {
  const warnings = await warningsOf(file("cors: { mode: off, origins: [https://a.example] }"));
  assert.deepEqual(warnings, ["3:39 listeners[0].cors.mode: the other keys are not used with `mode: off`"]);
});

Deno.test("validateAccess() warns of limits that go by a field which tokens are taken out of", async () => {
  const limited = (rest: string) =>
    warningsOf(file(`auth: { tokens: { a: ${TOKEN} }${rest} }, rate_limit: { requests: 1, by: header }`));
  assert.match((await limited(""))[0]!, /^3:\d+ listeners\[0\]\.rate_limit\.by: tokens are taken out of this field/);
  assert.deepEqual(await limited(", bearer: false"), []);
});
