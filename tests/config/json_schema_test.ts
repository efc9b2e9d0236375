import assert from "node:assert/strict";
import { type JsonSchema, jsonSchema, jsonSchemaText, partJsonSchema } from "../../lib/config/json_schema.ts";
import { configReference } from "../../routes/commands/config_reference.ts";
import { configOf } from "./load_text.ts";

/** Every key of a schema, with its path. */
function* keysOf(schema: JsonSchema, path = ""): Generator<[path: string, schema: JsonSchema]> {
  for (const form of [schema, ...schema.anyOf ?? []]) {
    for (const [key, value] of Object.entries(form.properties ?? {})) {
      yield [`${path}${key}`, value];
      yield* keysOf(value, `${path}${key}.`);
    }
    if (form.items !== undefined) yield* keysOf(form.items, path);
    if (typeof form.additionalProperties === "object") yield* keysOf(form.additionalProperties, path);
  }
}

Deno.test("config.schema.json is what jsonSchema() makes (`deno task schema > config.schema.json`)", async () => {
  const committed = await Deno.readTextFile(new URL("../../config.schema.json", import.meta.url));
  assert.equal(committed, jsonSchemaText());
});

Deno.test("jsonSchema() describes every key, and has a default for it or says what stands in its place", () => {
  const keys = [...keysOf(jsonSchema())];
  assert.ok(keys.length > 70, String(keys.length));
  for (const [path, schema] of keys) assert.ok((schema.description ?? "").length > 10, `${path} has no description`);
  const without = keys.filter(([, schema]) => schema.default === undefined).map(([path]) => path);
  const required = [
    "pools",
    "listeners",
    "pools.type",
    "pools.upstreams",
    "pools.upstreams.url",
    "listeners.name",
    "listeners.pool",
    "listeners.overrides.path",
    "listeners.overrides.merge",
    "listeners.rules.request.rewrite.to",
    "listeners.rules.response.status.body",
    "listeners.rules.redirect.to",
    "cluster.engine",
    "cluster.secret",
    "admin.tokens.name",
    "admin.tokens.token",
    "admin.tokens.role",
    "admin.peers.url",
    "forward_proxies.name",
    "forward_proxies.listen",
    "forward_proxies.hosts",
  ];
  // All of `tls` is optional: a plain address is the default. So is how an engine is reached, and that there is a cluster.
  const optional = without.filter((path) =>
    !required.includes(path) &&
    !/^(?:admin|listeners)\.tls|^(?:cluster|cache\.shared)(?:\.engine.*|\.password|\.ca|\.cert|\.key|\.member)?$/.test(
      path,
    )
  );
  assert.deepEqual(optional, [
    "admin.token",
    "admin.peers.token",
    ...["process", "config", "request", "upstream", "cache", "tls", "admin"].map((area) => `logging.levels.${area}`),
    "tracing.endpoint",
    "tracing.sample",
    "tracing.parent_based",
    "tracing.service_name",
    "pools.upstreams.ca",
    "pools.upstreams.host",
    "pools.upstreams.resolve",
    "pools.upstreams.proxy",
    "pools.upstreams.cert",
    "pools.upstreams.key",
    "pools.upstreams.max_idle",
    "pools.upstreams.max_in_flight",
    "pools.upstreams.max_rps",
    "pools.hedge",
    "pools.change_feed",
    "pools.upgrade",
    "pools.health.method",
    "pools.health.path",
    "pools.health.status",
    "pools.health.contains",
    "pools.content_types",
    "pools.content_types.verify",
    "pools.forwarded",
    "pools.trace_context",
    "listeners.listen.address",
    "listeners.listen.unix",
    "listeners.max_request_body",
    "listeners.cache.mode",
    "listeners.cache.rules.path",
    "listeners.cache.rules.content_type",
    "listeners.cache.rules.status",
    "listeners.cache.rules.ttl",
    "listeners.cache.rules.min_ttl",
    "listeners.cache.rules.max_ttl",
    "listeners.cache.rules.stale_while_revalidate",
    "listeners.cache.rules.stale_if_error",
    "listeners.cache.query.include",
    "listeners.cache.disk_quota",
    "listeners.cache.set_cookie",
    "listeners.cache.cookies",
    "listeners.cache.cookies.use",
    "listeners.cache.cookies.key",
    "listeners.cache.range",
    "listeners.cache.shared_stale",
    "listeners.cache.shared",
    "listeners.cache.shared_as",
    "listeners.cache.key_host",
    "listeners.cache.compress.enabled",
    "listeners.auth",
    "listeners.auth.tokens",
    "listeners.cors",
    "listeners.cors.request_fields",
    "listeners.max_in_flight",
    "listeners.rate_limit",
    "listeners.rate_limit.requests",
    "listeners.rate_limit.bytes",
    "listeners.rate_limit.burst",
    "listeners.pace",
    "listeners.public_url",
    "listeners.prewarm.file",
    "listeners.prewarm.nfo",
    "listeners.prewarm.client",
    "listeners.prewarm.language",
    "listeners.prewarm.images",
    "listeners.prewarm.every",
    "listeners.images.convert",
    "listeners.images.derive",
    "listeners.images.max_size",
    "listeners.images.max_size.width",
    "listeners.rules.when.path",
    "listeners.rules.when.scheme",
    "listeners.rules.request",
    "listeners.rules.request.rewrite",
    "listeners.rules.request.rewrite.from",
    "listeners.rules.response",
    "listeners.rules.redirect",
    "listeners.rules.respond",
    "listeners.rules.respond.body",
    "listeners.rules.pool",
    "listeners.rules.upstream",
    "forward_proxies.token",
  ]);
});

