import assert from "node:assert/strict";
import { queryFilter } from "../../lib/cache/key.ts";
import { type KeyingTenant, keyTargetOf, tenantKey, withoutPrefix } from "../../lib/proxy/tenant_key.ts";
import { createUpstreamType } from "../../lib/upstream_type/registry.ts";

function tenantOf(more: Partial<KeyingTenant> = {}): KeyingTenant {
  const options = { apiKeys: [], keyMode: "pass", contentTypes: null, now: () => 0 } as const;
  return { name: "l", filterQuery: null, hostInKey: true, type: createUpstreamType("custom", options), ...more };
}

const requestOf = (path: string, query = "") => ({ method: "GET", path, query, header: () => null });

Deno.test("tenantKey() keeps listeners, hosts, paths and queries apart", () => {
  const keys = [
    tenantKey(tenantOf(), requestOf("/a"), "one.test"),
    tenantKey(tenantOf({ name: "m" }), requestOf("/a"), "one.test"),
    tenantKey(tenantOf(), requestOf("/a"), "two.test"),
    tenantKey(tenantOf(), requestOf("/A"), "one.test"),
    tenantKey(tenantOf(), requestOf("/a", "q"), "one.test"),
  ];
  assert.equal(new Set(keys).size, keys.length);
});

Deno.test("tenantKey() takes the host in any case, or not at all", () => {
  const key = (authority: string, hostInKey: boolean) => tenantKey(tenantOf({ hostInKey }), requestOf("/a"), authority);
  assert.equal(key("ONE.test", true), key("one.test", true));
  assert.equal(key("one.test", false), key("two.test", false));
});

Deno.test("keyTargetOf() takes the query as the listener's filter leaves it", () => {
  const filterQuery = queryFilter({ include: null, exclude: ["utm_*"], sort: true });
  const tenant = tenantOf({ filterQuery });
  assert.equal(
    keyTargetOf(tenant, requestOf("/a", "b=1&utm_x=2&a=3")),
    keyTargetOf(tenant, requestOf("/a", "a=3&b=1")),
  );
  assert.equal(keyTargetOf(tenantOf(), requestOf("/a", "b=1&a=3")), "/a?b=1&a=3");
});

Deno.test("withoutPrefix() leaves a path that begins with a slash", () => {
  assert.deepEqual(
    [["/a/b", "/"], ["/a/b", "/a"], ["/a", "/a"], ["/a/", "/a"]].map(([path, prefix]) => withoutPrefix(path!, prefix!)),
    ["/a/b", "/b", "/", "/"],
  );
});
