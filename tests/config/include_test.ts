import assert from "node:assert/strict";
import { join } from "node:path";
import { loadConfig } from "../../lib/config/load.ts";
import { formatLocated } from "../../lib/config/yaml/located.ts";
import { fileMode, listFolder, readText } from "../../lib/config/yaml/read_text.ts";
import { makeLinks } from "../symlinks.ts";
import { configOf, loadText, problemsOf, type Surroundings, warningsOf } from "./load_text.ts";

const pool = (name: string) => `pools:\n  ${name}: { type: custom, upstreams: ["https://${name}.example"] }\n`;
const listener = (name: string, of = name) => `listeners:\n  - { name: ${name}, prefix: /${name}, pool: ${of} }\n`;
const part = (name: string) => pool(name) + listener(name);

/** Files below /etc/usher. */
function beside(files: Record<string, string>, rest: Omit<Surroundings, "files"> = {}): Surroundings {
  const entries = Object.entries(files).map((
    [name, text],
  ) => [name.startsWith("/") ? name : `/etc/usher/${name}`, text]);
  return { files: Object.fromEntries(entries), ...rest };
}

const TENANTS = {
  "tenants/b.yaml": part("b"),
  "tenants/a.yaml": part("a"),
  "tenants/.hidden.yaml": "server: {}\n",
  "tenants/notes.txt": "no yaml: [",
  "conf.d/z.yml": part("z"),
  "conf.d/deep/y.yaml": "no yaml: [",
  "more/one/usher.yaml": part("one"),
  "more/two/usher.yaml": part("two"),
  "/srv/far.yaml": part("far"),
};

Deno.test("include: takes files, globs and folders, each file once, in order", async () => {
  const names = async (include: string, more = "") => {
    const { listeners, pools } = await configOf(`include: ${include}\n${more}`, beside(TENANTS));
    assert.deepEqual(pools.map(({ name }) => name), listeners.map(({ name }) => name));
    return listeners.map(({ name }) => name).join(" ");
  };
  assert.equal(await names("tenants/*.yaml"), "a b");
  assert.equal(await names("[conf.d/, ./tenants/b.yaml, tenants]"), "z b a");
  assert.equal(await names("[more/*/usher.yaml]", part("main")), "main one two");
  assert.equal(await names('["*/o*/*", /srv/far.yaml, /etc/usher/tenants/a*]'), "one far a");
  assert.equal(await names("[../usher/*.yaml, conf.d]", part("main")), "main z", "the main file is not its own part");
});

Deno.test("include: a folder without files is fine, one that is missing is not", async () => {
  const around = beside({ "empty/.keep": "", "comments/a.yaml": "# all switched off\n#pools: {}\n" });
  const { listeners } = await configOf(`include: [empty, empty/*.yaml, comments/]\n${part("a")}`, around);
  assert.equal(listeners.length, 1);
  assert.deepEqual(
    await problemsOf(`include: [empty, gone/*.yaml, gone.yaml, config.yaml, "a/**/b"]\n${part("a")}`, around),
    [
      '1:18 include[1]: found "gone/*.yaml" expected files of a folder that can be read, but of "gone/" there is no such file',
      '1:31 include[2]: found "gone.yaml" expected a file or a folder that can be read, but there is no such file',
      '1:42 include[3]: found "config.yaml" expected another file: this one cannot include itself',
      '1:55 include[4]: found "a/**/b" expected a glob whose * stands for a part of one name: ** is not known',
    ],
  );
});

