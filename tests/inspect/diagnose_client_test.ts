import assert from "node:assert/strict";
import { clientNamed } from "../../lib/clients/client_table.ts";
import type { Config } from "../../lib/config/config.ts";
import { type ClientDiagnoseOptions, diagnoseClient } from "../../lib/inspect/diagnose_client.ts";
import { madeAuthority } from "../certificates/made.ts";
import { loadText } from "../config/load_text.ts";
import { configOf, type Mapping } from "../gateway/config_of.ts";
import { demoApiKey, startTmdbOrigin } from "../origins/tmdb_origin.ts";
import { withGateway } from "../pipeline/in_process_gateway.ts";

const TOKEN = "5f3c9a1e7b2d4068aa51c0de93b7f642";
const PLAIN: ClientDiagnoseOptions = {
  timeoutMs: 60_000,
  host: null,
  way: null,
  token: null,
  authority: null,
  nameServer: null,
};

/** Looks at a client's way into a gateway with these listeners, each served at the address that its own server got. */
async function diagnosed(
  word: string,
  { options = {}, listeners, pool = {}, as }: {
    readonly options?: Partial<ClientDiagnoseOptions>;
    readonly listeners: readonly Mapping[];
    readonly pool?: Mapping;
    /** With the traps of the client that this check is for, by a base URL whichever way the client knows. */
    readonly as?: string;
  },
) {
  const origin = await startTmdbOrigin();
  const upstream = { health: false, upstreams: [origin.url] };
  const pools = {
    api: { type: "tmdb-api", api_keys: [demoApiKey], ...upstream, ...pool },
    images: { type: "tmdb-image", ...upstream },
  };
  try {
    let found: Awaited<ReturnType<typeof diagnoseClient>> | undefined;
    await withGateway({ pools, listeners }, async ({ serve }) => {
      const listen = new URL(await serve()).host;
      const config = await configOf({ pools, listeners: listeners.map((one) => ({ ...one, listen })) });
      const known = clientNamed(word)!;
      const client = as === undefined
        ? known
        : { ...known, ways: BASE_URL, traps: known.traps.filter(({ check }) => check === as) };
      found = await diagnoseClient(config, client, { ...PLAIN, ...options });
    });
    return found!;
  } finally {
    await origin.close();
  }
}

const BASE_URL = [{ way: "base-url", setting: null, value: null }] as const;
const API = { name: "api", prefix: "/3", pool: "api" };
const IMAGES = { name: "images", prefix: "/t/p", pool: "images" };

/** State and text of what a check found. */
function said({ findings }: Awaited<ReturnType<typeof diagnosed>>, check: string): string[] {
  return findings.filter((one) => one.check === check).map(({ state, text }) => `${state} ${text}`);
}

Deno.test("diagnoseClient() goes a base URL: document, hit, pictures, traps that it tries and traps that it names", async () => {
  const found = await diagnosed("emby", { listeners: [API, IMAGES] });
  assert.equal(found.way, "base-url");
  assert.match(said(found, "way")[0]!, /^ok a base URL, through api and images: .* = http:\/\/127\.0\.0\.1:\d+$/);
  for (const check of ["configuration", "document", "picture"]) assert.match(said(found, check)[0]!, /^ok /, check);
  assert.match(said(found, "cache")[0]!, /^ok the second time: usher; hit/);
  assert.deepEqual(said(found, "trap").map((line) => line.split(" ")[0]), ["skip", "ok"]);
  assert.ok(found.findings.every(({ state, remedy }) => state === "ok" || remedy !== null));
});

/** What opens each trap: rules of the listeners of the API and of pictures, settings of the API's, of its pool. */
const OPENED: Readonly<
  Record<string, { client: string; api?: Mapping; images?: Mapping; pool?: Mapping; verdict: RegExp }>
