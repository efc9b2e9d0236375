import assert from "node:assert/strict";
import { formatListenAddress } from "../../lib/config/addresses.ts";
import { loadConfig, type LoadResult } from "../../lib/config/load.ts";
import { type JsonSchema, jsonSchema } from "../../lib/config/json_schema.ts";
import { formatLocated } from "../../lib/config/yaml/located.ts";
import { parseText } from "../../lib/config/yaml/parse.ts";
import { buildTree, isMapping, type TreeValue } from "../../lib/config/yaml/tree.ts";
import { madeAuthority } from "../certificates/made.ts";
import { CERTIFICATE } from "./_certificate.ts";
import { integer, seededRandom } from "../seeded_random.ts";
import { configOf, SOUND } from "./load_text.ts";

const made = await (await madeAuthority()).leaf(["usher.example"]);

const example = await Deno.readTextFile(new URL("../../config.example.yaml", import.meta.url));

/** The example with every line that is switched off (`#key`, no space between) switched on. */
const everything = example.replaceAll(/^( *)#(?=[^ \n]| {2})/gm, "$1");

/** What has no default has to be set. */
const REQUIRED: Readonly<Record<string, string>> = {
  GRAFANA_TOKEN: "set",
  CLUSTER_SECRET: "9b1c5a7e3f2d48608a1c7e5b3d9f0246",
  VALKEY_PASSWORD: "valkey-password",
  VALKEY_CACHE_PASSWORD: "valkey-cache-password",
  SENTINEL_PASSWORD: "sentinel-password",
};

/** Ways to name an engine that are not shown, since one excludes the other, or since the other engine shows them. */
const OTHER_WAYS = /[.]engine[.](?:url|nodes)$|^cluster[.]engine[.]/;

function load(text: string, env: (name: string) => string | undefined = (name) => REQUIRED[name]): Promise<LoadResult> {
  const files: Record<string, string> = {
    "/x/config.yaml": text,
    "/x/ca.pem": CERTIFICATE,
    ...Object.fromEntries(["cert.pem", "other.pem", "admin.pem"].map((name) => [`/x/tls/${name}`, made.cert])),
    ...Object.fromEntries(["key.pem", "other.key", "admin.key"].map((name) => [`/x/tls/${name}`, made.key])),
    "/run/secrets/living_room": "5f3c9a1e7b2d4068aa51c0de93b7f642",
    "/run/secrets/kodi": "e0d1c2b3a495867768594a3e2d1c6f0b",
  };
  const readTextFile = (path: string) => {
    const found = files[path];
    return found === undefined ? Promise.reject(new Deno.errors.NotFound()) : Promise.resolve(found);
  };
  return loadConfig("config.yaml", { readTextFile, env, cores: 2, cwd: "/x" });
}

/** The problems of a text as lines. */
function lines(result: LoadResult): string[] {
  return result.ok ? result.warnings.map(formatLocated) : result.problems.map(formatLocated);
}

/** One key of the example where it stands first. */
interface Shown {
  readonly value: TreeValue;
  /** The line that it stands in, with its comment. */
  readonly line: string;
}

/** Every key of the example with what is shown for it first; indices and names of pools are left out of its path. */
function shownKeys(text: string): Map<string, Shown> {
  const parsed = parseText(text);
  assert.ok(parsed.ok);
  const tree = buildTree(parsed, { env: () => "set", file: () => ({ problem: "" }) });
  const shown = new Map<string, Shown>();
  const visit = (value: TreeValue, path: readonly (string | number)[]): void => {
    const isPool = path[0] === "pools" && path.length === 2;
    const key = path.filter((step, depth) =>
      typeof step === "string" && !(path[0] === "pools" && depth === 1) && !/^[45]\d\d$/.test(step)
    ).join(".");
    const position = tree.keyPosition(path);
    if (position !== undefined && !isPool && !shown.has(key)) {
      shown.set(key, { value, line: text.split("\n")[position.line - 1] ?? "" });
    }
    if (Array.isArray(value)) value.forEach((item, index) => visit(item, [...path, index]));
    else if (isMapping(value)) { for (const [name, item] of Object.entries(value)) visit(item, [...path, name]); }
  };
  visit(tree.root, []);
  return shown;
}

/** Every key of the schema by its path. */
function schemaKeys(schema: JsonSchema, path = "", found = new Map<string, JsonSchema>()): Map<string, JsonSchema> {
  for (const form of [schema, ...schema.anyOf ?? []]) {
    for (const [key, value] of Object.entries(form.properties ?? {})) {
      found.set(path + key, value);
      schemaKeys(value, `${path}${key}.`, found);
      if (OTHER_WAYS.test(path + key)) found.delete(path + key);
    }
    if (form.items !== undefined) schemaKeys(form.items, path, found);
    if (typeof form.additionalProperties === "object") schemaKeys(form.additionalProperties, path, found);
  }
  return found;
}

Deno.test("config.example.yaml works as it is, with nothing set, on the seed's port", async () => {
  const result = await load(example);
  assert.deepEqual(lines(result), []);
  assert.ok(result.ok);
  assert.deepEqual(result.config.listeners.map(({ listen, prefix }) => formatListenAddress(listen) + prefix), [
    "0.0.0.0:6635/3",
    "0.0.0.0:6635/4",
    "0.0.0.0:6635/t/p",
  ]);
  assert.deepEqual(result.config.pools[0]?.apiKeys, []);
  assert.equal(example.split("\n")[0], "# yaml-language-server: $schema=./config.schema.json");
});

Deno.test("config.example.yaml works with everything in it switched on", async () => {
  assert.notEqual(everything, example);
  const result = await load(everything);
  assert.deepEqual(lines(result), []);
  assert.ok(result.ok && result.config.pools.some(({ type }) => type === "custom"));
});

Deno.test("config.example.yaml shows every key of the schema and no other", () => {
  const shown = [...shownKeys(everything).keys()].filter((key) =>
    !/^(?:tracing.(?:headers|resource)|pools.health.fields|listeners.auth.tokens|listeners.overrides.(?:query|merge))[.]/
      .test(key) &&
    !/^listeners.rules.(?:when.(?:query|header)|request.(?:query.set|set|add)|response.(?:set|add))[.]/.test(key)
  );
  assert.deepEqual(shown.sort(), [...schemaKeys(jsonSchema()).keys()].sort());
});

Deno.test("config.example.yaml shows each default, or says it beside the value", () => {
  const shown = shownKeys(everything);
  for (const [key, schema] of schemaKeys(jsonSchema())) {
    const { value, line } = shown.get(key) ?? assert.fail(`${key} is not shown`);
    const isMappingDefault = isMapping(schema.default) && isMapping(value) && key !== "pools.health.fields";
    if (schema.default === undefined || isMappingDefault) continue;
    const text = typeof schema.default === "string" ? schema.default : JSON.stringify(schema.default);
    const isShown = JSON.stringify(value) === JSON.stringify(schema.default);
    assert.ok(isShown || line.includes(`default ${text}`), `${key}: the default is ${text}, the example says: ${line}`);
  }
});

Deno.test("config.example.yaml means the defaults wherever it does not say otherwise", async () => {
  const result = await load(example);
  assert.ok(result.ok);
  const standard = await configOf(SOUND);
  const { config } = result;
  assert.deepEqual(config.server, { ...standard.server, workers: 2, dataDir: "/x/data" });
  assert.deepEqual([config.admin, config.logging, config.cache], [standard.admin, standard.logging, standard.cache]);
  for (const pool of config.pools) {
    const { name, type, upstreams } = pool;
    assert.deepEqual(pool, { ...standard.pools[0], name, type, upstreams });
    for (const upstream of upstreams) {
      const { url } = upstream;
      assert.deepEqual(upstream, { ...standard.pools[0]?.upstreams[0], url, id: url });
    }
  }
  for (const listener of config.listeners) {
    const { name, pool, prefix } = listener;
    assert.deepEqual(listener, { ...standard.listeners[0], name, pool, prefix });
  }
});

/** One random change of a text: characters or lines lost, doubled, swapped or replaced by something else. */
function mutate(text: string, random: () => number): string {
  const odd = [
    "5",
    "-1",
    "~",
    "[]",
    "{}",
    "${X}",
    "${file:/x}",
    "${X:-9}",
    "&a",
    "*a",
    "<<: *a",
    "__proto__: 1",
    "\t",
    "\0",
    "'",
    '"',
    "30",
    "1e99",
  ];
  const at = integer(random, text.length);
  const lines = text.split("\n");
  const line = integer(random, lines.length);
  const [key = ""] = (lines[line] ?? "").split(":");
  switch (integer(random, 6)) {
    case 0:
      return text.slice(0, at) + text.slice(at + 1 + integer(random, 20));
    case 1:
      return text.slice(0, at) + odd[integer(random, odd.length)] + text.slice(at);
    case 2:
      return lines.toSpliced(line, 1).join("\n");
    case 3:
      return lines.toSpliced(line, 0, lines[integer(random, lines.length)] ?? "").join("\n");
    case 4:
      return lines.toSpliced(line, 1, `${key}: ${odd[integer(random, odd.length)]}`).join("\n");
    default:
      return text.slice(0, at) + String.fromCharCode(integer(random, 128)) + text.slice(at + 1);
  }
}

Deno.test("loadConfig() never throws on a mutated file: it gives a configuration or located problems (seeded)", async () => {
  const random = seededRandom(3);
  const counts = { sound: 0, refused: 0 };
  for (let round = 0; round < 400; round++) {
    let text = everything;
    for (let change = integer(random, 4); change >= 0; change--) text = mutate(text, random);
    const result = await load(text, round % 2 === 0 ? () => "hunter2" : undefined);
    counts[result.ok ? "sound" : "refused"]++;
    if (result.ok) continue;
    assert.ok(result.problems.length > 0, text);
    const last = text.split("\n").length;
    for (const { line, column, message } of result.problems) {
      assert.ok(line >= 1 && line <= last && column >= 1, `${line}:${column} of ${last} lines`);
      assert.match(message, /^found [^]* expected /);
    }
    assert.doesNotMatch(lines(result).join("\n"), /hunter2/);
  }
  assert.ok(counts.sound > 20 && counts.refused > 100, JSON.stringify(counts));
});