Deno.test("jsonSchema() takes the short forms and the registered names", () => {
  const schema = jsonSchema();
  const pools = schema.properties?.pools?.additionalProperties;
  assert.ok(typeof pools === "object");
  const forms = (key: string) => pools.properties?.[key]?.anyOf?.map((form) => form.type);
  assert.deepEqual(forms("health"), ["boolean", "object"]);
  assert.deepEqual(pools.properties?.upstreams?.items?.anyOf?.map((form) => form.type), ["string", "object"]);
  assert.deepEqual(pools.properties?.type?.anyOf?.[0]?.enum, ["tmdb-api", "tmdb-image", "custom"]);
  assert.deepEqual(schema.anyOf, [{ required: ["pools", "listeners"] }, { required: ["include"] }]);
  assert.equal(schema.additionalProperties, false);
  assert.doesNotMatch(JSON.stringify(schema), /shorthand|usual|params/);
});

Deno.test("partJsonSchema() takes pools and listeners as the whole does, needs none of them, and nothing else", () => {
  const [whole, part] = [jsonSchema(), partJsonSchema()];
  assert.deepEqual(Object.keys(part.properties ?? {}), ["pools", "listeners"]);
  assert.deepEqual([part.required, part.anyOf, part.additionalProperties], [undefined, undefined, false]);
  const item = (schema: JsonSchema) => [schema, ...schema.anyOf ?? []].find(({ items }) => items !== undefined)?.items;
  assert.deepEqual(item(part.properties!.listeners!), item(whole.properties!.listeners!));
  assert.deepEqual(part.properties!.pools!.additionalProperties, whole.properties!.pools!.additionalProperties);
});

const reference = configReference();

Deno.test("docs/config.md is what configReference() makes (`deno test -A tests/config/json_schema_test.ts -- --update`)", async () => {
  const file = new URL("../../docs/config.md", import.meta.url);
  if (Deno.args.includes("--update")) await Deno.writeTextFile(file, reference);
  assert.equal(await Deno.readTextFile(file), reference);
});

Deno.test("configReference() links only to headings that it has", () => {
  const anchors = [...reference.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading.toLowerCase().replaceAll(/[^\w -]/g, "").replaceAll(" ", "-")
  );
  const links = [...reference.matchAll(/\]\(#([^)]*)\)/g)].map(([, link]) => link);
  assert.ok(links.length > 10);
  assert.deepEqual(links.filter((link) => !anchors.includes(link ?? "")), []);
});

Deno.test("configReference() opens with a file that works", async () => {
  const [, text = ""] = /```yaml\n([^`]*)```/.exec(reference) ?? [];
  assert.equal((await configOf(text)).listeners.length, 1);
});
