import assert from "node:assert/strict";
import { configOf, problemsOf, warningsOf } from "./load_text.ts";

/** A file with rules, in lines of their own from line 7 on; the other pool is of another type. */
function withRules(rules: readonly string[], more = ""): string {
  return `pools:
  a: { type: custom, upstreams: [https://one.example, { url: https://two.example, weight: 0 }] }
  b: { type: custom, upstreams: [https://three.example] }
  t: { type: tmdb-api, upstreams: [https://four.example] }
listeners:
  - { name: t, pool: t, listen: ":1" }
  - { name: b, pool: b, listen: ":2" }
  - name: a
    pool: a${more}
    rules:
${rules.map((rule) => `      - ${rule}`).join("\n")}
`;
}

/** What is wrong with rules, without the place of the listener. */
async function problems(...rules: string[]): Promise<string[]> {
  return (await problemsOf(withRules(rules))).map((line) => line.replace("listeners[2].rules", ""));
}

Deno.test("loadConfig() says of every mistake in rules where it stands, and what is due", async () => {
  const found = await problems(
    `{ when: { path: /a } }`,
    `{ redirect: { to: /b }, respond: { status: 200 } }`,
    `{ request: { set: { Content-Length: "1", X-A: "ü" }, remove: [Transfer-Encoding] } }`,
    `{ response: { set: { vary: a }, add: { cache-control: b }, remove: [access-control-allow-origin] } }`,
    `{ request: { rewrite: { from: "(a)\\\\1", to: /x } } }`,
    `{ when: { path: "/a/*" }, redirect: { to: "/b/$2" } }`,
    `{ when: { path: "/a/**" }, redirect: { to: "https://x$1/y" } }`,
    `{ pool: t }`,
    `{ pool: c }`,
    `{ upstream: https://three.example }`,
    `{ when: { client: 10.0.0.1/8 }, respond: { status: 100 } }`,
    `{ response: { status: { 200: x } } }`,
    `{ when: { method: get }, request: { rewrite: { to: x } } }`,
    `{ redirect: { to: /b, status: 200 }, wen: {} }`,
    `{ request: { rewrite: { from: "^/(.*)$", to: "/$1/$2" } } }`,
    `{ request: { add: { X-Real-IP: "::1" }, set: { X-Real-IP: "::1" } } }`,
  );
  assert.deepEqual(found, [
    "11:9 [0]: found a mapping expected a rule that does something: one of request, response, redirect, respond, pool, upstream",
    "12:33 [1].respond: found respond beside redirect expected one of them",
    '13:29 [2].request.set.Content-Length: found "Content-Length" expected a field that rules may set: it frames the message or belongs to one connection',
    "13:55 [2].request.set.X-A: found a value that is not shown expected a text of printable ASCII characters",
    '13:71 [2].request.remove[0]: found "Transfer-Encoding" expected a field that rules may remove: it frames the message or belongs to one connection',
    '14:30 [3].response.set.vary: found "vary" expected a field that rules may set: caches would give one client\'s answer to another: it can only be added to',
    '14:48 [3].response.add.cache-control: found "cache-control" expected a field that rules may add: two of them contradict each other: set it',
    '14:77 [3].response.remove[0]: found "access-control-allow-origin" expected a field that rules may remove: `cors` of the listener says what pages may do',
    '15:39 [4].request.rewrite.from: found "(a)\\\\1" expected a regular expression without back references such as \\1',
    '16:51 [5].redirect.to: found "/b/$2" expected no $2: only one part of the path is matched (write $$ for a dollar sign)',
    '17:52 [6].redirect.to: found "https://x$1/y" expected a URL whose host is followed by /: what was matched must not become part of the host',
    '18:17 [7].pool: found "t" expected a pool of type custom, as the listener\'s own: t is of type tmdb-api',
    '19:17 [8].pool: found "c" expected the name of a pool: a, b, t',
    '20:21 [9].upstream: found "https://three.example" expected an upstream of pool a: https://one.example, https://two.example; did you mean "https://one.example"?',
    '21:27 [10].when.client: found "10.0.0.1/8" expected a CIDR block such as 10.0.0.0/8 or !10.0.0.0/8, or a file of them',
    "21:60 [10].respond.status: found 100 expected a status from 200 to 599, other than 206 and 304",
    '22:33 [11].response.status["200"]: found key "200" expected a status from 400 to 599, or a range such as 500-599',
    '23:27 [12].when.method: found "get" expected a method in capital letters',
    '23:60 [12].request.rewrite.to: found "x" expected a path that begins with /, without query, fragment and dot segments, and with two hex digits behind a %',
    "24:39 [13].redirect.status: found 200 expected one of 301, 302, 303, 307, 308",
    '24:46 [13].wen: found unknown key "wen" expected one of when, request, response, redirect, respond, pool, upstream; did you mean "when"?',
    '25:54 [14].request.rewrite.to: found "/$1/$2" expected no $2: only one part of the path is matched (write $$ for a dollar sign)',
    '26:29 [15].request.add.X-Real-IP: found "X-Real-IP" expected a field that rules may add: upstreams would believe the client\'s own too: set it',
  ]);
});

