import assert from "node:assert/strict";
import { demoApiKey, startTmdbOrigin, type TmdbOrigin } from "../origins/tmdb_origin.ts";
import { demoToken } from "../origins/tmdb_accounts.ts";
import { startScriptedOrigin } from "../origins/scripted_origin.ts";
import { eventually } from "../eventually.ts";
import { fetched, type GatewayPlaces, type RunningGateway, startGateway } from "./_gateway.ts";
import { startDemoGateway } from "./demo_gateway.ts";
import { testConfig } from "./test_config.ts";

interface Write {
  readonly method: string;
  readonly target: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const KEY = `api_key=${demoApiKey}`;
const ALICE = `${KEY}&session_id=session-of-alice`;
const JSON_TYPE = { "content-type": "application/json;charset=utf-8" };
const USER = { authorization: `Bearer ${demoToken(demoApiKey, ["api_read", "api_write"])}` };

/** What users' clients write, with bodies that a gateway which parses and rewrites them would alter. */
const WRITES: readonly Write[] = [
  { method: "GET", target: `/3/authentication/guest_session/new?${KEY}` },
  { method: "GET", target: `/3/authentication/guest_session/new?${KEY}` },
  { method: "GET", target: `/3/authentication/token/new?${KEY}` },
  {
    method: "POST",
    target: `/3/authentication/session/new?${KEY}`,
    body: '{"request_token" : "abc"}',
    headers: JSON_TYPE,
  },
  { method: "POST", target: `/3/movie/550/rating?${ALICE}`, body: '{ "value" : 8.50 }\r\n', headers: JSON_TYPE },
  {
    method: "POST",
    target: `/3/movie/550/rating?${ALICE}`,
    body: '{"value":9.0,"note":"\u00fc\u{1f3ac}"}',
    headers: JSON_TYPE,
  },
  { method: "POST", target: `/3/movie/550/rating?${ALICE}`, body: '{"value":11}', headers: JSON_TYPE },
  {
    method: "POST",
    target: `/3/movie/550/rating?${ALICE}`,
    body: "value=8",
    headers: { "content-type": "text/plain" },
  },
  { method: "POST", target: `/3/movie/550/rating?${KEY}`, body: '{"value":8}', headers: JSON_TYPE },
  { method: "GET", target: `/3/movie/550/account_states?${ALICE}` },
  { method: "DELETE", target: `/3/movie/550/rating?${ALICE}`, body: '{"value": null}', headers: JSON_TYPE },
  { method: "DELETE", target: `/3/movie/550/rating?${ALICE}` },
  {
    method: "POST",
    target: `/3/list/17/add_item?${ALICE}`,
    body: '{"media_id":18446744073709551615}',
    headers: JSON_TYPE,
  },
  { method: "POST", target: `/3/list/17/clear?${ALICE}&confirm=true` },
  { method: "DELETE", target: `/3/list/17?${ALICE}` },
  { method: "POST", target: `/3/account/1/favorite?${ALICE}`, body: '{"favorite":true}', headers: JSON_TYPE },
  { method: "PUT", target: `/4/list/17?${KEY}`, body: '{"name":"A"}', headers: { ...JSON_TYPE, ...USER } },
  {
    method: "DELETE",
    target: `/3/authentication/session?${KEY}`,
    body: '{"session_id":"session-of-bob"}',
    headers: JSON_TYPE,
  },
];

/** Does all writes at one place; what was answered. */
async function answersOf(base: string): Promise<readonly unknown[]> {
  const answers: unknown[] = [];
  for (const { method, target, body, headers } of WRITES) {
    const answer = await fetched(base + target, { method, body, headers });
    const text = new TextDecoder().decode(answer.bytes);
    answers.push([`${method} ${target}`, answer.status, answer.headers.get("content-type"), text]);
  }
  return answers;
}

function received(origin: TmdbOrigin): readonly unknown[] {
  return origin.requests
    .filter(({ fields }) => !fields.some(([, value]) => value === "usher-health"))
    .map(({ method, target, fields, body }) => [
      `${method} ${target}`,
      fields.find(([name]) => name === "content-type")?.[1],
      fields.find(([name]) => name === "authorization")?.[1],
      new TextDecoder().decode(body),
    ]);
}

Deno.test("ratings, sessions and lists pass byte by byte, each once, and their answers come back as they are", async () => {
  // Two origins in the same state, so that the same writes have the same answers.
  const direct = await startTmdbOrigin();
  const origin = await startTmdbOrigin();
  const gateway = await startDemoGateway(origin.url);
  try {
    const wanted = await answersOf(direct.url);
    assert.deepEqual(await answersOf(gateway.url), wanted);
    assert.deepEqual(received(origin), received(direct));
    assert.equal(received(origin).length, WRITES.length);
    const statuses = wanted.map((answer) => (answer as [string, number])[1]);
    for (const status of [200, 201, 400, 401, 404]) assert.ok(statuses.includes(status), String(status));
  } finally {
    await gateway.close();
    await direct.close();
    await origin.close();
  }
});

Deno.test("what a user has written to a list no worker serves as it was, nor the next process", async () => {
  await using stack = new AsyncDisposableStack();
  let items = 1;
  const origin = stack.adopt(
    await startScriptedOrigin(async (exchange) => {
      await exchange.body();
      if (exchange.head.method !== "GET") items++;
      const fields: [string, string][] = [["content-type", "application/json"]];
      await exchange.reply({
        status: exchange.head.method === "POST" ? 201 : 200,
        fields,
        body: JSON.stringify({ items }),
      });
    }),
    (running) => running.close(),
  );
  const config = (places: GatewayPlaces) =>
    testConfig(places, {
      pools: { tmdb: { type: "tmdb-api", health: false, upstreams: [origin.url], key_mode: "pass" } },
      listeners: [{ name: "v3", prefix: "/3", pool: "tmdb" }, { name: "v4", prefix: "/4", pool: "tmdb" }],
    });
  const lists = ["/3/list/5", "/3/list/5?language=de", "/4/list/5?page=2"];
  const show = async (gateway: RunningGateway, what: string) => {
    for (let turn = 0; turn < 4; turn++) {
      for (const list of lists) {
        const { bytes } = await fetched(gateway.url + list);
        assert.equal(new TextDecoder().decode(bytes), JSON.stringify({ items }), `${list} ${what}`);
      }
    }
  };
  const first = await startGateway({ config });
  await show(first, "at first");
  const onDisk = async () =>
    (await (await fetch(`${first.adminUrl}/status`)).json()).cache.disk.entries >= lists.length;
  await eventually("the lists are on disk", onDisk);
  for (const [method, target] of [["POST", "/3/list/5/add_item?session_id=s"], ["PUT", "/4/list/5/items"]] as const) {
    const asked = origin.heads.length;
    assert.ok((await fetched(first.url + target, { method, body: "{}", headers: JSON_TYPE })).status < 300);
    await show(first, `after ${method}`);
    assert.equal(origin.heads.length - asked, 1 + lists.length, "each list is fetched once, in all workers together");
  }
  // One more, after which nobody reads: what is on disk is as it was before.
  await fetched(`${first.url}/3/list/5/clear?session_id=s`, { method: "POST", body: "{}", headers: JSON_TYPE });
  first.signal("SIGTERM");
  await first.ended();
  const second = stack.adopt(await startGateway({ config, directory: first.directory }), (running) => running.close());
  await show(second, "in the next process");
});
