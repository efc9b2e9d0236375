import assert from "node:assert/strict";
import { rewriteOf } from "../../lib/request/rewriting.ts";
import { compileRewriting } from "../../lib/gateway/compile_rewriting.ts";
import { upstreamTypes } from "../../lib/upstream_type/registry.ts";
import { configOf, type Mapping } from "./config_of.ts";

const pools = {
  api: { type: "tmdb-api", health: false, upstreams: ["http://127.0.0.1:9"] },
  images: { type: "tmdb-image", health: false, upstreams: ["http://127.0.0.1:9"] },
  "images-at-path": { type: "tmdb-image", health: false, upstreams: ["http://127.0.0.1:9/mirror/t/p"] },
};
const HERE = "127.0.0.1:6635";
const api = { name: "api", prefix: "/3", pool: "api", listen: HERE };
const images = { name: "images", prefix: "/t/p", pool: "images", listen: HERE };

/** A client's request for TMDB's configuration. */
interface Asking {
  readonly host?: string;
  /** Fields from a trusted proxy. */
  readonly forwarded?: Record<string, string>;
}

/** The address that the first listener's documents lead to; `null` where they keep their own. */
async function address(listeners: readonly Mapping[], { host = "films.test:6635", forwarded }: Asking = {}) {
  const config = await configOf({ server: { workers: 1 }, pools, listeners });
  const [listener] = config.listeners;
  const type = upstreamTypes.create("tmdb-api", { apiKeys: [], keyMode: "pass", contentTypes: null, now: () => 0 });
  const rewriting = compileRewriting(config, listener!, type);
  const rewrite = rewriting === null ? null : rewriteOf(rewriting, {
    method: "GET",
    path: "/3/configuration",
    query: "",
    authority: host,
    scheme: "http",
    isTrusted: () => forwarded !== undefined,
    keyPrefix: "/~KEY",
    private: null,
    warnUntrustedScheme: () => {},
    header: (name) => forwarded?.[name] ?? null,
  });
  if (rewrite === null) return null;
  const json = new TextEncoder().encode('{"images":{"base_url":"","secure_base_url":""}}');
  const { images } = JSON.parse(new TextDecoder().decode(rewrite.apply(json)));
  assert.equal(images.base_url, images.secure_base_url);
  return images.base_url;
}

Deno.test("compileRewriting() leads images to the listener of their type at the client's own address", async () => {
  assert.equal(await address([api, images]), "http://films.test:6635/t/p/");
  assert.equal(await address([api, images], { host: "films.test:80" }), "http://films.test/t/p/");
  assert.equal(await address([api, images], { host: "[2001:DB8::1]:81" }), "http://[2001:db8::1]:81/t/p/");
});

Deno.test("compileRewriting() believes a trusted proxy of scheme and host, but for hosts that are not served", async () => {
  const forwarded = { "x-forwarded-proto": "https", "x-forwarded-host": "tmdb.example" };
  assert.equal(await address([api, images], { forwarded }), "https://tmdb.example/t/p/");
  const hosted = { ...api, host: ["films.test", "*.films.example"] };
  const asking = { host: "films.test" };
  assert.equal(await address([hosted, images], { ...asking, forwarded }), "https://films.test/t/p/");
  const served = { ...forwarded, "x-forwarded-host": "a.films.example" };
  assert.equal(await address([hosted, images], { ...asking, forwarded: served }), "https://a.films.example/t/p/");
});

Deno.test("compileRewriting() follows the images listener to its prefix", async () => {
  const at = (more: Mapping) => address([api, { ...images, ...more }], { host: "h" });
  assert.equal(await at({ prefix: "/" }), "http://h/t/p/");
  assert.equal(await at({ prefix: "/t" }), "http://h/t/p/");
  assert.equal(await at({ prefix: "/pictures", strip_prefix: true }), "http://h/pictures/t/p/");
  assert.equal(await at({ prefix: "/", strip_prefix: true }), "http://h/t/p/");
  assert.equal(await at({ prefix: "/pictures", strip_prefix: true, pool: "images-at-path" }), "http://h/pictures/");
  assert.equal(await at({ prefix: "/mirror" }), "http://h/mirror/");
});

