import assert from "node:assert/strict";
import { z } from "zod";
import { reportIssues, salvage } from "../../lib/config/yaml/issues.ts";
import { formatLocated } from "../../lib/config/yaml/located.ts";
import { parseText } from "../../lib/config/yaml/parse.ts";
import { Problems } from "../../lib/config/yaml/problems.ts";
import { fileSchemas } from "../../lib/config/schema.ts";
import { buildTree, type Tree } from "../../lib/config/yaml/tree.ts";
import { names } from "./load_text.ts";

const { file, draft } = fileSchemas(names);

function treeOf(text: string): Tree {
  const parsed = parseText(text);
  assert.ok(parsed.ok);
  return buildTree(parsed, { env: () => undefined, file: () => ({ problem: "there is no such file" }) });
}

/** What is said of `text`, without the file's name. */
function said(text: string): string[] {
  const problems = new Problems("c", treeOf(text));
  reportIssues(file.safeParse(problems.tree.root).error?.issues ?? [], problems);
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
      '5:7 listeners[0].nmae: found unknown key "nmae" expected one of name, listen, proxy_protocol, tls, redirect_to_https, max_request_body, forward_fields, host, prefix, strip_prefix, pool, cache, auth, cors, max_in_flight, queue, rate_limit, offline, public_url, rewrite_image_base, overrides, prewarm, images, rules, redirects; did you mean "name"?',
      "5:22 listeners[0].pool: found 5 expected a pool's name of letters, digits, _ . and - (put quotes around it)",
      '5:35 listeners[0].host[1]: found "b:1" expected a host name without a port, such as example.com or *.example.com',
      '6:5 listeners[1]: found "text" expected a mapping with name, listen, proxy_protocol, tls, redirect_to_https, max_request_body, forward_fields, host, prefix, strip_prefix, pool, cache, auth, cors, max_in_flight, queue, rate_limit, offline, public_url, rewrite_image_base, overrides, prewarm, images, rules, redirects',
      '7:1 servr: found unknown key "servr" expected one of server, admin, logging, cache, images, pools, listeners; did you mean "server"?',
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
  assert.deepEqual(salvage(draft, tree.root)?.values.listeners, []);
  assert.deepEqual(Object.values(tree.root ?? {}), [[5]]);
  assert.equal(salvage(draft, treeOf("- a\n").root), null);
  assert.equal(salvage(draft, "text"), null);
});
