import assert from "node:assert/strict";
import { startTmdbOrigin } from "../origins/tmdb_origin.ts";
import { fetched, freePort, startGateway } from "./_gateway.ts";
import { testConfig } from "./test_config.ts";

const POOL_KEY = "aaaabbbbccccddddeeeeffff00001111";
const CLIENT_KEY = "11112222333344445555666677778888";
const ADMIN_TOKEN = "admin-token-that-nobody-may-see";
const METRICS_TOKEN = "metrics-token-that-nobody-may-see";
const APP_TOKEN = `eyJhbGciOiJIUzI1NiJ9.${
  btoa(JSON.stringify({ aud: "x", scopes: ["api_read"], version: 1 })).replaceAll("=", "")
}.c2lnbmF0dXJl`;
const USER_TOKEN = "user-token-0f1e2d3c4b5a";
const SECRETS = [
  POOL_KEY,
  CLIENT_KEY,
  ADMIN_TOKEN,
  METRICS_TOKEN,
  APP_TOKEN,
  USER_TOKEN,
  "session-of-alice",
  "cookie-of-alice",
  "basic-of-alice",
];

Deno.test("secrets are in no log line, error, status, metric or response", async () => {
  await using stack = new AsyncDisposableStack();
  const origin = stack.adopt(await startTmdbOrigin({ keys: [POOL_KEY, CLIENT_KEY] }), (running) => running.close());
  const gateway = stack.adopt(
    await startGateway({
      env: { USHER_POOL_KEY: POOL_KEY, USHER_ADMIN_TOKEN: ADMIN_TOKEN },
      config: (places) =>
        testConfig(places, {
          logging: { level: "debug" },
          admin: {
            token: "${USHER_ADMIN_TOKEN}",
            tokens: [{ name: "grafana", token: METRICS_TOKEN, role: "metrics" }],
          },
          pools: {
            films: {
              type: "tmdb-api",
              api_keys: ["${USHER_POOL_KEY}"],
              upstreams: [origin.url],
              retry: { attempts: 2 },
            },
            dead: { type: "tmdb-api", api_keys: ["${USHER_POOL_KEY}"], upstreams: [`http://127.0.0.1:${freePort()}`] },
            any: { type: "custom", upstreams: [origin.url] },
          },
          listeners: [
            { name: "films", prefix: "/3", pool: "films" },
            { name: "dead", prefix: "/dead", strip_prefix: true, pool: "dead" },
            { name: "any", prefix: "/any", strip_prefix: true, pool: "any" },
          ],
        }),
    }),
    (running) => running.close(),
  );
  const seen: string[] = [];
  const headers = {
    authorization: `Bearer ${APP_TOKEN}`,
    cookie: "sid=cookie-of-alice",
  };
  for (const prefix of ["", "/dead", "/any"]) {
    for (
      const [path, init] of [
        [`/3/movie/550?api_key=${CLIENT_KEY}`, {}],
        [`/3/movie/550?api%5Fkey=${CLIENT_KEY}`, {}],
        [`/3/movie/0?api_key=${CLIENT_KEY}`, {}],
        ["/3/movie/551", {}],
        ["/3/movie/552", { headers }],
        ["/3/account/1", { headers: { authorization: `Bearer ${USER_TOKEN}` } }],
        ["/3/movie/553", { headers: { authorization: `Basic ${btoa("alice:basic-of-alice")}` } }],
        ["/3/movie/550/account_states?session_id=session-of-alice", {}],
        ["/3/movie/550/rating?guest_session_id=session-of-alice", { method: "POST", body: '{"value":8}' }],
        [`/3/nothing/${"x".repeat(300)}?api_key=${CLIENT_KEY}`, {}],
        [`/3/../x?api_key=${CLIENT_KEY}`, {}],
      ] as const
    ) {
      const response = await fetched(gateway.url + prefix + path, init);
      seen.push(JSON.stringify([...response.headers]));
      // What the origin says to a user of that user is not the gateway's to hide.
      if (response.headers.has("proxy-status")) seen.push(new TextDecoder().decode(response.bytes));
    }
  }
  // Refused and limited keys are told of in the log: by their place.
  origin.keys.set(POOL_KEY, "suspended");
  await fetched(`${gateway.url}/3/movie/554`);
  const admin = { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } };
  for (
    const path of [
      "/status",
      "/metrics",
      "/ready",
      "/nothing",
      "/api/v1/config",
      "/api/v1/pools",
      "/api/v1/openapi.json",
    ]
  ) {
    const { bytes } = await fetched(gateway.adminUrl + path, admin);
    seen.push(new TextDecoder().decode(bytes));
  }
  const { bytes } = await fetched(`${gateway.adminUrl}/status`, { headers: { authorization: "Bearer wrong" } });
  seen.push(new TextDecoder().decode(bytes));
  await gateway.writeConfig(
    `admin: { token: ${ADMIN_TOKEN}, tokn: x }\npools: { a: { type: tmdb-api, api_keys: [ "${POOL_KEY}x" ], upstreams: [ "http://u:${USER_TOKEN}@h" ] } }\n`,
  );
  const reload = await fetched(`${gateway.adminUrl}/reload`, { method: "POST", ...admin });
  assert.equal(reload.status, 422);
  seen.push(new TextDecoder().decode(reload.bytes));
  gateway.signal("SIGTERM");
  assert.equal(await gateway.ended(), 0);
  seen.push(gateway.log());
  assert.match(gateway.log(), /\/3\/movie\/550/);
  for (const secret of SECRETS) {
    const where = seen.find((text) => text.includes(secret) || text.includes(btoa(`alice:${secret}`)));
    assert.equal(where === undefined, true, `${secret} in ${where?.split("\n").find((line) => line.includes(secret))}`);
  }
});
