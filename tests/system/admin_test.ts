import assert from "node:assert/strict";
import { freePort, type GatewayPlaces, type RunningGateway, startGateway } from "./_gateway.ts";
import { rawRequest, requestText, textOf } from "./_raw_client.ts";
import { customPool, testConfig } from "./test_config.ts";

const UPSTREAM = `http://127.0.0.1:${freePort()}`;

function configOf(places: GatewayPlaces, admin: Readonly<Record<string, unknown>> = {}): string {
  return testConfig(places, {
    admin,
    pools: { any: customPool([UPSTREAM]) },
    listeners: [{ name: "any", prefix: "/", pool: "any" }],
  });
}

function admin(port: number, first: string, fields: Readonly<Record<string, string>>) {
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return rawRequest(port, `${first} HTTP/1.1\r\nconnection: close\r\n${lines}\r\n`);
}

Deno.test("the admin address without a token serves local names and no page of another origin", async () => {
  await using stack = new AsyncDisposableStack();
  const gateway = stack.adopt(
    await startGateway({ config: configOf, env: { USHER_TEST_HOOKS: "0" } }),
    (running) => running.close(),
  );
  const port = Number(new URL(gateway.adminUrl).port);
  const local = `127.0.0.1:${port}`;
  const table: ReadonlyArray<readonly [string, Record<string, string>, number]> = [
    ["GET /health", { host: local }, 200],
    ["GET /ready", { host: local }, 200],
    ["GET /status", { host: local }, 200],
    ["GET /status", { host: `localhost:${port}` }, 200],
    ["GET /status", { host: `[::1]:${port}` }, 200],
    ["GET /metrics", { host: local }, 200],
    ["GET /status", { host: "rebound.example" }, 403],
    ["GET /metrics", { host: `rebound.example:${port}` }, 403],
    ["POST /reload", { host: "rebound.example" }, 403],
    ["POST /reload", { host: local, origin: "https://evil.example" }, 403],
    ["POST /reload", { host: local, origin: "null" }, 403],
    ["GET /status", { host: local, origin: "https://evil.example" }, 403],
    ["GET /nothing", { host: local }, 404],
    ["GET /reload", { host: local }, 405],
    ["POST /reload", { host: local, "sec-fetch-site": "cross-site" }, 403],
    ["POST /test/fault/0/throw", { host: local }, 404],
    ["POST /reload", { host: local }, 200],
    ["POST /reload", { host: local, origin: `http://${local}` }, 200],
  ];
  for (const [first, fields, status] of table) {
    const response = await admin(port, first, fields);
    assert.equal(response.status, status, `${first} ${JSON.stringify(fields)}`);
    if (status >= 400) {
      assert.equal(response.field("content-type"), "application/problem+json");
      assert.equal(JSON.parse(textOf(response.body)).status, status);
    }
    assert.equal(response.field("access-control-allow-origin"), null);
  }
  assert.equal((await gateway.status()).workers.every(({ restarts }) => restarts === 0), true);
  // The data plane knows nothing of it.
  assert.equal((await rawRequest(gateway.port, requestText("GET /status"))).status, 502);
});

Deno.test("with a token the admin address asks for it, whatever the Host, and stays closed to all else", async () => {
  await using stack = new AsyncDisposableStack();
  const gateway = stack.adopt(
    await startGateway({
      config: (places) => configOf(places, { token: "right-token-0123456789", listen: `0.0.0.0:${places.adminPort}` }),
    }),
    (running) => running.close(),
  );
  const port = Number(new URL(gateway.adminUrl).port);
  const right = { authorization: "Bearer right-token-0123456789" };
  const table: ReadonlyArray<readonly [string, Record<string, string>, number]> = [
    ["GET /health", {}, 200],
    ["GET /ready", {}, 200],
    ["GET /status", {}, 401],
    ["GET /metrics", {}, 401],
    ["POST /reload", {}, 401],
    ["POST /test/fault/0/throw", {}, 401],
    ["GET /nothing", {}, 401],
    ["GET /status", { authorization: "Bearer right-token-012345678" }, 401],
    ["GET /status", { authorization: "Basic right-token-0123456789" }, 401],
    ["GET /status?token=right-token-0123456789", {}, 401],
    ["GET /status", right, 200],
    ["GET /metrics", right, 200],
    ["GET /status", { ...right, origin: "https://evil.example" }, 403],
  ];
  for (const [first, fields, status] of table) {
    const response = await admin(port, first, { host: "usher.example", ...fields });
    assert.equal(response.status, status, `${first} ${JSON.stringify(fields)}`);
    if (status === 401) assert.match(response.field("www-authenticate") ?? "", /^Bearer/);
  }
  for (let guess = 0; guess < 20; guess++) {
    const fields = { host: "usher.example", authorization: `Bearer guess-${guess}-0123456789` };
    const response = await admin(port, "GET /api/v1/status", fields);
    // One of the table above was a guess too.
    assert.equal(response.status, guess < 9 ? 401 : 429);
    if (response.status === 429) assert.match(response.field("retry-after") ?? "", /^[1-9]\d?$/);
  }
  assert.equal((await admin(port, "GET /api/v1/status", { host: "usher.example", ...right })).status, 200);
  assert.equal((await admin(port, "GET /ready", { host: "usher.example" })).status, 200);
  await gateway.logged("looked at for a minute client=127.0.0.1 area=admin");
  assert.doesNotMatch(gateway.log(), /guess-\d/);
});

