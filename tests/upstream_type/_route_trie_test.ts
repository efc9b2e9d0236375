import assert from "node:assert/strict";
import { RouteTrie } from "../../lib/upstream_type/_route_trie.ts";

function trieOf(patterns: readonly string[]): (path: string) => string | null {
  const trie = new RouteTrie<string>();
  for (const pattern of patterns) trie.add(pattern, pattern);
  return (path) => trie.match(path.split("/").slice(1));
}

Deno.test("RouteTrie.match() prefers the literal, then the wildcard, then the rest", () => {
  const match = trieOf(["/a/*", "/a/b", "/a/**", "/a/b/c/d", "/a/*/e"]);
  assert.equal(match("/a/b"), "/a/b");
  assert.equal(match("/a/x"), "/a/*");
  assert.equal(match("/a/x/y/z"), "/a/**");
  assert.equal(match("/a"), "/a/**");
  assert.equal(match("/b"), null);
});

Deno.test("RouteTrie.match() goes back where a literal leads nowhere", () => {
  const match = trieOf(["/a/b/c", "/a/*/d"]);
  assert.equal(match("/a/b/d"), "/a/*/d");
  assert.equal(match("/a/b"), null);
});

Deno.test("RouteTrie.add() takes alternatives and refuses to say two things of one path", () => {
  const trie = new RouteTrie<number>();
  trie.add("/{a,b}/x/{c,d}", 1);
  assert.equal(trie.match(["b", "x", "c"]), 1);
  assert.throws(() => trie.add("/a/x/d", 2), { name: "TypeError", message: /its place is taken/ });
});
