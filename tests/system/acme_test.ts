import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { keyPairOf } from "../../lib/certificates/key_pair.ts";
import type { Config } from "../../lib/config/config.ts";
import type { LogFields } from "../../lib/logging/log_line.ts";
import type { Logger } from "../../lib/logging/logger.ts";
import { challengeReply, NO_CHALLENGES } from "../../lib/server/acme_challenge.ts";
import { AcmeKeeper } from "../../lib/workers/supervisor/acme_keeper.ts";
import { usedCertificates } from "../../lib/workers/supervisor/certificate_keeper.ts";
import { DAY_MS } from "../certificates/made.ts";
import { hasPebble, type Pebble, startPebble } from "../origins/pebble.ts";
import { startTmdbOrigin } from "../origins/tmdb_origin.ts";
import { reply, serving } from "../server/serving.ts";
import { askOnce } from "../server/tls_serving.ts";
import { freePort, startGateway } from "./_gateway.ts";
import { customPool, testConfig } from "./test_config.ts";

const TARGET = "/3/movie/550?api_key=0123456789abcdef0123456789abcdef";
const WHY_NOT = hasPebble ? "" : " (left out: Debian's pebble is not installed)";

Deno.test({
  name: `a gateway has its certificates from pebble, over HTTP and in handshakes, and serves all along${WHY_NOT}`,
  ignore: !hasPebble,
  async fn() {
    await using stack = new AsyncDisposableStack();
    const origin = stack.adopt(await startTmdbOrigin({}), (one) => one.close());
    const [plainPort, tlsPort] = [freePort(), freePort()];
    await using pebble = await startPebble({ httpPort: plainPort, tlsPort });
    const acme = { directory: pebble.directory, ca: pebble.caFile };
    const listens = (host: string, challenge: string) => ({
      ...{ name: host, listen: `127.0.0.1:${tlsPort}`, host: [host], pool: "films" },
      tls: { acme: { ...acme, challenge } },
    });
    const gateway = stack.adopt(
      await startGateway({
        config: (places) =>
          testConfig(places, {
            pools: { films: customPool([{ url: origin.url }]) },
            listeners: [
              listens("one.example", "http-01"),
              listens("two.example", "tls-alpn-01"),
              { name: "plain", listen: `127.0.0.1:${plainPort}`, pool: "films" },
            ],
          }),
      }),
      (one) => one.close(),
    );
    let isDone = false;
    const statuses = new Set<number>();
    const load = (async () => {
      for (; !isDone;) {
        const response = await fetch(`http://127.0.0.1:${plainPort}${TARGET}`);
        await response.body?.cancel();
        statuses.add(response.status);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    const ended = () => (isDone = true, load);
    stack.defer(ended);
    await gateway.logged("A certificate was fetched hosts=one.example");
    await gateway.logged("A certificate was fetched hosts=two.example");
    await gateway.logged("Certificates exchanged");
    const ca = await pebble.root();
    for (const host of ["one.example", "two.example"]) {
      const request = `GET ${TARGET} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
      const ask = () => askOnce(`127.0.0.1:${tlsPort}`, { ca, servername: host }, request);
      // Both are exchanged as soon as their files lie still, and not in the same moment.
      let answer = await ask().catch(() => "");
      for (let tries = 0; answer === "" && tries < 100; tries++) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        answer = await ask().catch(() => "");
      }
      assert.match(answer, /^HTTP\/1\.1 200 /);
    }
    await ended();
    assert.deepEqual([...statuses], [200]);
  },
});

/** Gateways that have a name between them: what leads to it leads to one of them at a time. */
async function sharing(pebblePort: number) {
  const stack = new AsyncDisposableStack();
  const state = { atMs: Date.now(), lines: [] as string[] };
  const made: { challenges: typeof NO_CHALLENGES }[] = [];
  const front = { index: 0 };
  stack.use(
    await serving(
      (arrival) => challengeReply(arrival, made[front.index]!.challenges) ?? reply({ status: 404 }),
      { target: { hostname: "127.0.0.1", port: pebblePort } },
    ),
  );
  const directory = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(directory, { recursive: true }));
  const write = (message: string, fields?: LogFields) =>
    void state.lines.push(`${message} ${fields?.["problem"] ?? ""}`);
  const add = async (pebble: Pebble) => {
    const own = { challenges: NO_CHALLENGES };
    const index = made.push(own) - 1;
    const acme = {
      hosts: ["shared.example"],
      directory: pebble.directory,
      ca: pebble.ca,
      email: null,
      challenge: null,
    };
    const tls = { certificates: [], minVersion: null, http2: null, acme: { ...acme, externalAccount: null } };
    const listen = { hostname: "0.0.0.0", port: 8443 };
    const loaded = { admin: { tls: null, listen }, pools: [], listeners: [{ name: "a", listen, tls }] };
    const keeper = new AcmeKeeper({
      directory: join(directory, String(index)),
      logger: { info: write, error: write } as Partial<Logger> as Logger,
      now: () => state.atMs,
      pause: (ms) => new Promise((resolve) => setTimeout(resolve, Math.min(ms, 50))),
    });
    const complete = () => keeper.complete(loaded as unknown as Config);
    keeper.attach({
      config: await complete(),
      setChallenges: (challenges) => (own.challenges = challenges, Promise.resolve()),
    });
    const shown = async () => new X509Certificate(usedCertificates(await complete())[0]!.certificate.cert);
    return { keeper, shown, directory: join(directory, String(index)) };
  };
  return { state, front, add, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

Deno.test({
  name: `pebble: issued, renewed; account revoked, directory down, wrong answer, two gateways on one name${WHY_NOT}`,
  ignore: !hasPebble,
  async fn(step) {
    const httpPort = freePort();
    await using pebble = await startPebble({ httpPort, tlsPort: freePort(), lifeMs: 900 * DAY_MS });
    await using gateways = await sharing(httpPort);
    const { state, front } = gateways;
    const one = await gateways.add(pebble);
    const two = await gateways.add(pebble);
    const fetched = async (gateway: typeof one) => {
      state.lines.length = 0;
      const before = (await gateway.shown()).serialNumber;
      await gateway.keeper.tend();
      return (await gateway.shown()).serialNumber === before ? null : await gateway.shown();
    };
    let serial = "";

    await step.step("issued", async () => {
      const cert = await fetched(one);
      assert.match(cert?.issuer ?? "", /Pebble Intermediate CA/, state.lines.join("\n"));
      assert.equal(cert?.subjectAltName, "DNS:shared.example");
      serial = cert!.serialNumber;
    });

    await step.step(
      "a second gateway on the name is told what the authority found at the first, and goes on",
      async () => {
        const cert = await fetched(two);
        assert.equal(cert, null);
        assert.match(state.lines.join("\n"), /did not find what it looked for: .*404/);
        const placeholder = await two.shown();
        assert.equal(placeholder.issuer, placeholder.subject);
        // Once the name leads there, it has one too, and the first one's stays.
        front.index = 1;
        state.atMs += DAY_MS;
        assert.match((await fetched(two))?.issuer ?? "", /Pebble/, state.lines.join("\n"));
        assert.equal((await one.shown()).serialNumber, serial);
        front.index = 0;
      },
    );

    await step.step("renewed a third before its end", async () => {
      state.atMs += 590 * DAY_MS;
      assert.equal(await fetched(one), null);
      assert.deepEqual(state.lines, []);
      state.atMs += 11 * DAY_MS;
      serial = (await fetched(one))?.serialNumber ?? assert.fail(state.lines.join("\n"));
    });

    await step.step("a wrong answer and a directory that is down take nothing", async () => {
      state.atMs += DAY_MS;
      front.index = 1;
      assert.equal(await fetched(one), null);
      assert.match(state.lines.join("\n"), /did not find what it looked for/);
      front.index = 0;
      await pebble.stop();
      state.atMs += DAY_MS;
      assert.equal(await fetched(one), null);
      assert.match(state.lines.join("\n"), /cannot be asked at https:/);
      // It comes back with another memory: it knows neither the account nor the orders.
      await pebble.start();
      state.atMs += DAY_MS;
      serial = (await fetched(one))?.serialNumber ?? assert.fail(state.lines.join("\n"));
    });

    await step.step("an account that was revoked is said, with what to do; with another one it goes on", async () => {
      const file = [...Deno.readDirSync(one.directory)].find(({ name }) => name.startsWith("account-"))!.name;
      await deactivate(pebble, join(one.directory, file));
      state.atMs += DAY_MS;
      assert.equal(await fetched(one), null);
      assert.match(state.lines.join("\n"), new RegExp(`account.*remove ".*${file}"`));
      assert.equal((await one.shown()).serialNumber, serial);
      await Deno.remove(join(one.directory, file));
      state.atMs += DAY_MS;
      assert.notEqual(await fetched(one), null, state.lines.join("\n"));
    });
  },
});

/** Revokes an account as its owner may (RFC 8555 §7.3.6). */
async function deactivate(pebble: Pebble, keyFile: string): Promise<void> {
  using client = Deno.createHttpClient({ caCerts: [pebble.ca] });
  const { privateKey, publicKey } = await keyPairOf(await Deno.readTextFile(keyFile));
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", publicKey) as JsonWebKey;
  const directory = await (await fetch(pebble.directory, { client })).json();
  const encoded = (value: unknown) => base64url(new TextEncoder().encode(value === "" ? "" : JSON.stringify(value)));
  const post = async (url: string, who: unknown, payload: unknown): Promise<Response> => {
    const nonce = (await fetch(directory.newNonce, { method: "HEAD", client })).headers.get("replay-nonce");
    const [head, content] = [encoded({ alg: "ES256", nonce, url, ...who as object }), encoded(payload)];
    const algorithm = { name: "ECDSA", hash: "SHA-256" };
    const signed = await crypto.subtle.sign(algorithm, privateKey, new TextEncoder().encode(`${head}.${content}`));
    const body = JSON.stringify({ protected: head, payload: content, signature: base64url(new Uint8Array(signed)) });
    const headers = { "content-type": "application/jose+json" };
    const response = await fetch(url, { method: "POST", headers, body, client });
    if ((await response.clone().text()).includes("badNonce")) return await post(url, who, payload);
    return response;
  };
  const account = await post(directory.newAccount, { jwk: { kty, crv, x, y } }, { onlyReturnExisting: true });
  const kid = account.headers.get("location")!;
  const answer = await (await post(kid, { kid }, { status: "deactivated" })).json();
  assert.equal(answer.status, "deactivated");
}

function base64url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}
