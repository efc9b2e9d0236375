import assert from "node:assert/strict";
import { madeAuthority } from "../certificates/made.ts";
import { startTmdbOrigin } from "../origins/tmdb_origin.ts";
import { fetched, freePort, startGateway } from "./_gateway.ts";
import { runMain } from "./_command.ts";

const page = await Deno.readTextFile("docs/networking.md");
const examples = [...page.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map((match) => match[1]!);
const KEY = "0123456789abcdef0123456789abcdef";

Deno.test("docs/networking.md: every YAML example passes the check", async () => {
  assert.ok(examples.length >= 6);
  const folder = await Deno.makeTempDir();
  const { cert, key } = await (await madeAuthority()).leaf(["api.themoviedb.org", "api.tmdb.org"]);
  await Deno.writeTextFile(`${folder}/cert.pem`, cert);
  await Deno.writeTextFile(`${folder}/key.pem`, key, { mode: 0o600 });
  for (const example of examples) {
    const path = await Deno.makeTempFile({ suffix: ".yaml" });
    await Deno.writeTextFile(path, example.replaceAll("tls/", `${folder}/`));
    const { code, stdout, stderr } = await runMain(["check", "--skip-ports", "--config", path]);
    assert.equal(code, 0, `${example}\n${stdout}${stderr}`);
    await Deno.remove(path);
  }
});

Deno.test("docs/networking.md: the chain of two gateways serves, caches and purges as the page says", async () => {
  await using stack = new AsyncDisposableStack();
  const origin = stack.adopt(await startTmdbOrigin(), (running) => running.close());
  const [far, near] = ["name: far\n", "name: near\n"].map((name) => examples.find((text) => text.includes(name))!);
  const [farPort, farAdminPort] = [freePort(), freePort()];
  const onLoopback = (text: string) =>
    text.replaceAll("10.0.0.2:6635", `127.0.0.1:${farPort}`).replaceAll("10.0.0.2:6636", `127.0.0.1:${farAdminPort}`)
      .replace("trusted_proxies: [10.0.0.1]", "trusted_proxies: [127.0.0.1]")
      .replace("[https://api.themoviedb.org, https://api.tmdb.org]", `["${origin.url}"]`)
      .replace("https://api.tmdb.org", "http://127.0.0.1:9");
  const env = { TMDB_API_KEY: KEY, FAR_ADMIN_TOKEN: "far-secret" };
  stack.adopt(
    await startGateway({
      env,
      config: ({ dataDir }) => onLoopback(far!).replace("server:\n", `server:\n  workers: 1\n  data_dir: ${dataDir}\n`),
    }),
    (running) => running.close(),
  );
  const gateway = stack.adopt(
    await startGateway({
      env,
      config: ({ port, adminPort, dataDir }) =>
        onLoopback(near!).replace("server:\n", `server:\n  workers: 1\n  data_dir: ${dataDir}\n`)
          .replace("admin:\n", `admin:\n  listen: 127.0.0.1:${adminPort}\n`)
          .replace("name: api,", `name: api, listen: "127.0.0.1:${port}",`),
    }),
    (running) => running.close(),
  );
  const film = () => fetched(`${gateway.url}/3/movie/550`);
  const first = await film();
  assert.equal(first.status, 200);
  assert.match(first.cacheStatus, /^far; fwd=uri-miss; stored[^,]*, near; fwd=uri-miss; stored/);
  assert.match((await film()).cacheStatus, /^far; fwd=uri-miss[^,]*, near; hit/);
  const purge = await fetch(`${gateway.adminUrl}/purge`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ prefix: "/3/", hard: true }),
  });
  const { peers } = await purge.json();
  assert.deepEqual(peers, [{ peer: `http://127.0.0.1:${farAdminPort}`, ok: true, problem: null }]);
  assert.match((await film()).cacheStatus, /^far; fwd=uri-miss; stored[^,]*, near; fwd=uri-miss; stored/);
});
