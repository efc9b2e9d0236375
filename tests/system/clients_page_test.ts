import assert from "node:assert/strict";
import { parse } from "yaml";
import { loadConfig } from "../../lib/config/load.ts";
import { formatLocated } from "../../lib/config/yaml/located.ts";
import { madeAuthority } from "../certificates/made.ts";
import { filePath } from "../origins/artwork.ts";
import { demoApiKey, startTmdbOrigin } from "../origins/tmdb_origin.ts";
import { type GatewayParts, type InProcessGateway, withGateway } from "../pipeline/in_process_gateway.ts";

const page = await Deno.readTextFile("docs/clients.md");
const made = await (await madeAuthority()).leaf(["api.themoviedb.org", "api.tmdb.org", "image.tmdb.org"]);
const poster = filePath("poster", "movie/550");

/** The examples by the heading that they stand under. */
const examples = [...page.matchAll(/^## (.+)$|^```yaml\n([^]*?)^```/gm)].reduce<Map<string, string>>(
  (found, [, heading, yaml]) => {
    if (heading !== undefined) return found.set("last", heading);
    return found.set(found.get("last")!, yaml!);
  },
  new Map(),
);
examples.delete("last");

/** Runs a test with an example's configuration, its upstreams replaced by a TMDB-shaped origin. */
async function withExample(heading: string, run: (gateway: InProcessGateway) => Promise<void>): Promise<void> {
  const origin = await startTmdbOrigin();
  const example = parse(examples.get(heading)!);
  const pools = Object.entries<Record<string, unknown>>(example.pools).map(([name, pool]) => {
    const keys = pool["type"] === "tmdb-api" && pool["key_mode"] !== "pass" ? { api_keys: [demoApiKey] } : {};
    return [name, { ...pool, ...keys, health: false, upstreams: [origin.url] }];
  });
  const listeners = (example.listeners as Record<string, unknown>[]).map(({ listen: _, tls: __, ...listener }) =>
    listener
  )
    .filter(({ redirect_to_https }) => redirect_to_https !== true);
  const parts: GatewayParts = { server: example.server ?? {}, pools: Object.fromEntries(pools), listeners };
  try {
    await withGateway(parts, run);
  } finally {
    await origin.close();
  }
}

Deno.test("docs/clients.md: every YAML example is a whole configuration that loads, without a warning", async () => {
  assert.ok(examples.size >= 5, [...examples.keys()].join(", "));
  assert.equal(page.match(/^ *```yaml$/gm)?.length, examples.size, "one under each heading");
  for (const [heading, yaml] of examples) {
    const loaded = await loadConfig("config.yaml", {
      readTextFile: (path) =>
        Promise.resolve(path.endsWith(".yaml") ? yaml : path.endsWith("key.pem") ? made.key : made.cert),
      env: () => undefined,
      cores: 4,
      cwd: "/etc/usher",
    });
    assert.ok(loaded.ok, loaded.ok ? "" : `${heading}: ${loaded.problems.map(formatLocated).join("\n")}`);
    assert.deepEqual(loaded.warnings.map(formatLocated), [], heading);
  }
});

Deno.test("docs/clients.md: a base URL serves the API, v4, images, and leads to the images here", () =>
  withExample("Base URL", async ({ ask }) => {
    assert.equal((await ask("/3/movie/550")).status, 200);
    assert.equal((await ask("/4/list/1")).status, 200);
    const { images } = JSON.parse((await ask("/3/configuration", { headers: { host: "usher.lan:6635" } })).text);
    assert.equal(images.secure_base_url, "http://usher.lan:6635/t/p/");
    assert.equal((await ask(`/t/p/w92${poster}`)).status, 200);
  }));

Deno.test("docs/clients.md: a public name leads to itself by HTTPS", () =>
  withExample("A public name with HTTPS", async ({ ask }) => {
    const { images } = JSON.parse((await ask("/3/configuration", { from: "127.0.0.1" })).text);
    assert.equal(images.secure_base_url, "https://usher.example.com/t/p/");
    assert.equal((await ask(`/3/movie/550?api_key=${"f".repeat(32)}`)).status, 200);
  }));

Deno.test("docs/clients.md: TMDB's own names are served, other names are not", () =>
  withExample("TMDB's own names (DNS override)", async ({ ask }) => {
    for (
      const [host, path, status] of [
        ["api.themoviedb.org", "/3/movie/550", 200],
        ["api.tmdb.org", "/4/list/1", 200],
        ["image.tmdb.org", `/t/p/w92${poster}`, 200],
        ["usher.lan", "/3/movie/550", 404],
      ] as const
    ) {
      assert.equal((await ask(path, { headers: { host } })).status, status, host);
    }
    const { images } = JSON.parse((await ask("/3/configuration", { headers: { host: "api.themoviedb.org" } })).text);
    assert.equal(images.secure_base_url, "https://image.tmdb.org/t/p/");
  }));

Deno.test("docs/clients.md: a URL behind a prefix is served, of the hosts that are listed", () =>
  withExample("A URL behind a prefix", async ({ ask }) => {
    for (const scheme of ["http", "https"]) {
      assert.equal((await ask(`/img/${scheme}://image.tmdb.org/t/p/w200/${poster}`)).status, 200);
      assert.equal((await ask(`/api/${scheme}://api.themoviedb.org/3/movie/550`)).status, 200);
      assert.equal((await ask(`/img/${scheme}://evil.example/t/p/w200${poster}`)).status, 404);
    }
  }));

Deno.test("docs/clients.md: clients with keys of their own have a prefix of their own", () =>
  withExample("Several clients, one gateway", async ({ ask }) => {
    assert.equal((await ask("/3/movie/550")).status, 200);
    assert.equal((await ask("/mine/3/movie/550")).status, 401);
    assert.equal((await ask(`/mine/3/movie/550?api_key=${demoApiKey}`)).status, 200);
  }));

Deno.test("docs/clients.md: no listener is a forward proxy; plain http by a whole URL is served by its host", () =>
  withExample("TMDB's own names (DNS override)", async ({ serve }) => {
    const port = Number(new URL(await serve()).port);
    const said = async (head: string) => {
      const connection = await Deno.connect({ hostname: "127.0.0.1", port });
      await connection.write(new TextEncoder().encode(`${head}\r\nConnection: close\r\n\r\n`));
      return await new Response(connection.readable).text();
    };
    assert.match(
      await said("CONNECT api.themoviedb.org:443 HTTP/1.1\r\nHost: api.themoviedb.org:443"),
      /^HTTP\/1\.1 501 /,
    );
    assert.match(
      await said("GET http://api.themoviedb.org/3/movie/550 HTTP/1.1\r\nHost: api.themoviedb.org"),
      /^HTTP\/1\.1 200 /,
    );
    assert.match(await said("GET http://evil.example/3/movie/550 HTTP/1.1\r\nHost: evil.example"), /^HTTP\/1\.1 404 /);
  }));

/** Each library with what points it at the gateway. */
const LIBRARIES: Readonly<Record<string, string>> = {
  "moviedb-promise": "http://usher.lan:6635/3/",
  "tmdb-ts": "option `fetch`",
  "themoviedb-javascript-library": "theMovieDb.common.base_uri",
  "tmdbsimple": "`base_uri`",
  "tmdbv3api": "`_base`",
  "themoviedb": "client._config.host",
  "tmdbapis": "api3.base_url",
  "golang-tmdb": "SetCustomBaseURL",
  "tmdb_client": "configuration.base_path",
  "tmdb-api": "with_base_url",
  "tmdb-java": "interceptor",
  "node-themoviedb": "hard-wired",
  "@lorenzopant/tmdb": "hard-wired",
  "tmdb-async": "hard-wired",
  "TMDbLib": "baseUrl",
};

Deno.test("D5: docs/clients.md has a row for each of 15 libraries, and for certificates by language", () => {
  const rows = page.split("\n").filter((line) => line.startsWith("| "));
  const rowOf = (start: string) =>
    rows.find((line) => line.startsWith(`| ${start}`)) ?? assert.fail(`no row: ${start}`);
  for (const [library, how] of Object.entries(LIBRARIES)) {
    assert.ok(rowOf(`\`${library}\``).includes(how), library);
  }
  const variables = {
    Python: "REQUESTS_CA_BUNDLE",
    Go: "SSL_CERT_FILE",
    Java: "javax.net.ssl.trustStore",
    Rust: "SSL_CERT_FILE",
    Node: "NODE_EXTRA_CA_CERTS",
  };
  for (const [language, variable] of Object.entries(variables)) assert.ok(rowOf(language).includes(variable), language);
  // Those that a test runs, and no other, are marked so.
  const tested = Object.keys(LIBRARIES).filter((name) => rowOf(`\`${name}\``).includes("_tested_"));
  assert.deepEqual(tested, ["moviedb-promise", "tmdb-ts", "themoviedb-javascript-library", "tmdbsimple"]);
});