Deno.test("loadConfig() warns of rules that do nothing, or go round in circles", async () => {
  const warnings = async (...rules: string[]) =>
    (await warningsOf(withRules([...rules, `{ upstream: https://two.example }`], "\n    prefix: /p")))
      .map((line) => line.replace("listeners[2].rules", ""));
  assert.deepEqual(await warnings(`{ when: { path: "/p/**" }, redirect: { to: /p/x } }`), [
    "12:52 [0].redirect.to: it leads to itself: clients would go round in circles",
  ]);
  assert.deepEqual(await warnings(`{ when: { path: "/q/**" }, pool: b }`), [
    "12:25 [0].when.path: it matches no path of this listener: they begin with /p",
  ]);
  assert.deepEqual(await warnings(`{ pool: a }`), ["12:17 [0].pool: it has no effect: it is the listener's own pool"]);
  assert.deepEqual(await warnings(`{ request: { set: { a: b } }, respond: { status: 200 } }`), [
    "12:11 [0].request: it has no effect: no upstream gets the request",
  ]);
  assert.deepEqual(await warnings(`{ when: { path: "/p/**", method: POST }, redirect: { to: /p/x } }`), []);
});

Deno.test("loadConfig() wants somebody to be asked in a pool, and a rule for whom weight 0 leaves out", async () => {
  const pool = (upstreams: string) =>
    `pools:\n  a: { type: custom, upstreams: ${upstreams} }\nlisteners:\n  - { name: a, pool: a }\n`;
  assert.deepEqual(
    await problemsOf(pool("[{ url: https://a.example, weight: 0 }, { url: https://b.example, backup: true }]")),
    [
      "2:33 pools.a.upstreams: found a list expected at least one upstream that is no backup and has a weight above 0",
    ],
  );
  assert.deepEqual(await problemsOf(pool("[{ url: https://a.example, weight: -1 }]")), [
    "2:68 pools.a.upstreams[0].weight: found -1 expected a number from 0 to 1000000",
  ]);
  assert.deepEqual(await warningsOf(pool("[https://a.example, { url: https://b.example, weight: 0 }]")), [
    "2:87 pools.a.upstreams[1].weight: with weight 0 it is never asked: no rule names this upstream",
  ]);
});

Deno.test("loadConfig() takes rules over as they are written, clients from a file too", async () => {
  const text = withRules([
    `{ when: { client: "\${file:/blocked}" }, respond: {} }`,
    `{ request: { add: { A: "1" }, set: { B: "2" }, remove: [C] }, response: { status: { 500-502: x } } }`,
  ]).replace(", { url: https://two.example, weight: 0 }", "");
  const config = await configOf(text, { files: { "/blocked": "10.0.0.0/8 # ours\n!10.0.0.1, ::1\n" } });
  const [blocked, changed] = config.listeners[2]!.rules;
  assert.deepEqual(blocked!.when.clients, ["10.0.0.0/8", "!10.0.0.1/32", "::1/128"]);
  assert.deepEqual(blocked!.respond, { status: 200, body: "", contentType: "text/plain; charset=utf-8" });
  assert.deepEqual(changed!.request!.fields, [
    { kind: "remove", name: "c" },
    { kind: "set", name: "b", value: "2" },
    { kind: "add", name: "a", value: "1" },
  ]);
  assert.deepEqual(changed!.response!.errors, [
    { status: [500, 502], body: "x", contentType: "text/html; charset=utf-8" },
  ]);
});

