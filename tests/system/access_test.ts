import assert from "node:assert/strict";
import { demoApiKey, startTmdbOrigin } from "../origins/tmdb_origin.ts";
import { runMain } from "./_command.ts";
import { eventually } from "../eventually.ts";
import { fetched, startGateway } from "./_gateway.ts";

const page = await Deno.readTextFile("docs/access.md");
const examples = [...page.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map((match) => match[1]!);
const LIVING_ROOM = "5f3c9a1e7b2d4068aa51c0de93b7f642";
const KODI = "e0d1c2b3a495867768594a3e2d1c6f0b";
const KODI_BEFORE = "0b6f1c2d3e4a5968778695a4b3c2d1e0";
const env = {
  TMDB_API_KEY: demoApiKey,
  LIVING_ROOM_TOKEN: LIVING_ROOM,
  KODI_TOKEN: KODI,
  KODI_TOKEN_BEFORE: KODI_BEFORE,
};

Deno.test("docs/access.md: every YAML example passes the check", async () => {
  assert.equal(examples.length, 3);
  for (const example of examples) {
    const path = await Deno.makeTempFile({ suffix: ".yaml" });
    await Deno.writeTextFile(path, example);
    const { code, stdout, stderr } = await runMain(["check", "--skip-ports", "--config", path], { env });
    assert.equal(code, 0, `${example}\n${stdout}${stderr}`);
    await Deno.remove(path);
  }
});

Deno.test("docs/access.md: a closed gateway lets clients in by each form of a token, changes tokens at a reload, and shows none", async () => {
  await using stack = new AsyncDisposableStack();
  const origin = stack.adopt(await startTmdbOrigin(), (running) => running.close());
  const gateway = stack.adopt(
    await startGateway({
      env,
      config: ({ port, adminPort, dataDir }) =>
        `server: { workers: 2, data_dir: "${dataDir}" }\nadmin: { listen: "127.0.0.1:${adminPort}" }\n` +
        `logging: { access: all }\n` +
        examples[0]!.replaceAll(/https:\/\/(?:api|image)\.[a-z.]+/g, origin.url)
          .replaceAll("name: api\n", `name: api\n    listen: "127.0.0.1:${port}"\n`)
          .replaceAll("name: images,", `name: images, listen: "127.0.0.1:${port}",`),
    }),
    (running) => running.close(),
  );
  const seen: string[] = [];
  const ask = async (target: string, headers: Record<string, string> = {}) => {
    const answer = await fetched(gateway.url + target, { headers });
    const text = new TextDecoder().decode(answer.bytes);
    seen.push(text + JSON.stringify([...answer.headers]));
    return { ...answer, text };
  };
  assert.equal(JSON.parse((await ask("/3/movie/603")).text).status_code, 7);
  assert.deepEqual(origin.requests.filter(({ target }) => target.startsWith("/3/movie")), []);
  const forms: [string, Record<string, string>?][] = [
    ["/3/movie/603", { "x-usher-token": LIVING_ROOM }],
    ["/3/movie/603", { authorization: `Bearer ${KODI}` }],
    [`/3/movie/603?api_key=${KODI_BEFORE}`],
    [`/~${KODI}/3/movie/603`],
  ];
  for (const [target, headers] of forms) assert.equal((await ask(target, headers)).status, 200, target);
  const { text } = await ask(`/~${KODI}/3/configuration`);
  assert.equal(JSON.parse(text).images.base_url, `${gateway.url}/~${KODI}/t/p/`);
  seen.pop();
  assert.equal((await ask("/t/p/w92/a.jpg")).status, 401);

  await gateway.writeConfig((await Deno.readTextFile(gateway.configPath)).replace(', "${KODI_TOKEN_BEFORE:-}"', ""));
  gateway.signal("SIGHUP");
  await gateway.logged("Configuration reloaded");
  assert.equal((await ask(`/3/movie/603?api_key=${KODI_BEFORE}`)).status, 401);
  assert.equal((await ask(`/3/movie/603?api_key=${KODI}`)).status, 200);

  let metrics = "";
  await eventually("the counters have come in", async () => {
    metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
    return /usher_client_requests_total\{listener="api",client="kodi"\} [1-9]/.test(metrics) &&
      /usher_auth_failures_total\{listener="api",result="refused"\} [1-9]/.test(metrics);
  });
  const status = await (await fetch(`${gateway.adminUrl}/status`)).text();
  await gateway.logged("client_name=living-room");
  const sent = JSON.stringify(origin.requests.map(({ target, fields }) => [target, fields]));
  for (const token of [LIVING_ROOM, KODI, KODI_BEFORE]) {
    for (const text of [gateway.log(), metrics, status, sent, ...seen]) assert.ok(!text.includes(token));
  }
  assert.ok(!seen.join().includes(demoApiKey));
});
