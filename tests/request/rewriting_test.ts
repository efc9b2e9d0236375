import assert from "node:assert/strict";
import { type LinkRewriting, type Override, rewriteOf, type RewrittenRequest } from "../../lib/request/rewriting.ts";
import { pathGlob } from "../../lib/pattern/path_glob.ts";
import type { JsonValue } from "../../lib/http/json_merge.ts";

function override(path: string, patch: JsonValue, query: readonly [string, string][] = []): Override {
  return { path: pathGlob(path), query, patch, digest: JSON.stringify(patch) };
}

function request(target: string, more: Partial<RewrittenRequest> = {}): RewrittenRequest {
  const [path = "", query = ""] = target.split("?");
  return {
    method: "GET",
    path,
    query,
    authority: "gateway.test",
    scheme: "http",
    isTrusted: () => false,
    keyPrefix: "",
    private: null,
    warnUntrustedScheme: () => {},
    header: () => null,
    ...more,
  };
}

const links: LinkRewriting = {
  places: ({ path }) => path === "/about" ? [["home"]] : null,
  target: { begin: null, path: "/home/", port: null, hostFor: (host) => host, isServed: () => true, isKeyed: false },
};

/** The document as it is after the changes; `null` where nothing is to be changed. */
function changed(target: string, json: string, overrides: readonly Override[], more: LinkRewriting | null = null) {
  const rewrite = rewriteOf({ links: more, overrides, fill: null }, request(target));
  return rewrite === null ? null : new TextDecoder().decode(rewrite.apply(new TextEncoder().encode(json)));
}

Deno.test("rewriteOf() applies the overrides whose path and query fit, in their order", () => {
  const overrides = [
    override("/3/movie/*", { title: "one", note: 1 }),
    override("/3/movie/550", { title: "two" }, [["language", "de-DE"]]),
    override("/3/movie/550", { note: null }),
  ];
  assert.equal(changed("/3/movie/551", '{"title":""}', overrides), '{"title":"one","note":1}');
  assert.equal(changed("/3/movie/550", '{"title":""}', overrides), '{"title":"one"}');
  assert.equal(changed("/3/movie/550?page=1&language=de%2DDE", '{"title":""}', overrides), '{"title":"two"}');
  assert.equal(changed("/3/movie/550?language=de-DE-x", '{"title":""}', overrides), '{"title":"one"}');
  assert.equal(changed("/3/movie/550/credits", '{"title":""}', overrides), null);
});

Deno.test("rewriteOf() sets addresses first, so that an override has the last word", () => {
  assert.equal(changed("/about", '{"home":"x"}', [], links), '{"home":"http://gateway.test/home/"}');
  assert.equal(changed("/about", '{"home":"x"}', [override("/**", { home: "y" })], links), '{"home":"y"}');
  assert.equal(changed("/other", '{"home":"x"}', [], links), null);
});

Deno.test("rewriteOf() leaves what it cannot change, and goes on with what it can", () => {
  const overrides = [override("/**", { a: 1 })];
  assert.equal(changed("/about", "[1]", overrides, links), "[1]");
  assert.equal(changed("/about", '{"home":', overrides, links), '{"home":');
  assert.equal(changed("/about", '{"home":5}', overrides, links), '{"home":5,"a":1}');
  assert.equal(changed("/x", "[1]", [override("/**", [2]), ...overrides]), "[2]");
});

Deno.test("rewriteOf() gives changes that differ different names, and the same to the same", () => {
  const name = (target: string, more: Partial<RewrittenRequest> = {}) =>
    rewriteOf(
      { links, overrides: [override("/**", { a: 1 }), override("/b", { a: 2 })], fill: null },
      request(target, more),
    )!.name;
  assert.equal(name("/about?x"), name("/about?y", { authority: "GATEWAY.test:80" }));
  assert.equal(new Set([name("/a"), name("/b"), name("/about"), name("/about", { authority: "other.test" })]).size, 4);
});

Deno.test("rewriteOf() leads a client that came with a token to a closed listener with it, in a document of its own", () => {
  const keyPrefix = "/~0123456789abcdef";
  const about = (isKeyed: boolean, more: Partial<RewrittenRequest>) => {
    const target = { ...links.target, isKeyed };
    const rewrite = rewriteOf({ links: { ...links, target }, overrides: [], fill: null }, request("/about", more))!;
    const { home } = JSON.parse(new TextDecoder().decode(rewrite.apply(new TextEncoder().encode('{"home":""}'))));
    return [home, rewrite.isOwn];
  };
  assert.deepEqual(about(true, { keyPrefix }), [`http://gateway.test${keyPrefix}/home/`, true]);
  assert.deepEqual(about(false, { keyPrefix }), ["http://gateway.test/home/", false]);
  assert.deepEqual(about(true, {}), ["http://gateway.test/home/", false]);
});
