import assert from "node:assert/strict";
import { metricsRoutes } from "../../routes/metrics.ts";
import { plainView } from "./plain_view.ts";

Deno.test("GET /metrics answers the view's text with the type that scrapers ask for", async () => {
  const response = await metricsRoutes(plainView()).request("/metrics");
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  assert.equal(await response.text(), "# HELP x X\n");
});
