import assert from "node:assert/strict";
import { healthRoutes } from "../../routes/health.ts";
import { plainView } from "./plain_view.ts";

Deno.test("GET /health answers 200 as long as the process lives", async () => {
  const response = await healthRoutes(plainView({ isReady: () => false })).request("/health");
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), { status: "ok" });
});

Deno.test("GET /ready answers 200 or 503, by what is so when it is asked", async () => {
  let isReady = false;
  const app = healthRoutes(plainView({ isReady: () => isReady }));
  assert.equal((await app.request("/ready")).status, 503);
  isReady = true;
  assert.equal((await app.request("/ready")).status, 200);
});

Deno.test("HEAD /ready answers as GET does, for checks that send no GET", async () => {
  const response = await healthRoutes(plainView({ isReady: () => false })).request("/ready", { method: "HEAD" });
  assert.equal(response.status, 503);
  assert.equal(await response.text(), "");
});
