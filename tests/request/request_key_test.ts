import assert from "node:assert/strict";
import { cookieKey, keyTargetOf, tenantKey, withoutPrefix } from "../../lib/request/request_key.ts";
import { sentField, withOrigin } from "../pipeline/in_process_gateway.ts";

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

Deno.test("cookieKey() takes the first value of each name, whatever stands around it, and shows none", () => {
  const key = (cookie: string | null) => cookieKey(["lang"], () => cookie);
  assert.equal(key("lang=de; lang=fr"), key("other=lang=fr;lang=de"));
  assert.equal(key(null), key("other=1"));
  assert.notEqual(key(null), key("lang=undefined"));
  assert.doesNotMatch(key("lang=secret"), /secret/);
  assert.notEqual(cookieKey(["a", "b"], () => "a=1\nb="), cookieKey(["a", "b"], () => "a=1; b=2"));
});

Deno.test("cookies.key keeps a response for each value of the named cookies, and one flight for each", () =>
  withOrigin(async (exchange) => {
    const cookie = exchange.head.fields.find(([name]) => name === "cookie")?.[1] ?? "none";
    await exchange.reply({ fields: [["cache-control", "max-age=60"]], body: cookie });
  }, async (gateway, origin) => {
    const ask = (cookie: string) => gateway.ask("/a", { headers: { cookie } });
    const [de, fr] = await Promise.all([ask("lang=de; sid=alice"), ask("lang=fr; sid=bob")]);
    assert.deepEqual([de.text, fr.text], ["lang=de; sid=alice", "lang=fr; sid=bob"]);
    assert.equal((await ask("sid=carol; lang=de")).text, "lang=de; sid=alice");
    assert.equal(origin.heads.length, 2);
    assert.equal(sentField(origin, "cookie", 0), "lang=de; sid=alice");
    // An unsafe request concerns every value (RFC 9111 §4.4).
    gateway.clock.advance(10);
    await gateway.ask("/a", { method: "POST", body: "x", headers: { cookie: "lang=xx" } });
    assert.match((await ask("lang=fr")).cacheStatus, /fwd=uri-miss/);
  }, { listeners: [{ name: "l", pool: "p", cache: { cookies: { key: ["lang"] } } }] }));

Deno.test("cache.key_host stands in keys for every host that clients use, or a trusted proxy tells of", () =>
  withOrigin(async (exchange) => {
    await exchange.reply({ fields: [["cache-control", "max-age=60"]], body: "one" });
  }, async (gateway, origin) => {
    await gateway.ask("/a", { headers: { host: "a.lan" } });
    const others: Record<string, string>[] = [{ host: "b.lan:81" }, { host: "c.lan", "x-forwarded-host": "d.lan" }];
    for (const headers of others) {
      assert.match((await gateway.ask("/a", { headers })).cacheStatus, /; hit/);
    }
    assert.equal(origin.heads.length, 1);
    // What changes it under one name changes it under all.
    gateway.clock.advance(10);
    await gateway.ask("/a", { method: "POST", body: "x", headers: { host: "e.lan" } });
    assert.match((await gateway.ask("/a", { headers: { host: "a.lan" } })).cacheStatus, /fwd=uri-miss/);
  }, {
    server: { trusted_proxies: ["127.0.0.1"] },
    listeners: [{ name: "l", pool: "p", cache: { key_host: "Films.example" } }],
  }));
