import assert from "node:assert/strict";
import { loadConfig } from "../../lib/config/load.ts";
import { filePath } from "../origins/artwork.ts";
import { demoApiKey, startTmdbOrigin } from "../origins/tmdb_origin.ts";
import { eventually } from "../eventually.ts";
import { fetched, type GatewayPlaces, type RunningGateway, startGateway } from "./_gateway.ts";
import { testConfig } from "./test_config.ts";

/** A gateway for TMDB with more keys for its API listener. */
function configOf(places: GatewayPlaces, originUrl: string, api: Readonly<Record<string, unknown>>): string {
  return testConfig(places, {
    // One worker, so that what one request stored is there for the next.
    server: { workers: 1, trusted_proxies: ["127.0.0.1"] },
    pools: {
      api: { type: "tmdb-api", health: false, api_keys: [demoApiKey], upstreams: [originUrl] },
      images: { type: "tmdb-image", health: false, upstreams: [originUrl] },
    },
    listeners: [{ name: "api", prefix: "/3", pool: "api", ...api }, { name: "images", prefix: "/t/p", pool: "images" }],
  });
}

async function reload(gateway: RunningGateway, yaml: string): Promise<void> {
  const told = () => gateway.log().split("Configuration reloaded").length;
  const before = told();
  await gateway.writeConfig(yaml);
  gateway.signal("SIGHUP");
  await eventually("the configuration is reloaded", () => told() > before, 15_000);
}

async function read(url: string, headers: Record<string, string> = {}) {
  const { status, bytes, headers: fields } = await fetched(url, { headers });
  assert.equal(status, 200);
  return { json: JSON.parse(new TextDecoder().decode(bytes)), etag: fields.get("etag")! };
}

Deno.test("a client finds the images by the configuration; patches of a reload hold at once, over what is stored", async () => {
  await using stack = new AsyncDisposableStack();
  const origin = stack.adopt(await startTmdbOrigin(), (origin) => origin.close());
  let places: GatewayPlaces | undefined;
  const titled = (title: string) => ({ overrides: [{ path: "/3/movie/550", merge: { title, tagline: null } }] });
  const config = (given: GatewayPlaces) => configOf(places = given, origin.url, titled("One"));
  const gateway = stack.adopt(await startGateway({ config }), (running) => running.close());

  const { images } = (await read(`${gateway.url}/3/configuration`)).json;
  assert.equal(images.base_url, `${gateway.url}/t/p/`);
  assert.ok(images.poster_sizes.includes("w92"));
  const poster = await fetched(`${images.secure_base_url}w92${filePath("poster", "movie/550")}`);
  assert.equal(poster.headers.get("content-type"), "image/jpeg");
  const forwarded = { "x-forwarded-proto": "https", "x-forwarded-host": "films.example" };
  assert.equal(
    (await read(`${gateway.url}/3/configuration`, forwarded)).json.images.secure_base_url,
    "https://films.example/t/p/",
  );

  const first = await read(`${gateway.url}/3/movie/550`);
  assert.equal(first.json.title, "One");
  assert.ok(!("tagline" in first.json));
  const asked = origin.requests.length;
  await reload(gateway, configOf(places!, origin.url, titled("Two")));
  const second = await read(`${gateway.url}/3/movie/550`, { "if-none-match": first.etag });
  assert.equal(second.json.title, "Two");
  await reload(gateway, configOf(places!, origin.url, { rewrite_image_base: false }));
  assert.notEqual((await read(`${gateway.url}/3/movie/550`)).json.title, "Two");
  assert.equal(
    (await read(`${gateway.url}/3/configuration`)).json.images.secure_base_url,
    "https://image.tmdb.org/t/p/",
  );
  assert.equal(origin.requests.length, asked);
});

Deno.test("docs/rewriting.md: every example is a configuration that loads", async () => {
  const page = await Deno.readTextFile(new URL("../../docs/rewriting.md", import.meta.url));
  const examples = [...page.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map((match) => match[1]!);
  assert.equal(examples.length, 3);
  for (const text of examples) {
    const loaded = await loadConfig("config.yaml", {
      readTextFile: () => Promise.resolve(text),
      env: () => undefined,
      cores: 1,
      cwd: "/etc/usher",
    });
    assert.deepEqual(loaded.ok ? loaded.warnings : loaded.problems, [], text);
  }
});
