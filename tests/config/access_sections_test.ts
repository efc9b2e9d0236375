import assert from "node:assert/strict";
import { problemsOf } from "./load_text.ts";

const TOKEN = "5f3c9a1e7b2d4068aa51c0de93b7f642";

Deno.test("keys about access are checked with their place in the file", async () => {
  const problems = await problemsOf(`pools: { p: { type: custom, upstreams: [https://one.example] } }
listeners:
  - name: l
    pool: p
    auth: { tokens: { tv: ${TOKEN}, "a b": ${TOKEN} }, bearer: 1, query: ["a=b"], path: x, max_failures: 0, heder: X }
    cors: { origins: [a], methods: [PURGE], request_fields: [" "], expose: x, max_age: 1y, credentials: maybe, mode: on }
`);
  assert.deepEqual(
    problems.map((problem) => problem.split(": ")[0]!.replace(/^\d+:\d+ listeners\[0\]\./, "")).sort(),
    [
      ...['auth.tokens["a b"]', "auth.bearer", "auth.query[0]", "auth.path", "auth.max_failures", "auth.heder"],
      ...["cors.origins[0]", "cors.methods[0]", "cors.request_fields[0]", "cors.expose", "cors.max_age"],
      ...["cors.credentials", "cors.mode"],
    ].sort(),
  );
});

Deno.test("auth takes a bounded number of clients, and of tokens of one", async () => {
  const file = (tokens: string) =>
    `pools: { p: { type: custom, upstreams: [https://one.example] } }
listeners: [{ name: l, pool: p, auth: { tokens: ${tokens} } }]`;
  const token = (place: number) => `0123456789abcdef${place}`;
  const clients = (count: number) => `{ ${Array.from({ length: count }, (_, place) => `c${place}: ${token(place)}`)} }`;
  assert.deepEqual(await problemsOf(file(clients(200))), []);
  assert.match((await problemsOf(file(clients(201))))[0]!, /at most 200 clients/);
  const many = `{ tv: [${Array.from({ length: 9 }, (_, place) => token(place))}] }`;
  assert.match((await problemsOf(file(many)))[0]!, /at most 8 items/);
});

Deno.test("cors takes a list of origins, and says which one is none", async () => {
  const file = (cors: string) =>
    `pools: { p: { type: custom, upstreams: [https://one.example] } }
listeners: [{ name: l, pool: p, cors: ${cors} }]`;
  assert.deepEqual(await problemsOf(file('[https://a.example, "https://*.b.example"]')), []);
  assert.match(
    (await problemsOf(file("[https://a.example, off]"))).join(),
    /^2:59 listeners\[0\]\.cors\[1\]: found "off"/,
  );
});

Deno.test("auth names the variable that stands where a mapping is wanted", async () => {
  const file = (auth: string) =>
    `pools: { p: { type: custom, upstreams: [https://one.example] } }
listeners: [{ name: l, pool: p, auth: ${auth} }]`;
  for (const [auth, path] of [['"${TOKEN:-x}"', "auth"], ['{ tokens: "${TOKEN:-x}" }', "auth.tokens"]] as const) {
    const problems = await problemsOf(file(auth));
    assert.equal(problems.length, 1, problems.join("\n"));
    assert.match(problems[0]!, new RegExp(`^2:\\d+ listeners\\[0\\]\\.${path}: found \\$\\{TOKEN.* a mapping`));
  }
});
