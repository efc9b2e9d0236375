import assert from "node:assert/strict";
import { type Route, RouteTable } from "../../lib/listener/route_table.ts";
import { seededRandom } from "../seeded_random.ts";
import { slowMatch } from "./route_oracle.ts";
import { assertLinear } from "../linear_time.ts";

function table(...rows: ReadonlyArray<readonly [hosts: string, prefix: string]>): RouteTable<string> {
  return new RouteTable(rows.map(([hosts, prefix]) => ({
    hosts: hosts === "" ? [] : hosts.split(" "),
    prefix,
    value: `${hosts}${prefix}`,
  })));
}

Deno.test("match() takes prefixes on segment boundaries only", () => {
  const routes = table(["", "/t/p"], ["", "/3"]);
  for (const path of ["/t/p", "/t/p/", "/t/p/w500/a.jpg", "/t/p//x"]) {
    assert.equal(routes.match("h", path), "/t/p", path);
  }
  for (const path of ["/t/pictures", "/t", "/t/", "/", "/T/p", "/t%2Fp", "//t/p", "/33", "/x/3"]) {
    assert.equal(routes.match("h", path), undefined, path);
  }
});

Deno.test("match() takes a prefix with a whole URL in it, for that URL's host alone", () => {
  const routes = table(["", "/img/http://image.tmdb.org"], ["", "/img"]);
  assert.equal(routes.match("h", "/img/http://image.tmdb.org/t/p/w200//x.jpg"), "/img/http://image.tmdb.org");
  for (
    const path of ["/img/http://image.tmdb.org.evil/x", "/img/http:/image.tmdb.org/x", "/img/http://a/x", "/img//x"]
  ) {
    assert.equal(routes.match("h", path), "/img", path);
  }
});

Deno.test("match() takes the longest prefix, and `/` where no other one fits", () => {
  const routes = table(["", "/"], ["", "/a"], ["", "/a/b/c"], ["", "/a/b"]);
  const expected = {
    "/a/b/c/d": "/a/b/c",
    "/a/b/cc": "/a/b",
    "/a/bb": "/a",
    "/aa": "/",
    "/": "/",
    "//": "/",
    "//a": "/",
  };
  for (const [path, value] of Object.entries(expected)) assert.equal(routes.match("h", path), value, path);
});

Deno.test("match() prefers an exact host to a longer wildcard to a shorter one to any host", () => {
  const routes = table(["", "/"], ["*.example", "/"], ["*.api.example", "/"], ["v3.api.example", "/"]);
  const expected = {
    "v3.api.example": "v3.api.example/",
    "v4.api.example": "*.api.example/",
    "x.v4.api.example": "*.api.example/",
    "api.example": "*.example/",
    "example": "/",
    "xexample": "/",
    ".example": "/",
    "[::1]": "/",
  };
  for (const [host, value] of Object.entries(expected)) assert.equal(routes.match(host, "/x"), value, host);
});

Deno.test("match() goes on to a less specific host where the more specific one has no such prefix", () => {
  const routes = table(["a.b.example", "/1"], ["*.b.example", "/2"], ["*.example", "/3"], ["", "/4"]);
  for (const prefix of ["/1", "/2", "/3", "/4"]) {
    assert.ok(routes.match("a.b.example", prefix)?.endsWith(prefix), prefix);
  }
  assert.equal(routes.match("a.b.example", "/5"), undefined);
});

Deno.test("match() prefers the host to the prefix", () => {
  assert.equal(table(["", "/a/b/c"], ["h", "/a"]).match("h", "/a/b/c"), "h/a");
});

Deno.test("match() ignores the port, the root dot and the case of the host", () => {
  const routes = table(["API.example *.Wild.example", "/"]);
  for (const host of ["api.example", "API.EXAMPLE:80", "api.example.:6635", "x.WILD.example:1"]) {
    assert.ok(routes.match(host, "/"), host);
  }
});

Deno.test("match() of an empty table finds nothing", () => {
  assert.equal(new RouteTable([]).match("h", "/"), undefined);
});

Deno.test("match() cannot be led to what objects inherit", () => {
  assert.equal(table(["h", "/a"]).match("constructor", "/__proto__"), undefined);
});

Deno.test("match() agrees with looking at every one of 1,000 listeners", () => {
  const random = seededRandom(1000);
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!;
  const labels = ["a", "b", "ab", "example", "x"];
  const host = () => Array.from({ length: 1 + Math.floor(random() * 4) }, () => pick(labels)).join(".");
  const path = () =>
    "/" + Array.from({ length: Math.floor(random() * 5) }, () => pick(["a", "b", "aa", "3", ""])).join("/");
  const known = new Set<string>();
  const routes: Route<number>[] = [];
  while (routes.length < 1_000) {
    const kind = random();
    const hosts = kind < 0.1 ? [] : kind < 0.5 ? [`*.${host()}`] : [host(), host()];
    const prefix = path().replace(/\/+/g, "/").replace(/(?<=.)\/$/, "");
    const claims = (hosts.length === 0 ? [""] : hosts).map((name) => `${name} ${prefix}`);
    if (claims.some((claim) => known.has(claim)) || new Set(claims).size < claims.length) continue;
    for (const claim of claims) known.add(claim);
    routes.push({ hosts, prefix, value: routes.length });
  }
  const routed = new RouteTable(routes);
  let found = 0;
  for (let run = 0; run < 5_000; run++) {
    const authority = host() + pick(["", ":80", ".", ".:6635"]);
    const target = path() + pick(["", "/", "x"]);
    const expected = slowMatch(routes, authority, target);
    if (expected !== undefined) found++;
    assert.equal(routed.match(authority, target), expected, `${authority} ${target}`);
  }
  assert.ok(found > 1_000, `${found} found a listener`);
});

Deno.test("match() is not slowed down by a path or host that was made to", () => {
  const rows = Array.from(
    { length: 1_000 },
    (_, index) => ["*.example", `/${"a/".repeat(index % 20)}${index}`] as const,
  );
  const routes = table(...rows);
  assertLinear((times) => {
    for (let run = 0; run < 100; run++) routes.match("a.".repeat(127) + "example", "/a".repeat(times * 2_000));
  }, "by the path");
  assertLinear((times) => {
    for (let run = 0; run < 100; run++) routes.match("a.".repeat(times * 30) + "example", "/a".repeat(8_000));
  }, "by the host");
});

Deno.test("RouteTable says whether tokens may stand before its paths", () => {
  assert.equal(new RouteTable([]).isKeyed, false);
  assert.equal(new RouteTable([], { isKeyed: true }).isKeyed, true);
});