Deno.test("status and metrics say what goes on", async () => {
  await using stack = new AsyncDisposableStack();
  const gateway = stack.adopt(
    await startGateway({ config: (places) => configOf(places) }),
    (running) => running.close(),
  );
  await (await fetch(`${gateway.url}/x`)).body?.cancel();
  const status = await gateway.status();
  assert.equal(status.pid, gateway.pid);
  assert.equal(status.config.generation, 1);
  assert.deepEqual(status.workers.map(({ name, state }) => [name, state]), [["serving-0", "up"], ["serving-1", "up"], [
    "health",
    "up",
  ]]);
  assert.deepEqual(status.listeners.map(({ name, requests }) => [name, requests]), [["any", 1]]);
  assert.equal(status.pools[0]!.upstreams[0]!.url, UPSTREAM);
  const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  for (const line of text.split("\n").filter((line) => line !== "")) {
    assert.match(line, /^(#|[a-z_]+(\{[^}]*\})? [-+0-9.eE]+$|[a-z_]+(\{[^}]*\})? (NaN|\+Inf)$)/);
  }
  assert.match(text, /^usher_config_generation 1$/m);
  assert.match(text, /^usher_\w*requests_total\{[^}]*listener="any"[^}]*\} 1$/m);
  await eventsFollow(gateway);
});

/** The stream that pages live on: everything, then what is new; ended by a reload, and by the gateway's end after a last word. */
async function eventsFollow(gateway: RunningGateway): Promise<void> {
  const open = async () => {
    const response = await fetch(`${gateway.adminUrl}/api/v1/events`);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("content-type"), "application/x-ndjson");
    return response.body!.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream()).getReader();
  };
  const first = await open();
  const hello = JSON.parse((await first.read()).value!);
  assert.deepEqual([hello.type, hello.role, hello.status.pid], ["hello", "operate", gateway.pid]);
  await (await fetch(`${gateway.url}/x`)).body?.cancel();
  // Workers report once a second, samples are made every five.
  const samples = [...hello.history.samples];
  while (samples.reduce((sum, { requests }) => sum + requests, 0) < 2) {
    const tick = JSON.parse((await first.read()).value!);
    assert.equal(tick.type, "tick");
    samples.push(...tick.samples.filter(({ at }: { at: string }) => at > (samples.at(-1)?.at ?? "")));
  }
  assert.equal(samples.reduce((sum, { errors }) => sum + errors, 0), 2, "both were answered with 502");
  const history = await (await fetch(`${gateway.adminUrl}/api/v1/history`)).json();
  assert.deepEqual(history.samples.slice(0, samples.length), samples);
  await (await fetch(`${gateway.adminUrl}/reload`, { method: "POST" })).body?.cancel();
  while (!(await first.read()).done);
  const second = await open();
  gateway.signal("SIGTERM");
  let last = "";
  for (let read; !(read = await second.read()).done;) last = read.value;
  assert.equal(JSON.parse(last).type, "tick");
  assert.equal(await gateway.ended(), 0);
}

/** Lines of a text, without their ends. */
class TextLineStream extends TransformStream<string, string> {
  constructor() {
    let rest = "";
    super({
      transform(chunk, controller) {
        const lines = (rest + chunk).split("\n");
        rest = lines.pop()!;
        for (const line of lines) controller.enqueue(line);
      },
    });
  }
}