Deno.test("compileRewriting() follows the images listener to its port and host", async () => {
  const at = (more: Mapping) => address([api, { ...images, ...more }], { host: "films.test:6635" });
  assert.equal(await at({ listen: "127.0.0.1:7000" }), "http://films.test:7000/t/p/");
  assert.equal(await at({ listen: "0.0.0.0:80" }), "http://films.test/t/p/");
  assert.equal(await at({ listen: "127.0.0.2:7000" }), "http://127.0.0.2:7000/t/p/");
  assert.equal(await at({ listen: "[::1]:7000" }), "http://[::1]:7000/t/p/");
  assert.equal(await at({ host: "pictures.test" }), "http://pictures.test:6635/t/p/");
  assert.equal(await at({ host: ["pictures.test", "films.test"] }), "http://films.test:6635/t/p/");
  assert.equal(await at({ host: "*.pictures.test" }), "http://films.test:6635/t/p/");
});

Deno.test("compileRewriting() takes the nearest of several images listeners", async () => {
  const far = { ...images, name: "far", listen: "127.0.0.1:7000", prefix: "/far", strip_prefix: true };
  const other = { ...images, name: "other", host: "other.test", prefix: "/other", strip_prefix: true };
  const near = { ...images, name: "near", host: "films.test", prefix: "/near", strip_prefix: true };
  const hosted = { ...api, host: "films.test" };
  const asking = { host: "films.test" };
  assert.equal(await address([hosted, far, other, near], asking), "http://films.test/near/t/p/");
  assert.equal(await address([hosted, far, other], asking), "http://other.test/other/t/p/");
  assert.equal(await address([hosted, far], asking), "http://films.test:7000/far/t/p/");
});

Deno.test("compileRewriting() goes by what the configuration says of public addresses", async () => {
  const public_url = "https://tmdb.example/films/";
  assert.equal(await address([api, { ...images, public_url }]), "https://tmdb.example/films/t/p/");
  assert.equal(await address([{ ...api, public_url }, images]), "https://tmdb.example/films/t/p/");
  const away = { ...images, listen: "127.0.0.1:7000" };
  assert.equal(await address([{ ...api, public_url }, away]), "http://films.test:7000/t/p/");
  const fixed = (rewrite_image_base: unknown) => address([{ ...api, rewrite_image_base }, images]);
  assert.equal(await fixed("https://images.example"), "https://images.example/t/p/");
  assert.equal(await fixed("https://images.example/covers/"), "https://images.example/covers/");
});

Deno.test("compileRewriting() leaves addresses where it is told to, or nothing serves images", async () => {
  assert.equal(await address([api]), null);
  assert.equal(await address([{ ...api, rewrite_image_base: false }, images]), null);
  assert.equal(await address([api, { ...images, listen: "127.0.0.1:0" }]), null);
  assert.equal(
    await address([{ ...api, rewrite_image_base: "https://images.example/t/p" }]),
    "https://images.example/t/p/",
  );
});

Deno.test("compileRewriting() gives a client's token along to a listener that is closed and takes it so", async () => {
  const led = (images: Mapping) =>
    address([{ name: "a", prefix: "/3", pool: "api" }, { name: "i", prefix: "/t/p", pool: "images", ...images }]);
  const tokens = { tv: "5f3c9a1e7b2d4068aa51c0de93b7f642" };
  assert.equal(await led({ auth: { tokens } }), "http://films.test:6635/~KEY/t/p/");
  assert.equal(await led({ auth: { tokens, path: false } }), "http://films.test:6635/t/p/");
  assert.equal(await led({}), "http://films.test:6635/t/p/");
});

Deno.test("compileRewriting() leads to a unix socket only from itself, or by its public address", async () => {
  const local = { unix: "/run/usher.sock" };
  const host = "films.test";
  assert.equal(
    await address([{ ...api, listen: local }, { ...images, listen: local }], { host }),
    "http://films.test/t/p/",
  );
  assert.equal(await address([api, { ...images, listen: local }]), null);
  const public_url = "https://tmdb.example";
  assert.equal(await address([api, { ...images, listen: local, public_url }]), "https://tmdb.example/t/p/");
  assert.equal(await address([{ ...api, listen: local }, images], { host }), "http://127.0.0.1:6635/t/p/");
});
