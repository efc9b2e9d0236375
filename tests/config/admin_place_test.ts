import assert from "node:assert/strict";
import { adminPlace } from "../../lib/config/admin_place.ts";

const DEFAULT = {
  listen: { hostname: "127.0.0.1", port: 6636 },
  token: null,
  dataDir: "/srv/data",
  certificateFile: null,
};

async function placeIn(text: string, files: Record<string, string> = {}) {
  const known: Record<string, string> = { "/srv/config.yaml": text, ...files };
  return await adminPlace("config.yaml", {
    cwd: "/srv",
    env: (name) => name === "PORT" ? "7000" : undefined,
    readTextFile: (path) => known[path] === undefined ? Promise.reject(new Error(path)) : Promise.resolve(known[path]),
  });
}

Deno.test("adminPlace() takes a token that may do everything, of whatever list", async () => {
  const tokens = "tokens: [{ name: a, token: reads, role: read }, { name: b, token: does, role: operate }]";
  assert.equal((await placeIn(`admin: { ${tokens} }`)).token, "does");
  assert.equal((await placeIn(`admin: { token: first, ${tokens} }`)).token, "first");
  assert.equal((await placeIn("admin: { tokens: [{ name: a, token: reads, role: read }] }")).token, null);
});

Deno.test("adminPlace() reads address, token and data_dir in every form that a file may have them", async () => {
  const listen = { hostname: "::1", port: 7000 };
  const expected = { listen, token: "s3cret", dataDir: "/srv/kept", certificateFile: null };
  const forms = [
    `admin:\n  listen: "[::1]:7000"\n  token: s3cret\nserver:\n  data_dir: kept\n`,
    `{"admin":{"listen":"[::1]:7000","token":"s3cret"},"server":{"data_dir":"/srv/kept"}}`,
    'admin: { listen: "[::1]:${PORT}", token: "${TOKEN:-s3cret}" }\nserver: { data_dir: ./kept }\n',
    'x: &place "[::1]:7000"\nadmin: { listen: *place, token: "${file:secret}" }\nserver: { data_dir: kept }\n',
  ];
  for (const form of forms) assert.deepEqual(await placeIn(form, { "/srv/secret": "s3cret\n" }), expected, form);
});

Deno.test("adminPlace() takes what it can of a file that is wrong, and the defaults for the rest", async () => {
  const listen = { hostname: "127.0.0.1", port: 7001 };
  const sound = `admin: { listen: "127.0.0.1:7001" }\n`;
  for (
    const rest of [
      "pools: [",
      "pools: {a: b: c}",
      "x: 'y\n",
      "\t- z\n",
      "admins: 1\nunknown: [1, 2\n",
      "pools:\n - a\n  b\n",
    ]
  ) {
    assert.deepEqual((await placeIn(sound + rest)).listen, listen, rest);
  }
  for (
    const text of [
      "",
      "{{{",
      "[]",
      "- 1",
      "admin: 7",
      "admin: [a]",
      "admin: { listen: here }",
      "admin: &a *a",
      "\u0000",
    ]
  ) {
    assert.deepEqual(await placeIn(text), DEFAULT, JSON.stringify(text));
  }
  assert.deepEqual(await placeIn('admin: { listen: "${NOBODY}:1", token: "${file:none}" }'), DEFAULT);
  assert.deepEqual(await placeIn("x".repeat(2 * 1024 ** 2)), DEFAULT);
  assert.deepEqual(
    await adminPlace("none.yaml", {
      cwd: "/srv",
      env: () => undefined,
      readTextFile: () => Promise.reject(new Error()),
    }),
    DEFAULT,
  );
});

Deno.test("adminPlace() finds the certificate that is shown, in every form of tls", async () => {
  for (
    const tls of ["{ cert: a.pem, key: a.key }", "[{ cert: a.pem, key: a.key }]", "{ certificates: [{ cert: a.pem }] }"]
  ) {
    assert.equal((await placeIn(`admin: { tls: ${tls} }\n`)).certificateFile, "/srv/a.pem", tls);
  }
});
