import assert from "node:assert/strict";
import { hasDotSegment, isAuthority, requestTarget } from "../../lib/http/target.ts";
import { RouteTable } from "../../lib/listener/route_table.ts";
import { assertLinear } from "../linear_time.ts";
import { carelessReadings, pathSpellings } from "../http/path_spellings.ts";

function table(...prefixes: readonly string[]): RouteTable<string> {
  return new RouteTable(prefixes.map((prefix) => ({ hosts: [], prefix, value: prefix })));
}

Deno.test("isDoubtful() finds no doubt in what every server reads alike, or within one route", () => {
  const routes = table("/", "/private", "/img/http://image.example", "/caf%C3%A9", "/a;b");
  const paths = [
    "/",
    "/privates/x",
    "/public/%70rivate//x;v=1",
    "/private/%2fx//y;z",
    "/img/http://image.example/t//p",
    "/caf%C3%A9/%70",
    "/a;b/c",
    "/search/100%25",
  ];
  for (const path of paths) {
    const found = routes.match("h", path)!;
    assert.equal(routes.isDoubtful("h", path, found), false, path);
  }
  assert.equal(table("/private").isDoubtful("h", "/private/%2e", "/private"), false, "there is no other route");
});

Deno.test("isDoubtful() finds a path that leads out of a closed route's exception, too", () => {
  const routes = table("/private", "/private/open");
  for (const path of ["/private//open/x", "/private/%6fpen", "/private/open%2fx"]) {
    assert.equal(routes.isDoubtful("h", path, routes.match("h", path)!), true, path);
  }
});

Deno.test("isDoubtful() goes by the host's own routes", () => {
  const routes = new RouteTable([
    { hosts: ["a.example"], prefix: "/private", value: "closed" },
    { hosts: [], prefix: "/", value: "open" },
  ]);
  assert.equal(routes.isDoubtful("A.example.:80", "//private", "open"), true);
  assert.equal(routes.isDoubtful("b.example", "//private", "open"), false);
});

Deno.test("isDoubtful() leaves nothing open that a careless server reads as closed (1,000 spellings)", () => {
  const routes = table("/", "/private");
  let refused = 0;
  for (const spelling of [1, 2, 3, 4, 5].flatMap((seed) => pathSpellings(seed))) {
    const target = requestTarget(spelling, "gateway.test");
    if (target === null || hasDotSegment(target.path) || target.path.includes("#")) continue;
    if (!isAuthority(target.authority)) continue;
    const found = routes.match(target.authority, target.path)!;
    if (found !== "/") continue;
    if (routes.isDoubtful(target.authority, target.path, found)) {
      refused++;
      continue;
    }
    const closed = [...carelessReadings(spelling)].filter((path) => /^\/private(?:\/|$)/.test(path));
    assert.deepEqual(closed, [], spelling);
  }
  assert.ok(refused > 300, `${refused} of them were refused for doubt`);
});

Deno.test("isDoubtful() takes time that grows with the length of the path alone", () => {
  const routes = table("/", "/private");
  for (const piece of ["//a", "/a", "%25", "/%2525", ";", "\\", "%c0%af"]) {
    assertLinear((times) => {
      for (let run = 0; run < 20; run++) routes.isDoubtful("h", `//${piece.repeat(times * 2_000)}`, "/");
    }, piece);
  }
});
