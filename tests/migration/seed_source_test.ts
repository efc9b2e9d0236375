import assert from "node:assert/strict";
import { join } from "node:path";
import { readProcessEnvironment, readSeedSource } from "../../lib/migration/seed_source.ts";

/** Reads a file of this text, with others beside it. */
async function read(name: string, text: string, { env = {}, beside = {}, services = [] }: {
  readonly env?: Readonly<Record<string, string>>;
  readonly beside?: Readonly<Record<string, string>>;
  readonly services?: readonly string[];
} = {}) {
  const folder = await Deno.makeTempDir();
  try {
    const file = join(folder, name);
    for (const [path, content] of Object.entries({ ...beside, [name]: text })) {
      await Deno.writeTextFile(join(folder, path), content);
    }
    return await readSeedSource({ label: name, file, folder, services }, env);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("readSeedSource() reads a .env file", async () => {
  const { services, problems } = await read("seed.env", "PORT=$P\nUPSTREAM_TYPE=custom\nnothing", { env: { P: "80" } });
  assert.equal(services.length, 1);
  assert.deepEqual(services[0]!.variables.get("PORT"), { value: "80", file: "seed.env", line: 1, column: 1 });
  assert.deepEqual(problems.map(({ file, line }) => [file, line]), [["seed.env", 3]]);
});

Deno.test("readSeedSource() takes a text as it takes a file", async () => {
  const { services } = await readSeedSource({ label: "in", file: null, text: "PORT=1", folder: ".", services: [] }, {});
  assert.equal(services[0]!.variables.get("PORT")?.file, "in");
});

const COMPOSE = `
services:
  redis: { image: redis, environment: { PORT: 6379, TMDB_API_KEY: x } }
  api: { environment: { UPSTREAM_TYPE: tmdb-api, PORT: "\${API_PORT}" }, env_file: more.env }
  images: { environment: [UPSTREAM_SERVERS=https://image.tmdb.org] }
  plain: { image: ghcr.io/somebody/proxy-nest/proxy-js:latest }
`;

Deno.test("readSeedSource() finds the seed's services in a Compose file, with .env and env files beside it", async () => {
  const { services, problems } = await read("stack.txt", COMPOSE, {
    beside: { ".env": "API_PORT=7000", "more.env": "TZ=UTC" },
  });
  assert.deepEqual(services.map(({ name }) => name), ["api", "images", "plain"]);
  assert.equal(services[0]!.variables.get("PORT")?.value, "7000");
  assert.deepEqual(services[0]!.variables.get("TZ"), { value: "UTC", file: "more.env", line: 1, column: 1 });
  assert.deepEqual(problems, []);
  const shell = await read("c.yaml", COMPOSE, {
    env: { API_PORT: "8000" },
    beside: { ".env": "API_PORT=7000", "more.env": "" },
  });
  assert.equal(shell.services[0]!.variables.get("PORT")?.value, "8000");
});

Deno.test("readSeedSource() takes the services that are named", async () => {
  const { services } = await read("c.yaml", COMPOSE, { services: ["redis"] });
  assert.deepEqual(services.map(({ name }) => name), ["redis"]);
  await assert.rejects(read("c.yaml", COMPOSE, { services: ["nothing"] }), /c\.yaml has no service "nothing"/);
});

Deno.test("readSeedSource() says why nothing can be read", async () => {
  const cases: ReadonlyArray<readonly [name: string, text: string, message: RegExp]> = [
    ["seed.env", "", /none of the seed's variables in seed\.env/],
    ["seed.env", "FOO=1\n", /none of the seed's variables/],
    ["c.yaml", "version: 3", /has no `services:`/],
    ["c.yaml", "services:\n  a: [", /Cannot read the services of c\.yaml\nc\.yaml:2:/],
    ["c.yaml", "services:\n  a: { environment: { FOO: 1 } }", /No service of c\.yaml sets UPSTREAM_TYPE or/],
  ];
  for (const [name, text, message] of cases) await assert.rejects(read(name, text), message);
  const gone = { label: "gone.env", file: "/nowhere/gone.env", folder: ".", services: [] };
  await assert.rejects(readSeedSource(gone, {}), /Cannot read gone\.env: there is no such file/);
});

Deno.test("readProcessEnvironment() takes the process's variables", () => {
  const { services } = readProcessEnvironment({ PORT: "1", PATH: "/bin" }, "environment");
  assert.deepEqual(services[0]!.variables.get("PORT"), { value: "1", file: "environment", line: 0, column: 0 });
  assert.throws(() => readProcessEnvironment({ PATH: "/bin" }, "environment"), /none of the seed's variables/);
});
