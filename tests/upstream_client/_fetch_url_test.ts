import assert from "node:assert/strict";
import { fetchUrl } from "../../lib/upstream_client/_fetch_url.ts";
import { UpstreamFailure } from "../../lib/upstream_client/transport.ts";

const ORIGIN = "https://upstream.example";

Deno.test("fetchUrl() keeps the meaning of every byte through a URL parser", () => {
  const cases: [target: string, seen: string][] = [
    ["/a//b;c=1?q=x&&y=%20", "/a//b;c=1?q=x&&y=%20"],
    ["/t/p/w780_filter(duotone,ffffff,bababa)//a.jpg", "/t/p/w780_filter(duotone,ffffff,bababa)//a.jpg"],
    ["/\xe9?\xe9", "/%E9?%E9"],
    ["/a#b?c#d", "/a%23b?c%23d"],
    ["/a\\..\\b", "/a%5C..%5Cb"],
    ["/a%2Fb%2e", "/a%2Fb%2e"],
    ["//evil.example/x", "//evil.example/x"],
    ["/?", "/?"],
    ["/x?a=/../b", "/x?a=/../b"],
  ];
  for (const [target, seen] of cases) {
    const url = new URL(fetchUrl(ORIGIN, target));
    assert.equal(url.origin, ORIGIN, target);
    assert.equal(url.href.slice(ORIGIN.length), seen, target);
  }
});

Deno.test("fetchUrl() refuses what a URL parser would resolve away, and what is no path", () => {
  for (
    const target of ["/a/../b", "/..", "/.", "/a/%2e%2E/b", "/a/.%2e", "/a/%2E", "*", "http://x/", "", "@evil.example/"]
  ) {
    assert.throws(() => fetchUrl(ORIGIN, target), (error) => {
      assert.ok(error instanceof UpstreamFailure, target);
      assert.deepEqual([error.kind, error.requestSent], ["unsendable", false]);
      return true;
    });
  }
});
