import assert from "node:assert/strict";
import { loadConfig } from "../../lib/config/load.ts";
import { formatLocated } from "../../lib/config/yaml/located.ts";
import { DAY_MS, madeAuthority } from "../certificates/made.ts";
import { CERTIFICATE } from "./_certificate.ts";
import { configOf, problemsOf, SOUND } from "./load_text.ts";

const authority = await madeAuthority();
const one = await authority.leaf(["one.example", "10.0.0.1"]);
const two = await authority.leaf(["two.example"]);
const nowMs = Date.now();
const expired = await authority.leaf(["old.example"], { notBeforeMs: 0, notAfterMs: nowMs - 40 * DAY_MS });
const ending = await authority.leaf(["end.example"], { notAfterMs: nowMs + 3.5 * DAY_MS });
const nameless = await authority.leaf([]);

const FILES: Record<string, string> = {
  "one.pem": one.cert + authority.ca,
  "one.key": one.key,
  "two.pem": two.cert,
  "two.key": two.key,
  "open.key": one.key,
  "reversed.pem": authority.ca + one.cert,
  "expired.pem": expired.cert,
  "expired.key": expired.key,
  "ending.pem": ending.cert,
  "ending.key": ending.key,
  "nameless.pem": nameless.cert,
  "nameless.key": nameless.key,
  "locked.key": "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
  "broken.pem": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
};

function load(yaml: string) {
  const text = `pools: { a: { type: custom, upstreams: [https://one.example] } }\n${yaml}`;
  return loadConfig("config.yaml", {
    readTextFile(path) {
      const name = path.slice("/etc/usher/".length);
      const found = name === "config.yaml" ? text : FILES[name];
      return found === undefined ? Promise.reject(new Deno.errors.NotFound()) : Promise.resolve(found);
    },
    fileMode: (path) => Promise.resolve(path.endsWith("open.key") ? 0o100644 : 0o100640),
    env: () => undefined,
    cores: 1,
    cwd: "/etc/usher",
  });
}

async function problems(yaml: string): Promise<string[]> {
  const result = await load(yaml);
  return result.ok ? [] : result.problems.map((problem) => formatLocated(problem).replace(/^config\.yaml:/, ""));
}

const listener = (name: string, more: string) => `  - { name: ${name}, pool: a, prefix: /${name}, ${more} }\n`;

Deno.test("tls takes a pair, a list of pairs, or both, and knows names and ends", async () => {
  const result = await load(
    "admin: { tls: { cert: two.pem, key: two.key, min_version: 1.3, http2: false } }\nlisteners:\n" +
      listener("x", "tls: [ { cert: one.pem, key: one.key }, { cert: two.pem, key: two.key } ]") +
      listener("y", "tls: { cert: two.pem, key: two.key, certificates: [ { cert: one.pem, key: one.key } ] }"),
  );
  assert.ok(result.ok, JSON.stringify(result));
  const { admin, listeners } = result.config;
  assert.deepEqual([admin.tls?.minVersion, admin.tls?.http2], ["1.3", false]);
  const [x, y] = listeners.map(({ tls }) => tls!.certificates);
  assert.deepEqual(x?.map(({ certFile }) => certFile), ["one.pem", "two.pem"]);
  assert.deepEqual(y?.map(({ certFile }) => certFile), ["two.pem", "one.pem"]);
  assert.deepEqual(x?.[0]?.names, ["one.example", "10.0.0.1"]);
  assert.ok(Math.abs(x![0]!.notAfterMs - nowMs - 30 * DAY_MS) < DAY_MS);
  assert.deepEqual(x!.map(({ place }) => place.replace(/^config\.yaml:\d+:\d+ /, "")), [
    "listeners[0].tls[0]",
    "admin.tls",
  ]);
  assert.deepEqual(result.warnings, []);
});

Deno.test("tls: what is wrong with a file is said where it is named, with the remedy", async () => {
  const pairs = {
    missing: "{ cert: none.pem, key: one.key }",
    empty: "{ cert: one.key, key: one.pem }",
    broken: "{ cert: broken.pem, key: one.key }",
    other: "{ cert: one.pem, key: two.key }",
    open: "{ cert: one.pem, key: open.key }",
    locked: "{ cert: one.pem, key: locked.key }",
    reversed: "{ cert: reversed.pem, key: one.key }",
    alone: "{ cert: one.pem }",
    nothing: "{ min_version: 1.2 }",
    old: '{ cert: one.pem, key: one.key, min_version: "1.1" }',
  };
  const lines = Object.entries(pairs).map(([name, tls]) => listener(name, `listen: ":1", tls: ${tls}`));
  const found = await problems(`listeners:\n${lines.join("")}`);
  assert.deepEqual(found.map((line) => line.replace(/^\d+:\d+ listeners/, "")), [
    '[0].tls.cert: found "none.pem" expected a readable PEM file of certificates, but there is no such file',
    '[1].tls.cert: found "one.key" expected a readable PEM file of certificates, but it holds none',
    '[1].tls.key: found "one.pem" expected a readable PEM file of a private key, but it holds none',
    '[2].tls.cert: found "broken.pem" expected a readable PEM file of certificates, but it holds one that cannot be read',
    '[3].tls.key: found "two.key" expected the key of the certificate in "one.pem", and it is another\'s',
    '[4].tls.key: found "open.key" expected a key that only its owner and group can read, but its mode is 0644: chmod 640 open.key',
    '[5].tls.key: found "locked.key" expected a key without a passphrase: openssl pkey -in locked.key -out NEW, and chmod 600 NEW',
    '[6].tls.cert: found "reversed.pem" expected its own certificate first, then those behind it: it stands in place 2',
    "[7].tls.key: found cert alone expected key beside it",
    "[8].tls: found a mapping expected a certificate: `cert` and `key`, a list of such pairs, or `acme`",
    '[9].tls.min_version: found "1.1" expected "1.2" or "1.3": older versions can be broken; did you mean "1.2"?',
  ]);
});

