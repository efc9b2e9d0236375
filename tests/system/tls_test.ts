import assert from "node:assert/strict";
import { join } from "node:path";
import { DAY_MS, madeAuthority, type MadeCertificate } from "../certificates/made.ts";
import { RawClient } from "../server/raw_client.ts";
import { askOnce } from "../server/tls_serving.ts";
import { startTmdbOrigin } from "../origins/tmdb_origin.ts";
import { runMain } from "./_command.ts";
import { eventually } from "../eventually.ts";
import { freePort, type RunningGateway, startGateway } from "./_gateway.ts";
import { customPool, testConfig } from "./test_config.ts";

const authority = await madeAuthority();

/** A gateway with a TLS address, a plain one that sends there, and an admin address with TLS. */
async function start(originUrl: string) {
  const directory = await Deno.makeTempDir({ prefix: "usher-test-" });
  const put = async (name: string, { cert, key }: MadeCertificate) => {
    await Deno.writeTextFile(join(directory, `${name}.key`), key, { mode: 0o600 });
    await Deno.writeTextFile(join(directory, `${name}.pem`), cert);
  };
  const pair = (name: string) => ({ cert: join(directory, `${name}.pem`), key: join(directory, `${name}.key`) });
  await put("one", await authority.leaf(["localhost", "127.0.0.1"]));
  await put("two", await authority.leaf(["two.example"]));
  const tlsPort = freePort();
  const gateway = await startGateway({
    directory,
    config: (places) =>
      testConfig(places, {
        admin: { listen: `127.0.0.1:${places.adminPort}`, tls: pair("one") },
        pools: { films: customPool([{ url: originUrl }]) },
        listeners: [
          { name: "tls", listen: `127.0.0.1:${tlsPort}`, pool: "films", tls: [pair("one"), pair("two")] },
          { name: "more", listen: `127.0.0.1:${tlsPort}`, prefix: "/more", pool: "films", tls: pair("one") },
          { name: "plain", pool: "films", redirect_to_https: true },
        ],
      }),
  });
  return { gateway, put, tlsAddress: `127.0.0.1:${tlsPort}` };
}

const REQUEST =
  "GET /3/movie/550?api_key=0123456789abcdef0123456789abcdef HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/** How often a line has been logged. */
const times = (gateway: RunningGateway, text: string) => gateway.log().split(text).length - 1;

