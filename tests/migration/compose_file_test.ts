import assert from "node:assert/strict";
import { formatLocated } from "../../lib/config/yaml/located.ts";
import { readComposeFile } from "../../lib/migration/compose_file.ts";

/** Reads a Compose file that stands in /srv, with files beside it. */
async function read(text: string, { env = {}, files = {} }: {
  readonly env?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
} = {}) {
  const { services, problems } = await readComposeFile({ label: "compose.yaml", folder: "/srv" }, text, {
    env: (name) => env[name],
    readTextFile: (path) =>
      files[path] === undefined ? Promise.reject(new Deno.errors.NotFound(path)) : Promise.resolve(files[path]),
  });
  const values = (index = 0) =>
    Object.fromEntries([...services[index]!.variables].map(([name, { value }]) => [name, value]));
  return { services, values, problems: problems.map(formatLocated) };
}

Deno.test("readComposeFile() reads a mapping and a list alike, each value as it is written", async () => {
  const { services, values, problems } = await read(
    `
services:
  map:
    image: proxy
    environment:
      PORT: 6635
      ALPHA_INITIAL: 0.50
      CACHE_ENABLED: false
      TZ: "Asia/Shanghai"
      EMPTY: ""
      PASSED:
      UNSET:
  list:
    environment:
      - PORT=6635
      - URL=http://a?b=c
      - "QUOTED=a b"
      - PASSED
      - UNSET
`,
    { env: { PASSED: "yes" } },
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(services.map(({ name, image }) => [name, image]), [["map", "proxy"], ["list", null]]);
  assert.deepEqual(values(0), {
    ...{ PORT: "6635", ALPHA_INITIAL: "0.50", CACHE_ENABLED: "false", TZ: "Asia/Shanghai", EMPTY: "", PASSED: "yes" },
  });
  assert.deepEqual(values(1), { PORT: "6635", URL: "http://a?b=c", QUOTED: "a b", PASSED: "yes" });
  assert.deepEqual(services[0]!.variables.get("PORT"), { value: "6635", file: "compose.yaml", line: 6, column: 13 });
  assert.deepEqual(services[1]!.variables.get("PORT"), { value: "6635", file: "compose.yaml", line: 15, column: 9 });
});

Deno.test("readComposeFile() puts variables in, and follows anchors and merges", async () => {
  const { values, problems } = await read(
    `
x-common: &common { TZ: UTC, PORT: "1" }
services:
  a:
    environment: &env
      <<: *common
      PORT: "\${PORT:-6635}"
      KEY: $KEY
      PRICE: $$5
  b:
    environment:
      <<: [*env, *common]
      TZ: CET
  c:
    environment: *env
`,
    { env: { KEY: "k" } },
  );
  assert.deepEqual(values(0), { TZ: "UTC", PORT: "6635", KEY: "k", PRICE: "$5" });
  assert.deepEqual(values(1), { TZ: "CET", PORT: "6635", KEY: "k", PRICE: "$5" });
  assert.deepEqual(values(2), values(0));
  assert.deepEqual(problems, []);
});

Deno.test("readComposeFile() reads env files before environment, in every form, and says which are missing", async () => {
  const { services, values, problems } = await read(
    `
services:
  one: { env_file: a.env, environment: { B: mine } }
  many: { env_file: [a.env, /etc/b.env, gone.env] }
  long:
    env_file:
      - path: ./a.env
      - { path: nowhere.env, required: false }
`,
    { files: { "/srv/a.env": "A=1\nB=2\nbad", "/etc/b.env": "B=3" } },
  );
  assert.deepEqual(values(0), { A: "1", B: "mine" });
  assert.deepEqual(values(1), { A: "1", B: "3" });
  assert.deepEqual(values(2), { A: "1", B: "2" });
  assert.deepEqual(services[0]!.variables.get("A"), { value: "1", file: "a.env", line: 1, column: 1 });
  assert.equal(problems.filter((line) => line.includes("a.env:3:1: found a line")).length, 3);
  assert.deepEqual(problems.filter((line) => !line.includes("a.env")), [
    "compose.yaml:4:41 env_file: cannot read gone.env: there is no such file",
  ]);
});

Deno.test("readComposeFile() knows which port of the host leads to which of the service", async () => {
  const { services } = await read(`
services:
  a:
    ports:
      - "6636:6635"
      - 127.0.0.1:81:80/tcp
      - 53:5353/udp
      - "90-91:90-91"
      - "8080"
      - { target: 443, published: "8443" }
      - { target: 444, published: 8444, host_ip: 127.0.0.1 }
      - "[::1]:82:82"
      - "0.0.0.0:83:83"
`);
  const { published, localPorts } = services[0]!;
  assert.deepEqual([...published], [[6635, 6636], [80, 81], [443, 8443], [444, 8444], [82, 82], [83, 83]]);
  assert.deepEqual([...localPorts], [81, 8444, 82]);
});

Deno.test("readComposeFile() says what it cannot follow, and where", async () => {
  const { problems } = await read(`
include: [other.yaml]
services:
  a:
    extends: { service: b }
    environment: { A: "\${B}", C: "\${D" }
`);
  assert.equal(problems.length, 4);
  assert.match(problems[0]!, /^compose.yaml:2:1 include: found another file/);
  assert.match(problems[1]!, /services.a.extends/);
  assert.match(problems[2]!, /^compose.yaml:6:23: found \$B, which is not set/);
  assert.match(problems[3]!, /^compose.yaml:6:34: found an unreadable/);
});

Deno.test("readComposeFile() answers with problems whatever it is given", async () => {
  for (
    const text of ["", "a", "[]", "services:", "services: 5", "services: [a]", "a: [", "services: { a: *b }", "\0"]
  ) {
    const { services, problems } = await read(text);
    assert.equal(services.length, 0, text);
    if (!/\*b/.test(text)) assert.ok(problems.length > 0, text);
  }
  const odd = await read("services: { a: { environment: [1, [2], { b: c }, ~], env_file: { path: [] }, ports: x } }");
  assert.deepEqual([...odd.services[0]!.variables.keys()], []);
});

Deno.test("readComposeFile() stops where merges stand for more than any memory holds", async () => {
  const levels = Array.from(
    { length: 25 },
    (_, n) => `  l${n + 1}: &l${n + 1} { <<: [${Array(9).fill(`*l${n}`).join(", ")}], K${n}: 1 }`,
  );
  const text = ["x:", "  l0: &l0 { A: 1 }", ...levels, "services:", "  s:", "    environment: *l25"].join("\n");
  const { services } = await read(text);
  assert.ok(services.length <= 1);
});