Deno.test("include: every mistake stands at its place in its own file, the main file's first", async () => {
  const around = beside({
    "t/a.yaml": "pools:\n  main: { type: custom, upstreams: [https://x.example] }\n" +
      "listeners:\n  - { name: main, prefix: /a, pool: main }\n  - { nme: q, prefix: /q, pool: nowhere }\n",
    "t/b.yaml": "server: { workers: 1 }\ninclude: c.yaml\nlistener: []\npools: [1]\n",
    "t/c.yaml": "- just a list\n",
    "t/d.yaml": `${pool("d")}listeners:\n  - { name: d, prefix: /main, pool: main, cache: { mode: nope } }\n`,
  });
  const result = await loadText(`include: t/\n${part("main")}logging: { level: "\${NONE}" }\n`, around);
  assert.ok(!result.ok);
  const short = result.problems.map((problem) => formatLocated(problem).replace(/ expected one of name, .*;/, " …"));
  assert.deepEqual(short, [
    "config.yaml:6:19 logging.level: found ${NONE}, which is not set, expected the environment variable NONE: set it, " +
    "or give a default with ${NONE:-default}",
    't/a.yaml:2:3 pools.main: found the pool "main" a second time expected it once (first in config.yaml line 3)',
    't/a.yaml:4:13 listeners[0].name: found "main" expected a name of its own (listeners[0] in config.yaml line 5 has it too)',
    't/a.yaml:5:7 listeners[1].nme: found unknown key "nme" … did you mean "name"?',
    't/a.yaml:5:33 listeners[1].pool: found "nowhere" expected the name of a pool: main, d',
    't/b.yaml:1:1 server: found key "server" expected one of pools, listeners: what is about the process stands in config.yaml alone',
    't/b.yaml:2:1 include: found key "include" expected one of pools, listeners: an included file includes no others',
    't/b.yaml:3:1 listener: found key "listener" expected one of pools, listeners; did you mean "listeners"?',
    "t/b.yaml:4:1 pools: found no mapping expected a mapping of pool names and pools",
    "t/c.yaml:1:1: found no mapping expected one with pools, listeners",
    't/d.yaml:4:24 listeners[0].prefix: found "/main" expected a prefix that no other listener has on this address and ' +
    "host (listeners[0] in config.yaml line 5 has it)",
    't/d.yaml:4:58 listeners[0].cache.mode: found "nope" expected one of rfc9111, ttl, off',
  ]);
});

Deno.test("include: mistakes of syntax in all files come together, and hide what follows from them", async () => {
  const around = beside({ "t/a.yaml": "pools: [\n", "t/b.yaml": "a\ufffd", "t/c.yaml": part("c") });
  const result = await loadText(`include: t\n${listener("main", "a")}`, around);
  assert.ok(!result.ok);
  assert.deepEqual(result.problems.map(({ file }) => file), ["t/a.yaml", "t/b.yaml"]);
  assert.match(
    result.problems.map(formatLocated).join("\n"),
    /^t\/a\.yaml:2:1: found no end of a list.*\nt\/b\.yaml: cannot/,
  );
});

Deno.test("include: secrets and relative paths of a part are those of the whole, its values never shown", async () => {
  const around = beside({
    "t/a.yaml": `${pool("a")}listeners:\n  - { name: a, pool: a, auth: { tokens: { tv: "\${file:secrets/tv}" } } }\n`,
    "secrets/tv": "hunter2",
  });
  const result = await loadText("include: t\n", around);
  assert.ok(!result.ok);
  const text = result.problems.map(formatLocated).join("\n");
  assert.match(
    text,
    /^t\/a\.yaml:4:47 listeners\[0\]\.auth\.tokens\.tv: found \$\{file:secrets\/tv\} expected a token/,
  );
  assert.doesNotMatch(text, /hunter2/);
});

Deno.test("include: all files share the limits of one configuration", async () => {
  const many = Object.fromEntries(Array.from({ length: 1_001 }, (_, index) => [`t/${index}.yaml`, "{}"]));
  assert.match((await problemsOf(`include: t\n${part("a")}`, beside(many))).join(), /at most 1000 files/);
  const large = Object.fromEntries(Array.from({ length: 9 }, (_, at) => [`t/${at}.yaml`, `#${"x".repeat(1_000_000)}`]));
  assert.match((await problemsOf(`include: t\n${part("a")}`, beside(large))).join(), /all files together hold more/);
  const values = `x: [${"1,".repeat(40_000)}]\n`;
  const heavy = beside({ "t/a.yaml": values, "t/b.yaml": values, "t/c.yaml": values });
  assert.match((await problemsOf(`include: t\n${part("a")}`, heavy)).join(), /t\/c\.yaml:.* more than 100000 values/);
});