Deno.test("a gateway with TLS: HTTP/1.1, HTTP/2, redirect, admin address; certificates exchanged under load, bad ones refused", async (step) => {
  await using stack = new AsyncDisposableStack();
  const origin = stack.adopt(await startTmdbOrigin({}), (one) => one.close());
  const { gateway, put, tlsAddress } = await start(origin.url);
  stack.defer(() => gateway.close());
  const client = stack.adopt(Deno.createHttpClient({ caCerts: [authority.ca], http2: true }), (one) => one.close());
  const http1 = stack.adopt(
    Deno.createHttpClient({ caCerts: [authority.ca], http2: false }),
    (one) => one.close(),
  );
  const url = `https://${tlsAddress}/3/movie/550?api_key=0123456789abcdef0123456789abcdef`;
  const admin = async (path: string) =>
    await (await fetch(gateway.adminUrl.replace("http:", "https:") + path, { client })).text();

  await step.step("both protocols are served, from one store", async () => {
    const [first, second] = [await fetch(url, { client: http1 }), await fetch(url, { client })];
    assert.deepEqual([first.status, second.status], [200, 200]);
    assert.equal(await first.text(), await second.text());
    assert.match(second.headers.get("cache-status") ?? "", /hit/);
    const more = await fetch(`https://${tlsAddress}/more/x`, { client });
    await more.body?.cancel();
    assert.match(gateway.log(), /Listening listener=tls .*tls=true/);
  });

  await step.step("upstreams are told that the client came with https", () => {
    const told = origin.requests.at(-1)?.fields.find(([name]) => name.toLowerCase() === "x-forwarded-proto");
    assert.equal(told?.[1], "https");
  });

  await step.step("the plain address sends everything to the TLS one", async () => {
    const answer = await fetch(`${gateway.url}/3/a%2fb?q=1`, { redirect: "manual" });
    await answer.body?.cancel();
    assert.equal(answer.status, 301);
    assert.equal(answer.headers.get("location"), `https://${tlsAddress}/3/a%2fb?q=1`);
    const before = origin.requests.length;
    for (const request of ["GET /3/movie/550 HTTP/1.0\r\n\r\n", "OPTIONS * HTTP/1.0\r\nHost: a\r\n\r\n"]) {
      using plain = await RawClient.to(`127.0.0.1:${gateway.port}`);
      await plain.send(request);
      assert.match(await plain.rest(), /^HTTP\/1\.1 400 /);
    }
    assert.equal(origin.requests.length, before);
  });

  await step.step("status and metrics say how long certificates go on", async () => {
    const { certificates } = JSON.parse(await admin("/status"));
    assert.deepEqual(certificates.map(({ names }: { names: string[] }) => names[0]), ["localhost", "two.example"]);
    const expiry = /usher_tls_certificate_expiry_timestamp_seconds\{file=".*one\.pem"\} (\d+)/;
    const untilMs = Number(expiry.exec(await admin("/metrics"))?.[1]) * 1000 - Date.now();
    assert.ok(Math.abs(untilMs / DAY_MS - 30) < 0.1, `${untilMs} ms`);
  });

  await step.step("commands ask an admin address with TLS, and take no other certificate for its", async () => {
    const healthy = await runMain(["health", "--config", gateway.configPath]);
    assert.equal(healthy.code, 0, healthy.stderr);
    const purged = await runMain(["purge", "--all", "--config", gateway.configPath]);
    assert.equal(purged.code, 0, purged.stderr);
    // Without what the gateway has noted, or its configuration says, the system's authorities decide.
    const other = await runMain(["health", "--admin", gateway.adminUrl.replace("http:", "https:")]);
    assert.match(other.stderr, /No gateway answers at https:.*certificate/i);
    assert.equal(other.code, 1);
  });

  await step.step("files that change are exchanged, everywhere, and no request is lost", async () => {
    let stops = false;
    let answered = 0;
    const load = Promise.all(Array.from({ length: 3 }, async () => {
      while (!stops) {
        const shown = await askOnce(tlsAddress, { ca: authority.ca }, REQUEST);
        assert.match(shown, /^HTTP\/1\.1 200 /);
        answered++;
      }
    }));
    await put("one", await authority.leaf(["localhost", "127.0.0.1", "new.example"]));
    await gateway.logged("Certificates exchanged");
    for (let round = 0; round < 5; round++) {
      const before = times(gateway, "Configuration reloaded");
      await put("two", await authority.leaf([`n${round}.example`]));
      gateway.signal("SIGHUP");
      await eventually("a reload", () => times(gateway, "Configuration reloaded") > before);
    }
    stops = true;
    await load;
    assert.ok(answered > 0);
    const { certificates } = JSON.parse(await admin("/status"));
    assert.deepEqual(certificates.map(({ names }: { names: string[] }) => names.at(-1)), ["new.example", "n4.example"]);
  });

  await step.step("a reload with what cannot be used, or has expired, leaves all as it was", async () => {
    const notReloaded = () => times(gateway, "Configuration not reloaded");
    const expired = await authority.leaf(["localhost"], { notBeforeMs: 0, notAfterMs: Date.now() - DAY_MS });
    const other = await authority.leaf(["localhost"]);
    for (
      const [made, text] of [[expired, "it has expired"], [
        { ...expired, key: other.key },
        "and it is another's",
      ]] as const
    ) {
      const before = notReloaded();
      await put("one", made);
      gateway.signal("SIGHUP");
      await eventually("it is refused", () => notReloaded() > before);
      assert.ok(gateway.log().includes(text), gateway.log());
    }
    assert.match(await admin("/metrics"), /usher_tls_certificate_expiry_timestamp_seconds/);
    assert.match(await askOnce(tlsAddress, { ca: authority.ca }, REQUEST), /^HTTP\/1\.1 200 /);
  });

  await step.step("no key is ever printed", () => {
    assert.ok(!gateway.log().includes("PRIVATE KEY"));
  });
});
