import assert from "node:assert/strict";
import { z } from "zod";
import { draftSchema, fileSchema } from "../../../lib/config/config.ts";
import { reportIssues, salvage } from "../../../lib/config/yaml/issues.ts";
import { formatLocated } from "../../../lib/config/yaml/located.ts";
import { nearest } from "../../../lib/config/yaml/nearest.ts";
import { parseText } from "../../../lib/config/yaml/parse.ts";
import { describe, Problems } from "../../../lib/config/yaml/problems.ts";
import { buildTree, type Tree, valueAt } from "../../../lib/config/yaml/tree.ts";

const VARIABLES: Readonly<Record<string, string>> = { SECRET: "hunter2", EMPTY: "" };

function problemsFor(text: string): Problems {
  const parsed = parseText(text);
  assert.ok(parsed.ok);
  const file = () => ({ problem: "there is no such file" });
  return Problems.of("c.yaml", buildTree(parsed, { env: (name) => VARIABLES[name], file }));
}

function lines(problems: Problems): string[] {
  return problems.list().map(formatLocated);
}

Deno.test("Problems points at the value, the key, or the nearest parent that is there", () => {
  const problems = problemsFor("a:\n  b: 1\n  c:\n    - d: x\n");
  problems.add(["a", "b"], "value");
  problems.add(["a", "b"], "key", { atKey: true });
  problems.add(["a", "z"], "missing");
  problems.add(["a", "c", 0, "z"], "missing from an item");
  problems.add(["y", "z"], "missing from the file");
  assert.deepEqual(lines(problems), [
    "c.yaml:1:1 a.z: missing",
    "c.yaml:1:1 y.z: missing from the file",
    "c.yaml:2:3 a.b: key",
    "c.yaml:2:6 a.b: value",
    "c.yaml:4:7 a.c[0].z: missing from an item",
  ]);
});

Deno.test("Problems says what was found, from outside by its reference only", () => {
  const problems = problemsFor(`
text: hello
number: 5
list: [1]
mapping: {a: 1}
from_outside: x\${SECRET}y
nothing: \${EMPTY}
url: https://user:pw@one.example
token: literal-secret
long: ${"x".repeat(1000)}
api_keys: [literal, "literal\${SECRET}"]
upstreams: ["ftp://x"]
`);
  const found = (...path: PropertyKey[]) => problems.found(path);
  assert.equal(found("text"), '"hello"');
  assert.equal(found("number"), "5");
  assert.equal(found("list"), "a list");
  assert.equal(found("mapping"), "a mapping");
  assert.equal(found("none"), "nothing");
  assert.equal(found("mapping", "none"), "nothing");
  assert.equal(found("from_outside"), '"x${SECRET}y"');
  assert.equal(found("nothing"), "nothing (${EMPTY} is empty)");
  assert.equal(found("url"), '"https://…@one.example"');
  assert.equal(found("token"), "a value that is not shown");
  assert.equal(found("api_keys", 0), "a value that is not shown");
  assert.equal(found("api_keys", 1), "${SECRET}");
  assert.equal(found("upstreams", 0, "url"), '"ftp://x"');
  assert.ok(found("long").length < 100);
});

Deno.test("Problems names the nearest known text", () => {
  const problems = problemsFor("level: inof\nother: zzzzzz\n");
  problems.expect(["level"], "one of debug, info", ["debug", "info"]);
  problems.expect(["other"], "one of debug, info", ["debug", "info"]);
  assert.deepEqual(lines(problems), [
    'c.yaml:1:8 level: found "inof" expected one of debug, info; did you mean "info"?',
    'c.yaml:2:8 other: found "zzzzzz" expected one of debug, info',
  ]);
});

Deno.test("Problems.has() answers for a path and what is beneath it", () => {
  const problems = problemsFor("a: {b: [1]}\nab: 1\n");
  problems.add(["a", "b", 0], "wrong");
  problems.suspect(["c"]);
  assert.ok(problems.has([]) && problems.has(["a"]) && problems.has(["a", "b"]) && problems.has(["c"]));
  assert.ok(!problems.has(["ab"]) && !problems.has(["a", "b", 0, "x"]) && !problems.hasExactly(["a", "b"]));
  assert.equal(problems.list().length, 1);
});

Deno.test("Problems lists what was wrong in the tree, each thing once, in order, at most 200", () => {
  const problems = problemsFor("b: ${NONE}\na: ${NONE}\n");
  problems.add(["a"], "again");
  problems.add(["a"], "again");
  assert.deepEqual(problems.list().map(({ path }) => path), ["b", "a", "a"]);
  for (let count = 0; count < 1000; count++) problems.add(["a"], `number ${count}`);
  assert.equal(problems.list().length, 200);
});

Deno.test("Problems keeps warnings apart", () => {
  const problems = problemsFor("a: 1\n");
  problems.warn(["a"], "odd");
  assert.deepEqual(problems.list(), []);
  assert.deepEqual(problems.warnings().map(formatLocated), ["c.yaml:1:4 a: odd"]);
});

Deno.test("describe() shows a secret neither as text nor as number", () => {
  for (const value of ["hunter2", 12345]) assert.equal(describe(value, true), "a value that is not shown");
  assert.equal(describe(valueAt(null, ["a"]), false), "nothing");
});

