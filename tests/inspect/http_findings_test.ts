import assert from "node:assert/strict";
import type { CheckAnswer } from "../../lib/inspect/check_findings.ts";
import { httpFinding, keyFinding } from "../../lib/inspect/http_findings.ts";
import type { Fields } from "../../lib/http/fields.ts";
import { createUpstreamType } from "../../lib/upstream_type/registry.ts";
import { configOf } from "../gateway/config_of.ts";

const { pools: [pool] } = await configOf({
  pools: { p: { type: "custom", upstreams: ["http://127.0.0.1:9"], health: { timeout: "1s", interval: "10s" } } },
  listeners: [{ name: "l", listen: "127.0.0.1:6635", pool: "p" }],
});
const tmdb = createUpstreamType("tmdb-api", { apiKeys: [], keyMode: "pass", contentTypes: null, now: () => 0 });

function answer(
  status: number | null,
  more: Partial<CheckAnswer> & { reason?: string; type?: string } = {},
): CheckAnswer {
  const { reason = "", type, ...rest } = more;
  const fields: Fields = type === undefined ? [] : [["content-type", type]];
  const verdict = reason === "" ? "pass" : "fail";
  const result = { verdict, reason, latencyMs: 12 } as const;
  return {
    result,
    method: "GET",
    target: "/h?token=secret",
    status,
    fields,
    text: "",
    failure: null,
    aheadMs: null,
    ...rest,
  };
}

Deno.test("httpFinding() is well with a check that passes, and shows no secret of its target", () => {
  const finding = httpFinding(answer(200), pool!);
  assert.deepEqual([finding.state, finding.remedy], ["ok", null]);
  assert.equal(finding.text, "GET /h?token=[redacted]: 200 in 12 ms");
  assert.match(httpFinding(answer(401), pool!).text, /the host is well/);
  assert.equal(httpFinding(null, pool!).state, "skip");
});

Deno.test("httpFinding() warns of a limit, and of an answer that comes too late for the health worker", () => {
  assert.equal(httpFinding(answer(429), pool!).state, "warn");
  const slow = httpFinding(answer(200, { result: { verdict: "pass", reason: "", latencyMs: 1_500 } }), pool!);
  assert.equal(slow.state, "warn");
  assert.match(slow.remedy!, /`health\.timeout` \(1s\)/);
});

Deno.test("httpFinding() has a remedy for each way to fail", () => {
  const remedies: [CheckAnswer, RegExp][] = [
    [answer(200, { reason: "status 200", type: "text/html" }), /filter.*`proxy: …`/],
    [answer(200, { reason: "status 200", type: "video/mp4" }), /`content_types`/],
    [answer(301, { reason: "status 301" }), /`url`/],
    [answer(403, { reason: "status 403", type: "text/html; charset=utf-8" }), /filter/],
    [answer(401, { reason: "status 401", type: "application/json" }), /credentials/],
    [answer(404, { reason: "status 404" }), /`health\.path`/],
    [answer(503, { reason: "status 503" }), /in trouble itself/],
    [answer(null, { reason: "no answer within 5 ms" }), /does not answer/],
    [answer(200, { reason: "no answer within 5 ms", type: "application/json" }), /does not answer in time/],
    [answer(200, { reason: "truncated", type: "application/json" }), /the connection broke/],
    [answer(null, { reason: "protocol" }), /not HTTP\/1\.1/],
    [answer(null, { reason: "reset" }), /connection broke/],
    [answer(null, { reason: "tls", failure: "Cannot connect: x" }), /lines above/],
  ];
  for (const [failing, remedy] of remedies) {
    const finding = httpFinding(failing, pool!);
    assert.equal(finding.state, "fail");
    assert.match(finding.remedy!, remedy);
  }
});

Deno.test("httpFinding() shows where a redirect leads, without what it holds of secrets", () => {
  const fields: Fields = [["location", "https://login.example/?access_token=abc"]];
  const { text } = httpFinding(answer(302, { reason: "status 302", fields }), pool!);
  assert.match(text, /status 302 to https:\/\/login\.example\/\?access_token=\[redacted\]/);
});

Deno.test("keyFinding() tells valid, invalid, suspended and limited keys apart by the type's own words", () => {
  const said = (status: number | null, text = "") => {
    const finding = keyFinding(2, answer(status, { text }), tmdb);
    assert.equal(finding.check, "key 2");
    return `${finding.state}: ${finding.text}`;
  };
  assert.equal(said(200), "ok: valid");
  assert.equal(said(401, '{"status_code":7}'), "fail: refused (401, invalid key, code 7)");
  assert.equal(said(401, '{"success":false,"status_code" : 10}'), "fail: refused (401, suspended key, code 10)");
  assert.equal(said(429, '{"status_code":25}'), "warn: limited (429, over the limit, code 25)");
  assert.equal(said(401, "<html>"), "fail: refused (401)");
  assert.match(said(503), /^skip: .*status 503/);
  assert.match(said(null), /^skip/);
  assert.equal(keyFinding(1, null, tmdb).state, "skip");
});
