import assert from "node:assert/strict";
import { keyTargetOf, tenantKey, withoutPrefix } from "../../lib/request/request_key.ts";

const type = {
  keyTarget: ({ path, query }: { readonly path: string; readonly query: string }) =>
    query === "" ? path : `${path}?${query}`,
};
const request = { method: "GET", path: "/a", query: "b=1&utm=2", header: () => null };

Deno.test("tenantKey() names the listener, the host where it counts, and the target as the type and the query filter leave it", () => {
  const filterQuery = (query: string) => query.replace("&utm=2", "");
  assert.equal(
    tenantKey({ name: "l", hostInKey: false, filterQuery: null, type }, request, "H:1"),
    "l\0\0/a?b=1&utm=2",
  );
  assert.equal(tenantKey({ name: "l", hostInKey: true, filterQuery, type }, request, "H:1"), "l\0h:1\0/a?b=1");
  assert.equal(keyTargetOf({ filterQuery: () => "", type }, request), "/a");
});

Deno.test("withoutPrefix() leaves a path that begins with a slash", () => {
  const cases = [["/a/b", "/a", "/b"], ["/a", "/a", "/"], ["/a", "/", "/a"], ["/a/", "/a", "/"]] as const;
  for (const [path, prefix, left] of cases) assert.equal(withoutPrefix(path, prefix), left);
});