Deno.test("tls: an end that is near or past, and a certificate for nobody, are warned of", async () => {
  const result = await load(
    "listeners:\n" + listener(
      "x",
      "tls: [ { cert: expired.pem, key: expired.key }, { cert: ending.pem, key: ending.key }, { cert: nameless.pem, key: nameless.key } ]",
    ),
  );
  assert.ok(result.ok);
  assert.deepEqual(
    result.warnings.map(({ path, message }) => `${path}: ${message.replaceAll(/\d{4}-\d\d-\d\d/g, "DATE")}`),
    [
      "listeners[0].tls[0].cert: it has expired (DATE, 40 days ago): renew it",
      "listeners[0].tls[1].cert: it expires in 3 days (DATE): renew it",
      "listeners[0].tls[2].cert: it names no host (subjectAltName): clients will not take it for any",
    ],
  );
});

Deno.test("tls: listeners of one address agree", async () => {
  const pair = "cert: one.pem, key: one.key";
  const found = await problems(
    "listeners:\n" +
      listener("a", `listen: ":1", tls: { ${pair} }`) + listener("b", 'listen: ":1"') +
      listener("c", 'listen: ":2"') + listener("d", `listen: ":2", tls: { ${pair} }`) +
      listener("e", `listen: ":3", tls: { ${pair}, min_version: "1.2", http2: true }`) +
      listener("f", `listen: ":3", tls: { ${pair}, min_version: "1.3", http2: false }`) +
      listener("g", `listen: ":3", tls: { ${pair} }`) +
      listener("h", 'listen: ":4", redirect_to_https: true') + listener("i", 'listen: ":4"') +
      listener("j", `listen: ":5", redirect_to_https: true, tls: { ${pair} }`) +
      listener("k", "listen: { unix: x.sock }, redirect_to_https: true"),
  );
  assert.deepEqual(found.map((line) => line.replace(/^\d+:\d+ listeners/, "")), [
    "[1]: found no tls expected it, as listeners[0].tls in line 3 says of the same address: TLS is spoken on the whole address or not at all",
    "[3].tls: found tls expected none, because listeners[2] in line 5 shares the address and has none",
    '[5].tls.min_version: found "1.3" expected "1.2", as listeners[4].tls in line 7 says of the same address',
    "[5].tls.http2: found false expected true, as listeners[4].tls in line 7 says of the same address",
    "[8].redirect_to_https: found nothing expected true, as listeners[7].redirect_to_https in line 10 says of the same address",
    "[9].redirect_to_https: found true expected false beside `tls`: it is for a plain address",
    "[10].redirect_to_https: found true expected false on a unix socket, which has no port",
  ]);
});

