import assert from "node:assert/strict";
import { join } from "node:path";
import type { Config } from "../../../lib/config/config.ts";
import type { LogFields } from "../../../lib/logging/log_line.ts";
import type { Logger } from "../../../lib/logging/logger.ts";
import { loadConfig } from "../../../lib/config/load.ts";
import { formatLocated } from "../../../lib/config/yaml/located.ts";
import { fileMode, readText } from "../../../lib/config/yaml/read_text.ts";
import {
  CertificateKeeper,
  certificateMetrics,
  certificateStatus,
  usedCertificates,
  worseCertificates,
} from "../../../lib/workers/supervisor/certificate_keeper.ts";
import { DAY_MS, madeAuthority, type MadeCertificate } from "../../certificates/made.ts";

const authority = await madeAuthority();

/** A keeper over real files; `look` is what its timer does. */
async function keeping(options: { now?: () => number; refuses?: string } = {}) {
  const directory = await Deno.makeTempDir();
  const put = async (name: string, { cert, key }: MadeCertificate, mode = 0o600) => {
    await Deno.writeTextFile(join(directory, `${name}.pem`), cert);
    await Deno.writeTextFile(join(directory, `${name}.key`), key);
    await Deno.chmod(join(directory, `${name}.key`), mode);
  };
  await put("a", await authority.leaf(["a.example"]));
  await put("b", await authority.leaf(["b.example"]));
  const pair = (name: string) => `{ cert: ${directory}/${name}.pem, key: ${directory}/${name}.key }`;
  const file = join(directory, "config.yaml");
  await Deno.writeTextFile(
    file,
    `admin: { tls: ${pair("a")} }\npools: { a: { type: custom, upstreams: [https://one.example] } }\n` +
      `listeners: [ { name: a, pool: a, tls: [ ${pair("a")}, ${pair("b")} ] } ]\n`,
  );
  const load = async () => {
    const loaded = await loadConfig(file, {
      readTextFile: readText,
      fileMode,
      env: () => undefined,
      cores: 1,
      cwd: directory,
    });
    assert.ok(loaded.ok, loaded.ok ? "" : loaded.problems.map(formatLocated).join());
    return loaded.config;
  };
  const state = { config: await load(), brought: 0, lines: [] as string[] };
  const write = (level: string) => (message: string, _fields?: LogFields) =>
    void state.lines.push(`${level} ${message}`);
  const keeper = new CertificateKeeper({
    config: () => state.config,
    inTurn: (work) => work(),
    bring(config: Config) {
      if (options.refuses !== undefined) return Promise.resolve(options.refuses);
      state.config = config;
      state.brought++;
      return Promise.resolve(null);
    },
    logger: { debug() {}, info: write("info"), warn: write("warn"), error: write("error"), write() {} } as Partial<
      Logger
    > as Logger,
    ...options,
  });
  // As often as a change takes to be noticed and to lie still.
  const look = async () => {
    for (let times = 0; times < 3; times++) await keeper.look();
  };
  await look();
  return {
    directory,
    put,
    state,
    look,
    load,
    [Symbol.asyncDispose]: () => Deno.remove(directory, { recursive: true }),
  };
}

function namesOf(config: Config): string[] {
  return usedCertificates(config).flatMap(({ certificate }) => certificate.names);
}

Deno.test("CertificateKeeper exchanges what has changed, everywhere that it is named, and nothing without a change", async () => {
  await using keeper = await keeping();
  const { state, look, put } = keeper;
  assert.equal(state.brought, 0);
  await put("a", await authority.leaf(["new.example"]));
  await look();
  assert.equal(state.brought, 1);
  assert.deepEqual(namesOf(state.config), ["new.example", "b.example"]);
  assert.deepEqual(state.config.admin.tls?.certificates[0]?.names, ["new.example"]);
  assert.deepEqual(state.lines, ["info Certificates exchanged"]);
  await look();
  assert.equal(state.brought, 1);
});

Deno.test("CertificateKeeper sees files that are put in the place of others, whatever time they are of", async () => {
  await using keeper = await keeping();
  const { directory, state, look } = keeper;
  const next = await authority.leaf(["linked.example"]);
  await Deno.writeTextFile(join(directory, "next.pem"), next.cert);
  await Deno.writeTextFile(join(directory, "next.key"), next.key, { mode: 0o600 });
  for (const ending of ["pem", "key"]) {
    await Deno.utime(join(directory, `next.${ending}`), 1, 1);
    await Deno.rename(join(directory, `next.${ending}`), join(directory, `a.${ending}`));
  }
  await look();
  assert.deepEqual(namesOf(state.config), ["linked.example", "b.example"]);
});