Deno.test("loadConfig() warns of secrets in files that everybody may read, once a file, with the file's name", async () => {
  const secret =
    `${part("a")}    auth: { tokens: { tv: 5f3c9a1e7b2d4068aa51c0de93b7f642 } }\n`.replace("pool: a }", "pool: a,") +
    "  }\n";
  const text = `include: t\nadmin: { token: literal-0123456789 }\n${part("m")}`;
  const files = { "t/a.yaml": secret.replace("\n    auth", " auth") };
  const warned = (main: number, included: number) =>
    warningsOf(text, beside(files, { modes: { "/etc/usher/config.yaml": main, "/etc/usher/t/a.yaml": included } }));
  assert.deepEqual(await warned(0o640, 0o600), []);
  const lines = await warned(0o644, 0o604);
  assert.equal(lines.length, 2);
  assert.match(
    lines[0]!,
    /^2:17 admin\.token: the secret stands in a file .* \(its mode is 0644\): chmod 640 config\.yaml/,
  );
  assert.match(lines[1]!, /^t\/a\.yaml:4:\d+ listeners\[0\]\.auth\.tokens\.tv: .* 0604\): chmod 640 t\/a\.yaml/);
  assert.doesNotMatch(lines.join(), /literal-|5f3c/);
});

Deno.test("loadConfig() takes for secrets what is one, and not what comes from elsewhere", async () => {
  const modes = { "/etc/usher/config.yaml": 0o644 };
  const env = { T: "literal-0123456789" };
  const isWarned = async (text: string, base = part("a")) =>
    (await warningsOf(text + base, { modes, env })).some((line) => line.includes("secret stands"));
  const traced = "tracing: { endpoint: 'http://127.0.0.1:4318/v1/traces', headers: { x-any: abc } }\n";
  for (
    const own of [traced, "admin: { token: x }\n", "admin: { peers: [{ url: http://10.0.0.2:6636, token: x }] }\n"]
  ) {
    assert.ok(await isWarned(own), own);
  }
  const upstream = (rest: string) =>
    part("a").replace('["https://a.example"]', `[{ url: https://a.example, ${rest} }]`);
  assert.ok(await isWarned("", upstream("proxy: socks5://me:pass@10.0.0.1:1080")));
  assert.ok(!await isWarned("", upstream("proxy: socks5://10.0.0.1:1080")));
  const health = (fields: string) => part("a").replace(" }\nl", `, health: { path: /, fields: { ${fields} } } }\nl`);
  assert.ok(await isWarned("", health("X-Api-Key: abc")));
  assert.ok(!await isWarned("", health("Accept: text/html")));
  assert.ok(!await isWarned('admin: { token: "${T}" }\n'));
});

Deno.test("include: works on real folders: links are followed, what cannot be read is said", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(join(folder, "t"));
    await Deno.mkdir(join(folder, "real"));
    await Deno.writeTextFile(join(folder, "real/a.yaml"), part("a"));
    await makeLinks({
      [join(folder, "t/link")]: join(folder, "real"),
      [join(folder, "t/a.yaml")]: "../real/a.yaml",
      [join(folder, "t/b.yaml")]: "nowhere.yaml",
    });
    await Deno.writeTextFile(join(folder, "config.yaml"), "include: t/\n");
    await Deno.writeTextFile(join(folder, "other.yaml"), "include: [t/*/a.yaml]\n");
    const deps = { readTextFile: readText, fileMode, listFolder, env: () => undefined, cores: 1, cwd: folder };
    const result = await loadConfig("config.yaml", deps);
    assert.deepEqual(result.ok || result.problems.map(formatLocated), [
      "t/b.yaml: cannot read the configuration: there is no such file",
    ]);
    const other = await loadConfig("other.yaml", deps);
    assert.equal(other.ok && other.config.listeners[0]?.name, "a");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
