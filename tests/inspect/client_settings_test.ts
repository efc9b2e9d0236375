import assert from "node:assert/strict";
import { clientSettings } from "../../lib/inspect/client_settings.ts";
import { configOf } from "../gateway/config_of.ts";

const POOLS = {
  tmdb: { type: "tmdb-api", upstreams: ["https://api.example"] },
  images: { type: "tmdb-image", upstreams: ["https://image.example"] },
};

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
  assert.equal(value("MoviePilot"), "media.lan:6635");
  assert.equal(value("Lampa"), "http://media.lan:6635/3 and http://media.lan:6635");
  assert.equal(value("Jellyfin"), null);
  assert.deepEqual(notes, []);
  const docs = await Deno.readTextFile(new URL("../../docs/clients.md", import.meta.url));
  for (const { client } of clients) assert.ok(docs.includes(`\n| ${client}`) || docs.includes(client), client);
  for (const page of ["README.md", "README.zh-CN.md"]) {
    const rows = (await Deno.readTextFile(new URL(`../../${page}`, import.meta.url))).split("\n");
    for (const { client, value } of clientSettings(config, "usher.lan").clients) {
      const [first = ""] = client.split(" ");
      if (value === null || ["MoviePilot", "curl"].includes(first)) continue;
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
    return clientSettings(config, "[2001:db8::1]").clients[0]!.value;
  };
  assert.equal(await urlOf({ listen: "0.0.0.0:6635" }), "http://[2001:db8::1]:6635");
  assert.equal(await urlOf({ listen: "192.0.2.1:80" }), "http://192.0.2.1");
  assert.equal(await urlOf({ listen: "0.0.0.0:1", public_url: "https://tmdb.example/" }), "https://tmdb.example");
});

Deno.test("clientSettings() says what is missing: a name that others know, a listener for TMDB's API", async () => {
  const config = await configOf({ pools: POOLS, listeners: [{ name: "images", prefix: "/t/p", pool: "images" }] });
  const { clients, notes } = clientSettings(config, "127.0.0.1");
  assert.deepEqual(clients, []);
  assert.match(notes.join("\n"), /127\.0\.0\.1 is this machine alone[^]*No listener/);
});