function treeOf(text: string): Tree {
  const parsed = parseText(text);
  assert.ok(parsed.ok);
  return buildTree(parsed, { env: () => undefined, file: () => ({ problem: "there is no such file" }) });
}

/** What is said of `text`, without the file's name. */
function said(text: string): string[] {
  const problems = Problems.of("c", treeOf(text));
  reportIssues(fileSchema.safeParse(problems.tree.root).error?.issues ?? [], problems);
  return problems.list().map((problem) => formatLocated(problem).slice(2));
}

Deno.test("reportIssues() puts every issue in terms of the file", () => {
  assert.deepEqual(
    said(`pools:
  "a b": { type: custm, upstreams: [] }
  c: { type: custom, upstreams: https://one.example }
listeners:
  - { nmae: a, pool: 5, host: [a, "b:1"] }
  - text
servr: {}
`),
    [
      '2:3 pools["a b"]: found key "a b" expected a pool\'s name of letters, digits, _ . and -',
      '3:33 pools.c.upstreams: found "https://one.example" expected a list of upstreams',
      '5:7 listeners[0].nmae: found unknown key "nmae" expected one of name, listen, proxy_protocol, tls, redirect_to_https, max_request_body, forward_fields, host, prefix, strip_prefix, pool, cache, auth, cors, max_in_flight, queue, rate_limit, pace, offline, trace_context, public_url, rewrite_image_base, fill_language, fill_wait, overrides, prewarm, images, server_timing, rules, redirects; did you mean "name"?',
      "5:22 listeners[0].pool: found 5 expected a pool's name of letters, digits, _ . and - (put quotes around it)",
      '5:35 listeners[0].host[1]: found "b:1" expected a host name without a port, such as example.com or *.example.com',
      '6:5 listeners[1]: found "text" expected a mapping with name, listen, proxy_protocol, tls, redirect_to_https, max_request_body, forward_fields, host, prefix, strip_prefix, pool, cache, auth, cors, max_in_flight, queue, rate_limit, pace, offline, trace_context, public_url, rewrite_image_base, fill_language, fill_wait, overrides, prewarm, images, server_timing, rules, redirects',
      '7:1 servr: found unknown key "servr" expected one of server, admin, logging, tracing, cache, cluster, images, include, pools, listeners, forward_proxies; did you mean "server"?',
    ],
  );
});

Deno.test("reportIssues() says once what is missing, at the parent", () => {
  assert.deepEqual(said("pools:\n  a:\n    type: custom\nlisteners: []\n"), [
    "2:3 pools.a.upstreams: found nothing expected a list of upstreams",
    "4:12 listeners: found a list expected a list of at least one listener",
  ]);
  assert.deepEqual(said("server: {}\n"), [
    "1:1 pools: found nothing expected a mapping of pool names and pools",
    "1:1 listeners: found nothing expected a list of listeners",
  ]);
});

Deno.test("reportIssues() does not call missing what a variable should have given", () => {
  assert.deepEqual(
    said("pools:\n  a: { type: custom, upstreams: [{ url: '${NONE}' }] }\nlisteners: [{ name: a, pool: a }]\n").length,
    1,
  );
});

Deno.test("salvage() takes away what is refused and knows where the rest stood", () => {
  const schema = z.strictObject({
    list: z.array(z.strictObject({ n: z.number() }).partial()),
    odd: z.string().optional(),
  });
  const tree = treeOf("list: [5, { n: 1 }, { n: x }, text, { n: 2, m: 3 }]\nodd: 5\nother: 1\n");
  const salvaged = salvage(schema, tree.root) ?? assert.fail("nothing left");
  assert.deepEqual(salvaged.values, { list: [{ n: 1 }, {}, { n: 2 }] });
  assert.deepEqual(salvaged.original(["list", 0, "n"]), ["list", 1, "n"]);
  assert.deepEqual(salvaged.original(["list", 2]), ["list", 4]);
});

Deno.test("salvage() leaves the tree as it was, and gives up where nothing is left", () => {
  const tree = treeOf("listeners: [5]\n");
  assert.deepEqual(salvage(draftSchema, tree.root)?.values.listeners, []);
  assert.deepEqual(Object.values(tree.root ?? {}), [[5]]);
  assert.equal(salvage(draftSchema, treeOf("- a\n").root), null);
  assert.equal(salvage(draftSchema, "text"), null);
});

Deno.test("nearest() finds what was meant", () => {
  const table: ReadonlyArray<readonly [string, readonly string[], string | null]> = [
    ["prefx", ["pool", "prefix"], "prefix"],
    ["perfix", ["pool", "prefix"], "prefix"],
    ["upstream", ["type", "upstreams"], "upstreams"],
    ["stripPrefix", ["prefix", "strip_prefix"], "strip_prefix"],
    ["STRIP-PREFIX", ["prefix", "strip_prefix"], "strip_prefix"],
    ["tmbd", ["fanart", "tmdb"], "tmdb"],
    ["round_robin", ["weighted-ewma", "round-robin"], "round-robin"],
    ["x", ["a", "b"], null],
    ["colour", ["pool", "prefix"], null],
    ["", ["pool"], null],
    ["pool", [], null],
  ];
  for (const [name, known, expected] of table) assert.equal(nearest(name, known), expected, name);
});

Deno.test("nearest() takes a very long name in stride", () => {
  assert.equal(nearest("a".repeat(1_000_000), ["pool", "prefix"]), null);
});
