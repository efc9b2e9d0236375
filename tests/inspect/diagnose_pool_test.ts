import assert from "node:assert/strict";
import { type DiagnoseOptions, diagnosePools, type PoolDiagnosis } from "../../lib/inspect/diagnose_pool.ts";
import { freePort } from "../free_port.ts";
import { type ScriptedHandler, startScriptedOrigin } from "../origins/scripted_origin.ts";
import { configOf, type Mapping } from "../gateway/config_of.ts";

const VALID = "0000000000000000000000000000000a";
const INVALID = "0000000000000000000000000000000b";
const SUSPENDED = "0000000000000000000000000000000c";
const LIMITED = "0000000000000000000000000000000d";
const KEYS = [VALID, INVALID, SUSPENDED, LIMITED];

/** As TMDB answers each kind of key. */
const byKey: ScriptedHandler = (exchange) => {
  const { target } = exchange.head;
  const [status, code] = target.includes(VALID)
    ? [200, 1]
    : target.includes(INVALID)
    ? [401, 7]
    : target.includes(SUSPENDED)
    ? [401, 10]
    : [429, 25];
  const fields: [string, string][] = [["content-type", "application/json;charset=utf-8"]];
  return exchange.reply({ status, fields, body: JSON.stringify({ status_code: code, images: {} }) });
};

async function diagnosed(pools: Readonly<Record<string, Mapping>>, more: Partial<DiagnoseOptions> = {}) {
  const [first] = Object.keys(pools);
  const config = await configOf({ pools, listeners: [{ name: "l", listen: "127.0.0.1:6635", pool: first }] });
  return await diagnosePools(config, { pool: null, timeoutMs: 10_000, ...more });
}

async function withOrigin(handler: ScriptedHandler, run: (url: string, targets: () => string[]) => Promise<void>) {
  const origin = await startScriptedOrigin(handler);
  try {
    await run(origin.url, () => origin.heads.map(({ method, target }) => `${method} ${target}`));
  } finally {
    await origin.close();
  }
}

const brief = ({ upstreams, keys }: PoolDiagnosis) => [
  ...upstreams.map(({ findings }) => findings.map(({ check, state }) => `${check} ${state}`)),
  keys.map(({ check, state }) => `${check} ${state}`),
];

Deno.test("diagnosePools() checks the way, the health check and each key, and shows no key", () =>
  withOrigin(byKey, async (url, targets) => {
    const [pool] = await diagnosed({ tmdb: { type: "tmdb-api", api_keys: KEYS, upstreams: [url] } });
    assert.deepEqual(brief(pool!), [["ipv4 ok", "http ok"], ["key 1 ok", "key 2 fail", "key 3 fail", "key 4 warn"]]);
    for (const key of KEYS) assert.equal(JSON.stringify(pool).includes(key), false);
    assert.ok(targets().every((target) => target.startsWith("GET /3/configuration?api_key=")), targets().join("\n"));
    assert.equal(targets().length, 1 + KEYS.length);
  }));

Deno.test("diagnosePools() takes keys to an upstream that is well, and to none that holds keys of its own", () =>
  withOrigin(byKey, async (url) => {
    const dead = `http://127.0.0.1:${freePort()}`;
    const [pool] = await diagnosed({ tmdb: { type: "tmdb-api", api_keys: [VALID], upstreams: [dead, url] } });
    assert.deepEqual(brief(pool!), [["ipv4 fail"], ["ipv4 ok", "http ok"], ["key 1 ok"]]);
    const chained = { type: "tmdb-api", api_keys: [VALID], upstreams: [{ url, usher: true }] };
    const [chain] = await diagnosed({ chained });
    assert.deepEqual(brief(chain!)[1], ["key 1 skip"]);
    const [passing] = await diagnosed({
      tmdb: { type: "tmdb-api", key_mode: "pass", api_keys: [VALID], upstreams: [url] },
    });
    assert.deepEqual(brief(passing!)[1], ["keys skip"]);
  }));

Deno.test("diagnosePools() tells wrong content, with what to do about it", () =>
  withOrigin(
    (exchange) => exchange.reply({ fields: [["content-type", "text/html"]], body: "<html>blocked" }),
    async (url) => {
      const [pool] = await diagnosed({ tmdb: { type: "tmdb-api", upstreams: [url] } });
      assert.deepEqual(brief(pool!), [["ipv4 ok", "http fail"], []]);
      assert.match(pool!.upstreams[0]!.findings[1]!.remedy!, /filter/);
    },
  ));

Deno.test("diagnosePools() ends with an upstream that takes connections and never answers", () =>
  withOrigin(() => new Promise(() => {}), async (url) => {
    const [pool] = await diagnosed({ tmdb: { type: "tmdb-api", upstreams: [url] } }, { timeoutMs: 4_000 });
    assert.deepEqual(brief(pool!), [["ipv4 ok", "http fail"], []]);
    assert.match(pool!.upstreams[0]!.findings[1]!.text, /no answer within 4000 ms/);
  }));

Deno.test("diagnosePools() looks names up as it is told to, and connects to no forged address", () =>
  withOrigin((exchange) => exchange.reply({}), async (url, targets) => {
    const { port } = new URL(url);
    const lookupOf = (family: 4 | 6) => () => Promise.resolve(family === 4 ? ["127.0.0.1"] : []);
    const upstream = { url: `http://api.blocked.example:${port}` };
    const [forged] = await diagnosed({ p: { type: "custom", upstreams: [upstream] } }, { lookupOf });
    assert.deepEqual(brief(forged!)[0], ["name fail"]);
    assert.deepEqual(targets(), []);
    const [pinned] = await diagnosed({ p: { type: "custom", upstreams: [{ ...upstream, resolve: "127.0.0.1" }] } }, {
      lookupOf,
    });
    assert.deepEqual(brief(pinned!)[0], ["ipv4 ok", "http ok"]);
  }));

Deno.test("diagnosePools() looks at one pool where one is named, and leaves out what there is no time for", async () => {
  const dead = `http://127.0.0.1:${freePort()}`;
  const pools = { a: { type: "custom", upstreams: [dead] }, b: { type: "custom", upstreams: [dead] } };
  assert.deepEqual((await diagnosed(pools, { pool: "b" })).map(({ pool }) => pool), ["b"]);
  const [hurried] = await diagnosed(pools, { pool: "a", timeoutMs: 0 });
  assert.deepEqual(hurried!.upstreams[0]!.findings.map(({ check, state }) => `${check} ${state}`), ["time skip"]);
});
