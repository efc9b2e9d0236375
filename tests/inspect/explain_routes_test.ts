import assert from "node:assert/strict";
import type { Config } from "../../lib/config/config.ts";
import { formatListenAddress } from "../../lib/config/addresses.ts";
import { authorityAt, entrancesOf, listenerVerdicts, nearestListener } from "../../lib/inspect/explain_routes.ts";
import { ANY_CONFIG, configOf } from "../gateway/config_of.ts";

const config = await configOf({
  pools: { p: { type: "custom", health: false, upstreams: ["http://127.0.0.1:9"] } },
  listeners: [
    { name: "api", listen: "0.0.0.0:6635", prefix: "/3", pool: "p" },
    { name: "movies", listen: "0.0.0.0:6635", prefix: "/3/movie", pool: "p" },
    { name: "named", listen: "0.0.0.0:6635", prefix: "/3", host: ["tmdb.example"], pool: "p" },
    { name: "inner", listen: "127.0.0.1:7000", prefix: "/t/p", pool: "p" },
  ],
});

function reasons(path: string, authority: string | null = null): Record<string, string | null> {
  const verdicts = listenerVerdicts(config, entrancesOf(config, null), { authority, path });
  return Object.fromEntries(verdicts.map(({ listener, reason }) => [listener, reason]));
}

Deno.test("entrancesOf() says that an address is a forward proxy's", () => {
  const way = { name: "way", listen: { hostname: "0.0.0.0", port: 6637 }, hosts: ["tmdb.example"] };
  const proxied = { ...config, forwardProxies: [way as unknown as Config["forwardProxies"][number]] };
  const { note } = entrancesOf(proxied, { hostname: "127.0.0.1", port: 6637 });
  assert.match(note ?? "", /^127\.0\.0\.1:6637 is the forward proxy way: .* tmdb\.example .* as https$/);
});

Deno.test("listenerVerdicts() names the listener that takes a path, and why each other does not", () => {
  assert.deepEqual(reasons("/3/movie/5"), {
    api: "listener movies has the longer prefix /3/movie",
    movies: null,
    named: '"127.0.0.1:6635" is not its host (tmdb.example)',
    inner: "its prefix /t/p does not begin the path",
  });
  const named = reasons("/3/movie/5", "TMDB.example:6635");
  assert.equal(named["named"], null);
  assert.equal(named["movies"], "listener named names the host more exactly");
});

Deno.test("listenerVerdicts() leaves out listeners of addresses that the request does not come in at", () => {
  const entrances = entrancesOf(config, { hostname: "127.0.0.1", port: 7000 });
  const verdicts = listenerVerdicts(config, entrances, { authority: null, path: "/t/p/x.jpg" });
  assert.deepEqual(verdicts.map(({ takes }) => takes), [false, false, false, true]);
  assert.match(verdicts[0]!.reason!, /does not come in at its address/);
});

Deno.test("entrancesOf() goes by port and address, and takes an unknown one for a proxy's", () => {
  const at = (hostname: string, port: number) => entrancesOf(config, { hostname, port });
  assert.deepEqual(at("203.0.113.7", 6635).addresses.map(formatListenAddress), ["0.0.0.0:6635"]);
  assert.deepEqual(at("any.example", 7000).addresses.map(formatListenAddress), ["127.0.0.1:7000"]);
  const { addresses, note } = at("tmdb.example", 443);
  assert.equal(addresses.length, 2);
  assert.match(note!, /tmdb\.example:443/);
  assert.equal(at("127.0.0.2", 7000).addresses.length, 2, "another address than the one listened on");
});

Deno.test("authorityAt() is a host that leads to the address", () => {
  assert.equal(authorityAt({ hostname: "0.0.0.0", port: 80 }), "127.0.0.1:80");
  assert.equal(authorityAt({ hostname: "::", port: 80 }), "[::1]:80");
});

Deno.test("nearestListener() knows a host, a prefix further in, a slip and the list", () => {
  const near = (path: string) => nearestListener(config, { authority: null, path });
  assert.match(near("/3x"), /nearest prefix is \/3/);
  assert.match(near("/proxy/3/tv/1"), /api would take \/3\/tv\/1/);
  assert.match(near("/t/q/w500/x.jpg"), /nearest prefix is \/t\/p/);
  assert.match(near("/something/else"), /prefixes are \/3, \/3\/movie, \/t\/p/);
  const lone = { ...config, listeners: config.listeners.slice(0, 1) };
  assert.match(nearestListener(lone, { authority: null, path: "/movie/5" }), /did you mean \/3\/movie\/5\?/);
  assert.match(near("/x/t/p/guest_session/abc/y"), /guest_session\/\[redacted\]/);
});

Deno.test("entrancesOf() takes a host and port for no unix socket, and authorityAt() has a name for one", async () => {
  const local = await configOf({
    ...ANY_CONFIG,
    listeners: [{ name: "films", listen: { unix: "films.sock" }, pool: "films" }],
  });
  const { addresses, note } = entrancesOf(local, { hostname: "localhost", port: 80 });
  assert.deepEqual(addresses, [{ path: "/etc/usher/films.sock", mode: 0o660 }]);
  assert.match(note!, /^No listener listens on localhost:80/);
  assert.equal(authorityAt(addresses[0]!), "localhost");
  const [verdict] = listenerVerdicts(local, { addresses, note }, { authority: null, path: "/x" });
  assert.deepEqual([verdict!.address, verdict!.takes], ["unix:/etc/usher/films.sock", true]);
});
