import assert from "node:assert/strict";
import { clientSettings } from "../../lib/inspect/client_settings.ts";
import { madeAuthority } from "../certificates/made.ts";
import { loadText } from "../config/load_text.ts";
import { configOf, type Mapping } from "../gateway/config_of.ts";

const POOLS = {
  tmdb: { type: "tmdb-api", upstreams: ["https://api.example"] },
  images: { type: "tmdb-image", upstreams: ["https://image.example"] },
};

/** Clients with a row of their own in the README. */
const README_ROWS = ["Emby", "emby-toolkit", "TorrServer", "Lampa"];

Deno.test("clientSettings() fills the host in that the gateway was found by, and every client stands in the docs", async () => {
  const config = await configOf({
    pools: POOLS,
    listeners: [
      { name: "api", listen: "0.0.0.0:6635", prefix: "/3", pool: "tmdb" },
      { name: "images", listen: "0.0.0.0:6635", prefix: "/t/p", pool: "images" },
      { name: "named", listen: "0.0.0.0:6635", host: "api.themoviedb.org", prefix: "/3", pool: "tmdb" },
    ],
  });
  const { base_urls, clients, notes } = clientSettings(config, "media.lan");
  assert.deepEqual(base_urls, [
    { listener: "api", url: "http://media.lan:6635/3" },
    { listener: "images", url: "http://media.lan:6635/t/p" },
  ]);
  const value = (client: string) => clients.find((one) => one.client === client)?.value;
  assert.equal(value("MoviePilot"), null);
  assert.equal(value("Lampa"), "http://media.lan:6635/3 and http://media.lan:6635");
  assert.equal(value("Jellyfin"), null);
  assert.deepEqual(notes, []);
  const docs = await Deno.readTextFile(new URL("../../docs/clients.md", import.meta.url));
  for (const { client, word } of clients) assert.ok(docs.includes(`\n| [${client}](clients/${word}.md) `), client);
  for (const page of ["README.md", "README.zh-CN.md"]) {
    const rows = (await Deno.readTextFile(new URL(`../../${page}`, import.meta.url))).split("\n");
    for (const { client, value } of clientSettings(config, "usher.lan").clients) {
      const [first = ""] = client.split(" ");
      if (value === null || !README_ROWS.includes(first)) continue;
      const row = rows.find((line) => line.startsWith(`| ${first}`)) ?? assert.fail(`${page}: no row for ${client}`);
      for (const url of value.split(" and ")) assert.ok(row.includes(`\`${url}\``), `${page}: ${client}: ${url}`);
    }
  }
});

Deno.test("clientSettings() goes by the listener's own address, its TLS and its public URL", async () => {
  const urlOf = async (listener: Readonly<Record<string, unknown>>) => {
    const config = await configOf({
      pools: POOLS,
      listeners: [{ name: "api", prefix: "/3", pool: "tmdb", ...listener }],
    });
    return clientSettings(config, "[2001:db8::1]").clients.find(({ word }) => word === "emby")!.value;
  };
  assert.equal(await urlOf({ listen: "0.0.0.0:6635" }), "http://[2001:db8::1]:6635");
  assert.equal(await urlOf({ listen: "192.0.2.1:80" }), "http://192.0.2.1");
  assert.equal(await urlOf({ listen: "0.0.0.0:1", public_url: "https://tmdb.example/" }), "https://tmdb.example");
});

Deno.test("clientSettings() says what is missing: a name that others know, a listener for TMDB's API", async () => {
  const config = await configOf({ pools: POOLS, listeners: [{ name: "images", prefix: "/t/p", pool: "images" }] });
  const { clients, notes } = clientSettings(config, "127.0.0.1");
  assert.deepEqual(clients, []);
  assert.match(notes.join("\n"), /127\.0\.0\.1 is this machine alone[^]*No listener serves/);
});

Deno.test("clientSettings() has the best of each client's ways that is open: a forward proxy, TMDB's names, a name with HTTPS", async () => {
  const { cert, key } = await (await madeAuthority()).leaf(["api.themoviedb.org", "image.tmdb.org"]);
  const named = (port: number) => [
    { name: "api", listen: `0.0.0.0:${port}`, host: "api.themoviedb.org", pool: "tmdb", tls: TLS },
    { name: "images", listen: `0.0.0.0:${port}`, host: "image.tmdb.org", pool: "images", tls: TLS },
  ];
  const proxy = { name: "way-in", listen: "0.0.0.0:6637", hosts: ["api.themoviedb.org"] };
  const settings = async (more: Mapping) => {
    const loaded = await loadText(JSON.stringify({ pools: POOLS, ...more }), {
      files: { "/etc/usher/cert.pem": cert, "/etc/usher/key.pem": key },
    });
    assert.ok(loaded.ok, JSON.stringify(loaded));
    const { clients } = clientSettings(loaded.config, "media.lan");
    return (word: string) => clients.find((one) => one.word === word)!;
  };
  const byProxy = await settings({ listeners: named(6643), forward_proxies: [proxy] });
  assert.deepEqual(byProxy("jellyfin"), {
    client: "Jellyfin",
    word: "jellyfin",
    way: "proxy",
    setting: "HTTPS_PROXY in its environment",
    value: "http://media.lan:6637",
    needs: "the local authority, trusted",
  });
  for (const word of ["kodi", "seerr", "radarr"]) assert.equal(byProxy(word).value, "http://media.lan:6637", word);
  assert.match(byProxy("emby").needs, /a base URL: not open here, see docs\/clients\/emby\.md/);
  const closed = await settings({
    listeners: named(6643),
    forward_proxies: [{ ...proxy, token: "5f3c9a1e7b2d4068aa51c0de93b7f642" }],
  });
  assert.equal(closed("seerr").value, "http://usher:TOKEN@media.lan:6637");
  const byNames = await settings({ listeners: named(443) });
  assert.deepEqual([byNames("seerr").way, byNames("seerr").setting], ["dns", null]);
  assert.match(byNames("seerr").needs, /its name server leads TMDB's names here/);
  const api = { name: "api", prefix: "/3", pool: "tmdb", public_url: "https://tmdb.example" };
  const byName = await settings({ listeners: [api] });
  assert.deepEqual([byName("moviepilot").way, byName("moviepilot").value], ["https-name", "tmdb.example"]);
  assert.deepEqual([byName("plex").way, byName("plex").value], [null, null]);
});

const TLS = { cert: "cert.pem", key: "key.pem" };