Deno.test("tls.acme is for public names, and says where nobody could ask for them", async () => {
  const found = await problems(
    "listeners:\n" + listener("a", 'listen: ":1", tls: { acme: {} }') +
      listener("b", 'listen: ":2", host: ["*.one.example", one.example], tls: { acme: {} }') +
      listener(
        "c",
        'listen: ":3", tls: { acme: { hosts: [localhost, 10.0.0.1], directory: "http://x", ca: none.pem } }',
      ) +
      listener("d", 'listen: ":4", host: one.example, tls: { acme: { eab: { kid: a, key: "not base64url!" } } }'),
  );
  assert.deepEqual(found.map((line) => line.replace(/^\d+:\d+ listeners/, "")), [
    "[0].tls.acme: found a mapping expected names in `hosts`, or the listener's `host`: a certificate is for names",
    '[1].tls.acme: found "*.one.example" expected a public name: no certificate is to be had for it in this way',
    '[2].tls.acme.directory: found "http://x" expected a URL that begins with https://',
    '[2].tls.acme.ca: found "none.pem" expected a readable PEM file of certificates, but there is no such file',
    "[3].tls.acme.eab.key: found a value that is not shown expected a key in base64url",
  ]);
  const tls = listener(
    "a",
    'listen: ":443", host: [two.example, one.example], tls: { acme: { email: me@one.example } }',
  );
  const alone = await load(`listeners:\n${tls}`);
  assert.ok(alone.ok, JSON.stringify(alone));
  assert.deepEqual(alone.warnings, []);
  assert.deepEqual(alone.config.listeners[0]?.tls, {
    certificates: [],
    minVersion: null,
    http2: null,
    acme: {
      hosts: ["one.example", "two.example"],
      directory: "https://acme-v02.api.letsencrypt.org/directory",
      email: "me@one.example",
      challenge: null,
      ca: null,
      externalAccount: null,
    },
  });
  const over80 = listener("b", 'listen: ":80", redirect_to_https: true');
  const over443 = listener("b", 'listen: ":443", tls: { cert: one.pem, key: one.key }');
  const cases: [string, string, RegExp | null][] = [
    ["", over80, null],
    ["", over443, null],
    ["", "", /no plain address has port 80, and none with TLS port 443: /],
    [", challenge: http-01", over80, null],
    [", challenge: http-01", over443, /no plain address has port 80: /],
    [", challenge: tls-alpn-01", over443, null],
    [", challenge: tls-alpn-01", over80, /no address with TLS has port 443: /],
  ];
  for (const [challenge, other, warning] of cases) {
    const acme = `listen: ":8443", host: one.example, tls: { acme: { email: a@one.example${challenge} } }`;
    const loaded = await load(`listeners:\n${listener("a", acme)}${other}`);
    assert.ok(loaded.ok, JSON.stringify(loaded));
    if (warning === null) assert.deepEqual(loaded.warnings, []);
    else assert.match(loaded.warnings[0]?.message ?? "", warning);
  }
});

Deno.test("cert and key of an upstream are read, and belong to https", async () => {
  const upstreams =
    "[{ url: https://one.example, ca: one.pem, cert: one.pem, key: one.key }, { url: http://two.example, cert: two.pem, key: two.key }, { url: https://three.example, ca: one.pem, cert: one.pem }, { url: https://four.example, ca: one.pem, cert: one.pem, key: two.key }, { url: https://five.example, cert: two.pem, key: two.key }, { url: https://six.example, cert: two.pem, key: two.key, http2: true }]";
  const text = `pools: { a: { type: custom, upstreams: ${upstreams} } }\nlisteners: [{ name: a, pool: a }]\n`;
  const read = await loadConfig("config.yaml", {
    readTextFile(path) {
      const found = path.endsWith("config.yaml") ? text : FILES[path.slice("/etc/usher/".length)];
      return found === undefined ? Promise.reject(new Deno.errors.NotFound()) : Promise.resolve(found);
    },
    env: () => undefined,
    cores: 1,
    cwd: "/etc/usher",
  });
  assert.ok(!read.ok);
  assert.deepEqual(read.problems.map(({ path, message }) => `${path}: ${message}`), [
    "pools.a.upstreams[1].cert: found cert together with an http URL expected https: it is shown in the TLS handshake",
    "pools.a.upstreams[2].key: found cert alone expected key beside it",
    'pools.a.upstreams[3].key: found "two.key" expected the key of the certificate in "one.pem", and it is another\'s',
    "pools.a.upstreams[4].cert: found cert without ca expected ca beside it, the upstream's authority, or http2: true",
  ]);
});

const WITH_CA = SOUND.replace("[https://one.example]", "[{ url: https://one.example, ca: ./ca.pem }]");

Deno.test("readAuthorities() wants certificates that can be read, all of them", async () => {
  const isTaken = async (pem: string) =>
    (await problemsOf(WITH_CA, { files: { "/etc/usher/ca.pem": pem } })).length === 0;
  assert.ok(await isTaken(`# a comment\n${CERTIFICATE}\n${CERTIFICATE}`));
  const broken = CERTIFICATE + CERTIFICATE.replace(/\n[^-]{8}/, "\n!!!!");
  for (const text of ["", "text", CERTIFICATE.replace("MII", "AII"), broken]) assert.ok(!await isTaken(text), text);
});

Deno.test("readAuthorities() puts the file's text into the configuration", async () => {
  const config = await configOf(WITH_CA, { files: { "/etc/usher/ca.pem": CERTIFICATE } });
  assert.equal(config.pools[0]?.upstreams[0]?.ca, CERTIFICATE);
});

Deno.test("readAuthorities() locates files that cannot be used", async () => {
  const place = '3:66 pools.a.upstreams[0].ca: found "./ca.pem" expected a readable PEM file of certificates';
  assert.deepEqual(await problemsOf(WITH_CA), [`${place}, but there is no such file`]);
  const files = { "/etc/usher/ca.pem": "-----BEGIN SOMETHING ELSE-----\nhunter2\n-----END SOMETHING ELSE-----\n" };
  assert.deepEqual(await problemsOf(WITH_CA, { files }), [`${place}, but it holds no usable certificate`]);
});
