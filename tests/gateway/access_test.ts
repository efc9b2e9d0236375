import assert from "node:assert/strict";
import { compileAuth, compileCors, tokenFields } from "../../lib/gateway/access.ts";
import { Limits, newSharedLimits } from "../../lib/gateway/limits.ts";
import { upstreamTypes } from "../../lib/upstream_type/registry.ts";
import { configOf } from "./config_of.ts";

const TOKEN = "5f3c9a1e7b2d4068aa51c0de93b7f642";

async function listenerOf(keys: Readonly<Record<string, unknown>>) {
  const pool = { type: "custom", upstreams: ["http://127.0.0.1:9"] };
  return (await configOf({ pools: { p: pool }, listeners: [{ name: "l", pool: "p", ...keys }] })).listeners[0]!;
}

function typeOf(name: string) {
  return upstreamTypes.create(name, { apiKeys: [], keyMode: "pass", contentTypes: null, now: () => 0 });
}

Deno.test("compileAuth() closes only what the configuration closes", async () => {
  const limits = new Limits(newSharedLimits(1), 0);
  assert.equal(compileAuth(await listenerOf({}), limits), null);
  const auth = compileAuth(
    await listenerOf({ auth: { tokens: { tv: TOKEN }, path: false, max_failures: 1 } }),
    limits,
  )!;
  assert.equal(auth.path, false);
  auth.failed(["a hash"], "192.0.2.1", 1_000);
  assert.equal(auth.blockedSeconds("192.0.2.1", 1_000), 60);
});

Deno.test("compileCors() goes by the type where the listener says nothing", async () => {
  const silent = await listenerOf({});
  assert.equal(compileCors(silent, typeOf("custom")), null);
  for (const type of ["tmdb-api", "tmdb-image"]) {
    assert.deepEqual(compileCors(silent, typeOf(type))!.fields[0], [
      "access-control-allow-origin",
      "*",
    ]);
  }
  assert.equal(compileCors(await listenerOf({ cors: "pass" }), typeOf("tmdb-api")), null);
  assert.deepEqual(compileCors(await listenerOf({ cors: "off" }), typeOf("tmdb-api"))!.fields, []);
});

Deno.test("tokenFields() knows the tokens of every listener, in the fields that they come in", async () => {
  const pools = { p: { type: "custom", upstreams: ["http://127.0.0.1:9"] } };
  const listener = (name: string, auth?: unknown) => ({
    name,
    prefix: `/${name}`,
    pool: "p",
    ...(auth ? { auth } : {}),
  });
  assert.equal(tokenFields(await configOf({ pools, listeners: [listener("a")] })), null);
  const closed = listener("b", { tokens: { tv: TOKEN }, header: "X-Key", bearer: false });
  const isToken = tokenFields(await configOf({ pools, listeners: [listener("a"), closed] }))!;
  assert.deepEqual(
    [isToken("x-key", TOKEN), isToken("x-key", "other"), isToken("accept", TOKEN), isToken("authorization", TOKEN)],
    [true, false, false, false],
  );
  const pages = [
    `http://g.test/~${TOKEN}/b?x`,
    `http://g.test/b?api_key=${TOKEN}&x`,
    "http://g.test/~someone-or-other/",
  ];
  assert.deepEqual(pages.map((page) => isToken("referer", page)), [true, true, false]);
  const tilde = listener("b", { tokens: { tv: `~${TOKEN}` } });
  const isTilde = tokenFields(await configOf({ pools, listeners: [tilde] }))!;
  assert.deepEqual(
    [`Bearer ~${TOKEN}`, `bearer  ~${TOKEN}, x`, TOKEN].map((value) => isTilde("authorization", value)),
    [
      true,
      true,
      false,
    ],
  );
});