> = {
  "no-ratelimit": {
    client: "moviepilot",
    api: { rules: [{ response: { set: { "x-ratelimit-remaining": "0" } } }] },
    verdict: /^fail it sleeps for ever .*: X-RateLimit-Remaining: 0$/,
  },
  "size-lists": {
    client: "jellyfin",
    api: {
      rules: [{
        when: { path: "/3/configuration" },
        respond: { body: '{"images":{"poster_sizes":["w92"]}}', content_type: "application/json" },
      }],
    },
    verdict: /^fail where .* does not list a size, .*: backdrop w300, backdrop w780, backdrop w1280 missing$/,
  },
  "json-errors": {
    client: "jellyfin",
    api: { rules: [{ when: { path: "/3/movie/0" }, respond: { status: 404, body: "no" } }] },
    verdict: /^fail it takes an error .*: status 404 with text\/plain/,
  },
  "picture-head": {
    client: "seerr",
    images: { rules: [{ response: { set: { "cache-control": "public, max-age=60, immutable" } } }] },
    verdict: /^fail it computes with .*: Cache-Control: public, max-age=60, immutable$/,
  },
  "unlisted-size": {
    client: "lampa",
    images: { rules: [{ when: { path: "/t/p/w600_and_h900_bestv2/**" }, respond: { status: 404 } }] },
    verdict: /^fail it writes two slashes .*: status 404 for w600_and_h900_bestv2\/\//,
  },
  "cors": {
    client: "lampa",
    api: { cors: { mode: "off" } },
    verdict: /^fail its page is of another origin.*does not allow it$/,
  },
  "head": {
    client: "emby",
    images: { rules: [{ when: { method: "HEAD" }, respond: { status: 405 } }] },
    verdict: /^fail it may probe pictures by HEAD: status 405/,
  },
  "image-base": {
    client: "libraries",
    api: { rewrite_image_base: false },
    verdict: /^warn it takes the address of pictures .*: it says https:\/\/image\.tmdb\.org\/t\/p\/, which leads past/,
  },
  "own-key": { client: "lampa", pool: { key_mode: "pass" }, verdict: /^warn its built-in key .*: key_mode is pass$/ },
};

Deno.test("diagnoseClient() tells of each trap that is open", async (step) => {
  for (const [check, { client, api = {}, images = {}, pool = {}, verdict }] of Object.entries(OPENED)) {
    await step.step(check, async () => {
      const listeners = [{ ...API, ...api }, { ...IMAGES, ...images }];
      const found = await diagnosed(client, { listeners, pool, as: check });
      const lines = said(found, "trap");
      assert.ok(lines.some((line) => verdict.test(line)), lines.join("\n"));
    });
  }
});

Deno.test("diagnoseClient() needs the token of a listener that is closed, and a way that is open", async () => {
  const listeners = [API, IMAGES].map((one) => ({ ...one, auth: { tokens: { home: TOKEN } } }));
  const shut = await diagnosed("torrserver", { listeners });
  assert.match(said(shut, "configuration")[0]!, /^fail .* status 401/);
  assert.ok(shut.findings.some(({ remedy }) => remedy?.includes("--token")));
  const open = await diagnosed("torrserver", { listeners, options: { token: TOKEN } });
  assert.match(said(open, "document")[0]!, /^ok /);
  assert.ok(!JSON.stringify(open).includes(TOKEN));
  const closed = await diagnosed("jellyfin", { listeners: [API, IMAGES] });
  assert.deepEqual([closed.way, closed.findings.length], [null, 1]);
  assert.match(
    said(closed, "way")[0]!,
    /^fail Jellyfin needs a proxy setting or TMDB's own names .*; this configuration opens a base URL$/,
  );
  assert.match(said(await diagnosed("plex", { listeners: [API] }), "way")[0]!, /^fail Plex cannot be led here/);
});

Deno.test("diagnoseClient() says what is wrong where nobody answers, with a name that leads nowhere, and a certificate of another name", async () => {
  const authority = await madeAuthority();
  const [own, other] = [await authority.leaf(["api.themoviedb.org"]), await authority.leaf(["other.example"])];
  // Another program is where the gateway should be.
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, ...other, onListen() {} }, () => new Response("no"));
  const at = async (port: number): Promise<Config> => {
    const tls = { cert: "cert.pem", key: "key.pem" };
    const listener = { name: "api", listen: `127.0.0.1:${port}`, host: "api.themoviedb.org", pool: "api", tls };
    const text = JSON.stringify({
      pools: { api: { type: "tmdb-api", upstreams: ["http://127.0.0.1:9"] } },
      listeners: [listener],
    });
    const loaded = await loadText(text, {
      files: { "/etc/usher/cert.pem": own.cert + authority.ca, "/etc/usher/key.pem": own.key },
    });
    assert.ok(loaded.ok, JSON.stringify(loaded));
    return loaded.config;
  };
  const jellyfin = clientNamed("jellyfin")!;
  const wrong = await diagnoseClient(await at(server.addr.port), jellyfin, PLAIN);
  assert.match(said(wrong, "certificate")[0]!, /^fail it is for other\.example, not for api\.themoviedb\.org/);
  assert.match(said(wrong, "configuration")[0]!, /^fail .*certificate/i);
  await server.shutdown();
  const gone = await diagnoseClient(await at(server.addr.port), jellyfin, PLAIN);
  assert.match(said(gone, "configuration")[0]!, /^fail .*refused/);
  assert.ok(gone.findings.some(({ remedy }) => remedy?.startsWith("start the gateway")));
});