Deno.test("loadConfig() refuses rules that could never do what they say", async () => {
  const due =
    "expected a glob such as /a/*/c or /a/**, over paths as they are read: without //, \\, ; and dot segments";
  for (const path of ["/a;b/**", "/a//b", "/a/../b", "/a/%2E%2e", "/a\\b", "/a%5Cb", "/a%3bc", "/%2fa"]) {
    const rule = `{ when: { path: '${path}' }, respond: { status: 403 } }`;
    assert.deepEqual(await problems(rule), [`11:25 [0].when.path: found ${JSON.stringify(path)} ${due}`], path);
  }
  for (const path of ["/a%2fb", "/a.b/..c/*", "/%C3%A9/**", "**.php", "*"]) {
    assert.deepEqual(await problems(`{ when: { path: "${path}" }, upstream: https://two.example }`), [], path);
  }
  for (const to of ["/a/../b", "/./$1", "/%2e%2E", "/a%2", "/100%", "/a\\b"]) {
    const [found = ""] = await problems(`{ when: { path: "/*" }, request: { rewrite: { to: '${to}' } } }`);
    assert.match(
      found,
      /rewrite\.to: found .* expected a path that begins with \/, without query, fragment and dot/,
      to,
    );
  }
  assert.deepEqual(
    await problems(`{ response: { status: { 599-500: x } } }`, `{ respond: { status: 204, body: x } }`),
    [
      '11:33 [0].response.status["599-500"]: found 599-500 expected 500-599',
      '12:41 [1].respond.body: found "x" expected no body: a response with status 204 has none',
    ],
  );
  assert.match((await problems(`{ request: { rewrite: { from: é, to: /x } } }`))[0]!, /a regular expression in ASCII/);
  for (const text of ['a: "\\uD800"', '"\\uD800": a']) {
    assert.equal((await problems(`{ request: { query: { set: { ${text} } } } }`)).length, 1, text);
  }
});

Deno.test("loadConfig() refuses redirects that lead to a host of the client's choice, or to one by accident", async () => {
  for (
    const to of ["//evil.example/$1", "/\\\\evil.example", "https:///$1", "https://\\$1", "http://?$1", "HTTPS:///x"]
  ) {
    const [found = ""] = await problems(`{ when: { path: "/**" }, redirect: { to: '${to}' } }`);
    assert.match(found, /redirect\.to: found .* expected a path .* begins with one \/, or a URL with a host/, to);
  }
});

Deno.test("loadConfig() says which line of a file names no clients, and takes ! before a file for each of them", async () => {
  const files = {
    "/none": "# nobody yet\n",
    "/bad": "10.0.0.0/8\n# ours\n10.1.0.1/8 10.2.0.0/16\n",
    "/many": Array.from({ length: 1_001 }, (_, index) => `10.${index >> 8}.${index & 255}.0/24`).join("\n"),
    "/office": "192.0.2.0/24\n\n2001:db8::/32 # the other one\n",
    "/twice": "!192.0.2.0/24\n",
  };
  const rule = (client: string) => withRules([`{ when: { client: "${client}" }, upstream: https://two.example }`]);
  const said = async (client: string) =>
    (await problemsOf(rule(client), { files }))[0]?.replace(/^.* or a file of them/, "");
  assert.equal(await said("${file:/none}"), ": at least one");
  assert.equal(await said("${file:/bad}"), ": line 3 is none");
  assert.equal(await said("${file:/many}"), ": at most 1000 (these are 1001)");
  assert.equal(await said("!${file:/twice}"), "");
  assert.equal(await said("!${file:/office} 10.0.0.0/8"), ": of !${…} one alone");
  const { listeners } = await configOf(rule("!${file:/office}"), { files });
  assert.deepEqual(listeners[2]!.rules[0]!.when.clients, ["!192.0.2.0/24", "!2001:db8::/32"]);
});
