import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import type { ChallengeType } from "../../../lib/certificates/acme_client.ts";
import type { Config } from "../../../lib/config/config.ts";
import type { LogFields } from "../../../lib/logging/log_line.ts";
import type { Logger } from "../../../lib/logging/logger.ts";
import { challengeReply, NO_CHALLENGES } from "../../../lib/server/acme_challenge.ts";
import { AcmeKeeper } from "../../../lib/workers/supervisor/acme_keeper.ts";
import { usedCertificates } from "../../../lib/workers/supervisor/certificate_keeper.ts";
import { DAY_MS, madeAuthority } from "../../certificates/made.ts";
import { startAcmeServer } from "../../origins/acme_server.ts";
import { reply, serving } from "../../server/serving.ts";

/** How a gateway of a test proves its names. */
interface Proof {
  readonly challenge?: ChallengeType;
  readonly port?: number;
}

/** A keeper, the authority that it asks, and addresses that answer challenges as a gateway's do. */
async function keeping({ challenge, port = 443 }: Proof = {}) {
  const stack = new AsyncDisposableStack();
  const state = { challenges: NO_CHALLENGES, lines: [] as string[], atMs: Date.now(), pauseMs: 0 };
  const plain = stack.use(
    await serving((arrival) => challengeReply(arrival, state.challenges) ?? reply({ status: 404 })),
  );
  const shown = (host: string) => state.challenges.certificates.get(host)?.cert;
  const authority = stack.use(await startAcmeServer({ http: `http://${plain.address}`, shown }));
  const directory = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(directory, { recursive: true }));
  const acme = {
    hosts: ["one.example", "two.example"],
    directory: authority.directory,
    email: "me@one.example",
    challenge: challenge ?? null,
    ca: authority.ca,
    externalAccount: { kid: "kid-1", key: "c2VjcmV0LWtleQ" },
  };
  const tls = { certificates: [], minVersion: null, http2: null, acme };
  const listen = { hostname: "0.0.0.0", port };
  const loaded = {
    admin: { tls: null, listen },
    pools: [],
    listeners: [{ name: "a", listen, tls }],
  } as unknown as Config;
  const write = (message: string, fields?: LogFields) =>
    void state.lines.push(`${message} ${fields?.["problem"] ?? ""}`);
  const newKeeper = () =>
    new AcmeKeeper({
      directory: `${directory}/acme`,
      logger: { info: write, error: write } as Partial<Logger> as Logger,
      now: () => state.atMs,
      pause: () => Promise.resolve(void (state.atMs += state.pauseMs)),
    });
  const keeper = newKeeper();
  const inUse = { config: await keeper.complete(loaded) };
  const attach = (one: AcmeKeeper) => {
    one.attach({
      config: inUse.config,
      setChallenges(challenges) {
        state.challenges = challenges;
        return Promise.resolve();
      },
    });
  };
  attach(keeper);
  const inForce = async () => {
    const [used] = usedCertificates(await keeper.complete(loaded));
    return new X509Certificate(used!.certificate.cert);
  };
  const files = `${directory}/acme`;
  return {
    keeper,
    newKeeper,
    attach,
    authority,
    state,
    shown: inForce,
    files,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

Deno.test("AcmeKeeper: a certificate stands in until one is fetched; it is kept, and renewed a third before its end", async () => {
  await using one = await keeping();
  const { keeper, authority, state, shown } = one;
  const standIn = await shown();
  assert.equal(standIn.issuer, standIn.subject);
  authority.faults.staleNonces = 2;
  await keeper.tend();
  const first = await shown();
  assert.equal(first.issuer, "CN=An issuer of a test", state.lines.join("\n"));
  assert.equal(first.subjectAltName, "DNS:one.example, DNS:two.example");
  assert.deepEqual(state.challenges, NO_CHALLENGES);
  assert.deepEqual(state.lines, ["A certificate was fetched "]);
  // Neither a look soon after nor a restart fetches another.
  await keeper.tend();
  state.atMs += 55 * DAY_MS;
  await keeper.tend();
  assert.equal(authority.issued.length, 1);
  state.atMs += 10 * DAY_MS;
  await keeper.tend();
  assert.equal(authority.issued.length, 2);
  assert.notEqual((await shown()).serialNumber, first.serialNumber);
  // The account is the same: its key was kept.
  assert.equal(new Set(authority.accounts).size, 1);
});

Deno.test("AcmeKeeper: whatever the authority does, what is there stays, and it is asked more and more seldom", async () => {
  await using one = await keeping();
  const { keeper, authority, state, shown } = one;
  const before = (await shown()).serialNumber;
  const { faults } = authority;
  const problem = (type: string, status: number, headers = {}) => () =>
    Response.json({ type: `urn:ietf:params:acme:error:${type}`, detail: `it is ${type}` }, { status, headers });
  const cases: [() => Response, RegExp][] = [
    [() => new Response("<html>down", { status: 502 }), /refuses: status 502/],
    [() => new Response("<html>ok"), /cannot be understood/],
    [() => Response.json({ newNonce: 7 }), /cannot be understood/],
    [() => new Response("x".repeat(300_000)), /over 262144 bytes/],
    [() => Response.redirect("https://127.0.0.1:1/"), /cannot be asked/],
    [() => Response.json({ newNonce: "http://127.0.0.1:1/", newAccount: "x", newOrder: "x" }), /no https URL/],
    [problem("rateLimited", 429, { "retry-after": "7200" }), /refuses: it is rateLimited/],
  ];
  for (const [answer, expected] of cases) {
    faults.answer = answer;
    state.lines.length = 0;
    state.atMs += DAY_MS;
    await keeper.tend();
    // At once again nothing is asked.
    await keeper.tend();
    assert.equal(state.lines.length, 1, state.lines.join("\n"));
    assert.match(state.lines[0]!, expected);
    assert.equal((await shown()).serialNumber, before);
  }
  faults.answer = null;
  faults.accountStatus = "revoked";
  state.lines.length = 0;
  state.atMs += DAY_MS;
  await keeper.tend();
  assert.match(state.lines[0]!, /The account is revoked/);
  faults.accountStatus = "valid";
  state.atMs += DAY_MS;
  await keeper.tend();
  assert.notEqual((await shown()).serialNumber, before);
});

Deno.test("AcmeKeeper: a host that does not lead here is said, with what the authority found there", async () => {
  await using one = await keeping();
  const { keeper, newKeeper, attach, authority, state } = one;
  keeper.close();
  const elsewhere = newKeeper();
  attach(elsewhere);
  // Challenges are never answered: another machine has the name.
  Object.assign(elsewhere, { present: () => Promise.resolve() });
  await elsewhere.tend();
  elsewhere.close();
  assert.match(state.lines.join(), /did not find what it looked for: (?:one|two)\.example refused the handshake/);
  assert.equal(authority.issued.length, 0);
});

Deno.test("AcmeKeeper: a name is proven as configured, or where the gateway listens, or as the authority offers it", async () => {
  const cases: [Proof, readonly ChallengeType[], ChallengeType | RegExp][] = [
    [{}, ["http-01", "tls-alpn-01"], "tls-alpn-01"],
    [{}, ["http-01"], "http-01"],
    [{ challenge: "http-01" }, ["http-01", "tls-alpn-01"], "http-01"],
    [{ port: 8443 }, ["http-01", "tls-alpn-01"], "http-01"],
    [{ port: 8443, challenge: "tls-alpn-01" }, ["http-01", "tls-alpn-01"], "tls-alpn-01"],
    [{ challenge: "tls-alpn-01" }, ["http-01"], /offers no challenge for (?:one|two)\.example of tls-alpn-01/],
  ];
  for (const [proof, offers, expected] of cases) {
    await using one = await keeping(proof);
    const { keeper, authority, state } = one;
    authority.faults.offers = offers;
    await keeper.tend();
    if (expected instanceof RegExp) assert.match(state.lines.join("\n"), expected);
    else assert.deepEqual(authority.looked, [expected, expected], state.lines.join("\n"));
    assert.equal(authority.issued.length, expected instanceof RegExp ? 0 : 1);
    assert.deepEqual(state.challenges, NO_CHALLENGES);
  }
});

Deno.test("AcmeKeeper: what the authority gives and cannot be used takes no good one's place", async () => {
  await using one = await keeping();
  const { keeper, authority, state, shown } = one;
  await keeper.tend();
  const good = (await shown()).serialNumber;
  const other = await madeAuthority();
  const cases: [() => Promise<string> | string, RegExp][] = [
    [async () => (await other.leaf(["one.example", "two.example"])).cert, /it is another's/],
    [() => "-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n", /cannot be read/],
    [() => authority.ca, /it is another's/],
  ];
  for (const [cert, expected] of cases) {
    authority.faults.cert = cert;
    state.lines.length = 0;
    state.atMs += 65 * DAY_MS;
    await keeper.tend();
    await keeper.tend();
    assert.equal(state.lines.length, 1, state.lines.join("\n"));
    assert.match(state.lines[0]!, expected);
    assert.equal((await shown()).serialNumber, good);
  }
});

Deno.test("AcmeKeeper: an authority is answered for the names of its order alone, and what it says is cut", async () => {
  await using one = await keeping();
  const { keeper, authority, state } = one;
  const { faults } = authority;
  for (const identifier of ["three.example", "x".repeat(100_000)]) {
    faults.identifier = identifier;
    state.atMs += DAY_MS;
    await keeper.tend();
    assert.match(state.lines.at(-1)!, /cannot be understood: an authorization for another name/);
  }
  faults.offers = [];
  faults.identifier = null;
  faults.accountStatus = "x".repeat(100_000);
  state.atMs += DAY_MS;
  await keeper.tend();
  assert.deepEqual(authority.looked, []);
  assert.equal(state.lines.length, 3);
  for (const line of state.lines) assert.ok(line.length < 1_000, `${line.length} characters`);
});

Deno.test("AcmeKeeper: an authority that never comes to an end keeps no other from being asked", async () => {
  await using one = await keeping();
  const { keeper, authority, state } = one;
  authority.faults.isUndecided = true;
  state.pauseMs = 10 * 60_000;
  await keeper.tend();
  assert.match(state.lines.at(-1)!, /cannot be asked at https:.*: it has taken over 30 minutes/);
  assert.deepEqual(state.challenges, NO_CHALLENGES);
});

Deno.test("AcmeKeeper: an authority that asks to be left alone for ever is asked again after a week", async () => {
  await using one = await keeping();
  const { keeper, authority, state } = one;
  authority.faults.answer = () => new Response(null, { status: 503, headers: { "retry-after": "99999999999" } });
  await keeper.tend();
  authority.faults.answer = null;
  state.atMs += 7 * DAY_MS;
  await keeper.tend();
  assert.equal(authority.issued.length, 1);
});

Deno.test("AcmeKeeper: files that were copied open to others are closed and used; what cannot be used is kept aside", async () => {
  await using one = await keeping();
  const { keeper, shown, files, state } = one;
  await keeper.tend();
  const account = `${files}/${[...Deno.readDirSync(files)].find(({ name }) => name.startsWith("account-"))!.name}`;
  assert.equal((await Deno.stat(account)).mode! & 0o777, 0o600);
  await Deno.chmod(account, 0o644);
  state.atMs += 65 * DAY_MS;
  await keeper.tend();
  assert.equal((await Deno.stat(account)).mode! & 0o777, 0o600);
  const good = (await shown()).serialNumber;
  const names = [...Deno.readDirSync(files)].map(({ name }) => name).filter((name) => name.startsWith("one.example"));
  const key = `${files}/${names.find((name) => name.endsWith(".key"))}`;
  await Deno.chmod(key, 0o644);
  assert.equal((await shown()).serialNumber, good);
  assert.equal((await Deno.stat(key)).mode! & 0o777, 0o600);
  const text = await Deno.readTextFile(key);
  await Deno.writeTextFile(key, "damaged");
  const standIn = await shown();
  assert.equal(standIn.issuer, standIn.subject);
  assert.equal(await Deno.readTextFile(`${key}.unusable`), "damaged");
  const cert = key.replace(/key$/, "pem");
  await Deno.rename(`${cert}.unusable`, cert);
  await Deno.writeTextFile(key, text);
  assert.equal((await shown()).serialNumber, good);
});

Deno.test("AcmeKeeper: why an authority cannot be reached is said", async () => {
  await using one = await keeping();
  const { keeper, authority, state } = one;
  await authority[Symbol.asyncDispose]();
  await keeper.tend();
  assert.match(state.lines[0]!, /cannot be asked at https:.*refused/i);
});