Deno.test("CertificateKeeper: a key that was open to others is taken once it is closed, as the message says", async () => {
  await using keeper = await keeping();
  const { directory, put, state, look } = keeper;
  const key = join(directory, "a.key");
  await put("a", await authority.leaf(["new.example"]));
  await Deno.chmod(key, 0o644);
  await look();
  assert.match(state.lines.join(), /chmod 640/);
  assert.equal(state.brought, 0);
  await Deno.chmod(key, 0o640);
  await look();
  assert.deepEqual(namesOf(state.config), ["new.example", "b.example"]);
});

Deno.test("CertificateKeeper: what cannot be used is said once, with its place, and replaces nothing", async () => {
  await using keeper = await keeping();
  const { directory, put, state, look } = keeper;
  const before = state.config;
  const other = await authority.leaf(["other.example"]);
  const old = await authority.leaf(["a.example"], { notBeforeMs: 0, notAfterMs: Date.now() - 40 * DAY_MS });
  const steps: [() => Promise<void>, RegExp][] = [
    [
      () => Deno.writeTextFile(join(directory, "a.key"), other.key),
      /listeners\[0\]\.tls\[0\].*a\.key.*another's|admin\.tls.*another's/,
    ],
    [
      () => put("a", old),
      /expected a certificate that is valid, but it has expired \(.*40 days ago\): renew it; the one before/,
    ],
    [() => put("a", other, 0o644), /mode is 0644: chmod 640/],
    [() => Deno.remove(join(directory, "a.pem")), /there is no such file/],
  ];
  for (const [step, expected] of steps) {
    state.lines = [];
    await step();
    await look();
    await look();
    const said = state.lines.filter((line) => expected.test(line));
    assert.equal(said.length, 1, `${expected}: ${state.lines.join("\n")}`);
    assert.match(said[0]!, /^error .*config\.yaml:\d+:\d+ admin\.tls/);
    assert.equal(state.config, before);
  }
  // A good one beside a bad one is taken.
  await put("b", other);
  await look();
  assert.deepEqual(namesOf(state.config), ["a.example", "other.example"]);
  await put("a", await authority.leaf(["again.example"]));
  await look();
  assert.deepEqual(namesOf(state.config), ["again.example", "other.example"]);
});

Deno.test("CertificateKeeper says where a configuration is not taken", async () => {
  await using keeper = await keeping({ refuses: "a worker said no" });
  const { put, state, look } = keeper;
  await put("a", await authority.leaf(["new.example"]));
  await look();
  assert.deepEqual(state.lines, ["error Certificates not exchanged: those before stay in use"]);
});

Deno.test("CertificateKeeper warns once a day of what is about to end", async () => {
  let atMs = Date.now();
  await using keeper = await keeping({ now: () => atMs });
  const { state, look } = keeper;
  for (let hour = 0; hour < 20 * 24; hour += 6) {
    await look();
    atMs += DAY_MS / 4;
  }
  const warned = state.lines.filter((line) => line.startsWith("warn") && line.includes("a.pem"));
  // For the last days of these twenty it has less than fourteen.
  assert.equal(warned.length, 4, state.lines.join("\n"));
  assert.match(warned[0]!, /admin\.tls: ".*a\.pem": it expires in 13 days \(\d{4}-\d\d-\d\d\): renew it/);
});

Deno.test("worseCertificates() names expired ones that would replace good ones, and no others", async () => {
  await using keeper = await keeping();
  const { put, state, load } = keeper;
  const good = state.config;
  const old = await authority.leaf(["a.example"], { notBeforeMs: 0, notAfterMs: Date.now() - DAY_MS });
  await put("a", old);
  const next = await load();
  assert.equal(worseCertificates(good, next, Date.now()).length, 1);
  assert.equal(worseCertificates(next, next, Date.now()).length, 0);
  assert.equal(worseCertificates(good, good, Date.now()).length, 0);
});

Deno.test("certificates are shown with the days that they have left, in metrics too", async () => {
  await using keeper = await keeping();
  const { config } = keeper.state;
  const atMs = config.admin.tls!.certificates[0]!.notAfterMs - 7.5 * DAY_MS;
  const [shown] = certificateStatus(config, atMs) as Record<string, unknown>[];
  assert.equal(shown?.days_left, 7.5);
  assert.deepEqual(shown?.names, ["a.example"]);
  assert.deepEqual(shown?.addresses, ["0.0.0.0:6635", "127.0.0.1:6636"]);
  assert.ok(!JSON.stringify(certificateStatus(config, atMs)).includes("PRIVATE"));
  const [metric] = certificateMetrics(config);
  assert.deepEqual(metric?.values.map(({ value }) => value - atMs / 1000), Array(2).fill(7.5 * DAY_MS / 1000));
});
