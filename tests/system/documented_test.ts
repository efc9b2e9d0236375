import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { parse } from "yaml";
import { loadConfig } from "../../lib/config/load.ts";
import { formatLocated } from "../../lib/config/yaml/located.ts";
import { ENDPOINTS } from "../../routes/api/endpoints.ts";
import { madeAuthority } from "../certificates/made.ts";
import { listFiles, readText } from "../house/source_tree.ts";
import { runMany } from "./_command.ts";

/** What people read. */
const PAGES = listFiles().filter((path) => /^(?:README|docs\/|examples\/|CONTRIBUTING).*\.(?:md|yaml)$/.test(path));

/** Command lines in a page, in blocks and in the running text, continued lines joined: the command's name, then the rest. */
function commandLines(page: string): { name: string; rest: string }[] {
  const text = readText(page).replaceAll(/\\\n\s*/g, "");
  return [
    ...text.matchAll(
      /(?:\bdeno(?:@[\d.]+)? task (?:(?:-q|--quiet) )?(?:usher )?|(?:^|[`$] ?)usher )([a-z][a-z-]*)([^\n`|#]*)/gm,
    ),
  ]
    .map(([, name = "", rest = ""]) => ({ name, rest }));
}

Deno.test("docs: every flag of a command that a page names is one of that command's", async () => {
  const named = PAGES.flatMap((page) => commandLines(page).map((line) => ({ page, ...line })));
  const [help] = await runMany([["help"]]);
  const commands = [...help!.stdout.matchAll(/^ {2}([a-z][a-z-]*) {2,}/gm)].map(([, name]) => name!)
    .filter((name) => !["help", "version", "reference"].includes(name));
  const usages = await runMany(commands.map((name) => [name, "--help"]));
  const usageOf = new Map(commands.map((name, at) => [name, usages[at]!.stdout]));
  const used = named.flatMap(({ page, name, rest }) => {
    const usage = usageOf.get(name);
    if (usage === undefined) return [];
    const flags = [...rest.matchAll(/(?<=\s)--([a-z][a-z-]*)/g)].map(([flag]) => flag);
    return flags.map((flag) => ({ page, name, flag, isKnown: new RegExp(`${flag}(?![a-z-])`).test(usage) }));
  });
  assert.ok(used.length > 60, `${used.length} are found`);
  assert.deepEqual(used.filter(({ isKnown }) => !isKnown), []);
});

Deno.test("docs: every path of the admin API that a page names is one, with that method", () => {
  const shapes = ENDPOINTS.map(({ method, path }) => ({
    method,
    shape: new RegExp(`^${path.replaceAll(/\{\w+\}/g, "[^/]+")}$`),
  }));
  const named = PAGES.filter((path) => path.endsWith(".md")).flatMap((page) => {
    const text = readText(page);
    const ofApi = [...text.matchAll(/(?:\b(GET|POST|PUT|DELETE) )?(?:https?:\/\/[\w.:]+)?\/api\/v1(\/[\w/{}<>.-]*)/g)];
    const ofCommand = [...text.matchAll(/deno task (?:-q )?api (?:(GET|POST|PUT|DELETE) )?(\/[\w/{}<>.-]*)/g)];
    return [...ofApi, ...ofCommand.map(([all, method = "GET", path]) => [all, method, path])].map((
      [, method, path = ""],
    ) => ({ page, method, path: path.replace(/[.,]$/, "") }));
  });
  assert.ok(named.length > 20, `${named.length} are found`);
  const unknown = named.filter(({ method, path }) =>
    !shapes.some(({ method: has, shape }) => shape.test(path) && (method === undefined || method === has))
  );
  assert.deepEqual(unknown, []);
});

/** A schema's node as far as it says which keys there are. */
interface Node {
  readonly properties?: Readonly<Record<string, Node>>;
  readonly additionalProperties?: Node | boolean;
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
}

/** Whether a path of keys, without indices and names of pools, is one of a configuration. */
function isKey(node: Node, [key, ...rest]: readonly string[]): boolean {
  if (key === undefined) return true;
  const { properties, additionalProperties, items, anyOf = [] } = node;
  if (properties !== undefined && Object.hasOwn(properties, key) && isKey(properties[key]!, rest)) return true;
  if (
    typeof additionalProperties === "object" &&
    (isKey(additionalProperties, [key, ...rest]) || isKey(additionalProperties, rest))
  ) return true;
  return [...items === undefined ? [] : [items], ...anyOf].some((inner) => isKey(inner, [key, ...rest]));
}

/** Members of `/status`, of TMDB's documents and of spans, which look the same. */
const OTHERS = [
  ...["cache.disk_problem", "cache.kv_file", "cache.purge_rules", "cache.memory.evictions"],
  ...["images.base_url", "images.secure_base_url", "images.logos", "images.posters", "server.address"],
];

Deno.test("docs: every key of the configuration that a page names by its path is one", () => {
  const schema = parse(readText("config.schema.json")) as Node;
  const sections = Object.keys(schema.properties!).join("|");
  const named = PAGES.filter((path) => path.endsWith(".md")).flatMap((page) =>
    [
      ...readText(page).matchAll(
        new RegExp(`\`((?:${sections})(?:\\[\\]|\\.\\*)?(?:\\.[a-z_]+(?:\\[\\])?)+)(?=[\`:])`, "g"),
      ),
    ]
      .map(([, path = ""]) => ({ page, path }))
  );
  assert.ok(named.length > 60, `${named.length} are found`);
  const unknown = named.filter(({ path }) => {
    const keys = path.replaceAll(/\[\]|\.\*/g, "").split(".");
    // A listener's own `cache` and `images` are called by that name alone.
    return !isKey(schema, keys) && !isKey(schema, ["listeners", ...keys]) && !OTHERS.includes(path);
  });
  assert.deepEqual(unknown, []);
});

Deno.test("docs: every series that a page names stands in docs/metrics.md", () => {
  const known = new Set(
    [...readText("docs/metrics.md").matchAll(/^\| `(usher_\w+|process_\w+)`/gm)].map(([, name]) => name!),
  );
  const renamed = /## Series that have other names now[\s\S]*?(?=\n## |$(?![\s\S]))/;
  const named = PAGES.filter((path) => path.endsWith(".md")).flatMap((page) =>
    [...readText(page).replace(renamed, "").matchAll(/\busher_(?!token\b)[a-z_]+(?<!_)(?![a-z_…]|\.)/g)].map((
      [name],
    ) => ({
      page,
      name,
    }))
  );
  const isKnown = (name: string) => known.has(name) || known.has(name.replace(/_(?:bucket|sum|count)$/, ""));
  assert.deepEqual(named.filter(({ name }) => !isKnown(name)), []);
});

Deno.test("docs: every YAML block can be read, and loads where it is a whole configuration", async () => {
  const { cert, key } = await (await madeAuthority()).leaf(["usher.example.com", "films.example"]);
  const secret = (name: string) => createHash("md5").update(name).digest("hex");
  let whole = 0;
  for (const page of PAGES.filter((path) => path.endsWith(".md"))) {
    for (const [, block = ""] of readText(page).matchAll(/^ *```yaml\n([\s\S]*?)^ *```/gm)) {
      const found = parse(block, { merge: true });
      if (found?.pools === undefined || found.listeners === undefined) continue;
      whole++;
      const loaded = await loadConfig("config.yaml", {
        readTextFile: (path) => {
          if (path.endsWith("config.yaml")) return Promise.resolve(block);
          return Promise.resolve(/key/.test(path) ? key : /\.pem$/.test(path) ? cert : secret(path));
        },
        env: secret,
        cores: 2,
        cwd: "/etc/usher",
      });
      assert.ok(loaded.ok, loaded.ok ? "" : `${page}\n${block}\n${loaded.problems.map(formatLocated).join("\n")}`);
    }
  }
  assert.ok(whole > 25, `${whole} are found`);
});
