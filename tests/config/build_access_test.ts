import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { configOf } from "./load_text.ts";

const TOKEN = "5f3c9a1e7b2d4068aa51c0de93b7f642";

async function listenerOf(keys: string, type = "custom") {
  const config = await configOf(`pools: { p: { type: ${type}, upstreams: [https://one.example] } }
listeners: [{ name: l, pool: p, ${keys} }]`);
  return { listener: config.listeners[0]!, text: JSON.stringify(config) };
}

Deno.test("buildAuth() keeps hashes of clean tokens, and nothing of the tokens themselves", async () => {
  const { listener, text } = await listenerOf(`auth: { tokens: { tv: ["${TOKEN} \u200b", ""] } }`);
  assert.deepEqual(listener.auth, {
    tokens: [{ client: "tv", sha256: createHash("sha256").update(TOKEN).digest("hex") }],
    header: "x-usher-token",
    bearer: true,
    query: ["usher_token", "api_key"],
    path: true,
    maxFailures: 20,
    sharedCaches: false,
  });
  assert.ok(!text.includes(TOKEN));
});

Deno.test("buildAuth() carries every key over", async () => {
  const { listener } = await listenerOf(
    `auth: { tokens: { tv: ${TOKEN} }, header: X-Key, bearer: false, query: [k, k], path: false, max_failures: 3, shared_caches: true }`,
  );
  const { tokens: _, ...rest } = listener.auth!;
  assert.deepEqual(rest, {
    ...{ header: "x-key", bearer: false, query: ["k"], path: false, maxFailures: 3, sharedCaches: true },
  });
});

Deno.test("buildCors() reads the short forms", async () => {
  const own = {
    mode: "own",
    origins: ["*"],
    methods: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
    requestFields: null,
    expose: [],
    credentials: false,
    maxAgeSeconds: 86_400,
    privateNetwork: false,
  };
  const cors = async (keys: string) => (await listenerOf(keys)).listener.cors;
  assert.equal(await cors(""), null);
  assert.deepEqual(await cors('cors: "*"'), own);
  assert.deepEqual(await cors("cors: pass"), { mode: "pass" });
  assert.deepEqual(await cors("cors: off"), { ...own, origins: [] });
  assert.deepEqual(await cors("cors: https://A.example"), { ...own, origins: ["https://a.example"] });
  assert.deepEqual(await cors('cors: [https://A.example, "http://localhost:*"]'), {
    ...own,
    origins: ["https://a.example", "http://localhost:*"],
  });
});

Deno.test("buildCors() carries every key over", async () => {
  const { listener } = await listenerOf(
    `cors: { origins: [https://a.example, "https://*.b.example"], methods: [GET], request_fields: [X-A], expose: [X-B],
      credentials: true, max_age: 90s, private_network: true }`,
  );
  assert.deepEqual(listener.cors, {
    mode: "own",
    origins: ["https://a.example", "https://*.b.example"],
    methods: ["GET"],
    requestFields: ["X-A"],
    expose: ["X-B"],
    credentials: true,
    maxAgeSeconds: 90,
    privateNetwork: true,
  });
});
