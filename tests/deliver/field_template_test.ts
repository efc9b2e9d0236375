import assert from "node:assert/strict";
import type { StoredResponse } from "../../lib/cache/stored_response.ts";
import { Cors, CORS_DEFAULTS } from "../../lib/request/cors.ts";
import type { Tenant } from "../../lib/request/snapshot.ts";
import type { Fields } from "../../lib/http/fields.ts";
import { templateFields } from "../../lib/deliver/field_template.ts";

const tenant = { responseFields: [["x-added", "1"]], cors: null, auth: null } as unknown as Tenant;
const VALUES = { ageSeconds: 7, cacheStatus: "usher; hit", requestId: "id", origin: null };

function stored(fields: Fields): StoredResponse {
  return { status: 200, fields } as unknown as StoredResponse;
}

Deno.test("templateFields() adds what changes to what is stored, anew for each request", () => {
  const response = stored([["etag", '"1"']]);
  const first = { ...templateFields(response, tenant, VALUES) };
  assert.deepEqual(first, {
    etag: '"1"',
    age: "7",
    "cache-status": "usher; hit",
    "x-request-id": "id",
    "x-added": "1",
  });
  assert.equal(templateFields(response, tenant, { ...VALUES, ageSeconds: 8 })?.["age"], "8");
});

Deno.test("templateFields() keeps members of caches nearer to the origin before ours, on one line", () => {
  const response = stored([["cache-status", "one; hit"], ["etag", '"1"'], ["cache-status", "two; fwd=miss"]]);
  for (let turn = 0; turn < 2; turn++) {
    assert.equal(templateFields(response, tenant, VALUES)?.["cache-status"], "one; hit, two; fwd=miss, usher; hit");
  }
});

Deno.test("templateFields() gives up on names that repeat, which an object cannot say", () => {
  assert.equal(templateFields(stored([["link", "a"], ["link", "b"]]), tenant, VALUES), null);
});

Deno.test("templateFields() makes another template for another tenant", () => {
  const response = stored([["etag", '"1"']]);
  templateFields(response, tenant, VALUES);
  const other = { responseFields: [["x-other", "2"]], cors: null, auth: null } as unknown as Tenant;
  assert.equal(templateFields(response, other, VALUES)?.["x-other"], "2");
});

Deno.test("templateFields() names the page that may read, and only to that page", () => {
  const cors = new Cors({ ...CORS_DEFAULTS, origins: ["https://a.example", "https://b.example"] });
  const listed = { responseFields: cors.fields, cors, auth: null } as unknown as Tenant;
  const response = stored([["vary", "Accept"], ["access-control-allow-origin", "https://upstream.example"]]);
  const originOf = (origin: string | null) => templateFields(response, listed, { ...VALUES, origin });
  assert.equal(originOf("https://a.example")?.["access-control-allow-origin"], "https://a.example");
  assert.equal(originOf(null)?.["access-control-allow-origin"], undefined);
  assert.equal(originOf("https://b.example")?.["access-control-allow-origin"], "https://b.example");
  assert.equal(originOf(null)?.["vary"], "Accept, Origin");
});
