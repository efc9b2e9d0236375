import { ageSeconds, ttlSeconds } from "../../lib/cache/policy/reuse.ts";
import { evaluate } from "../../lib/cache/policy/policy.ts";
import type { PolicyOptions } from "../../lib/cache/policy/policy_options.ts";
import { storable } from "../../lib/cache/policy/storable.ts";
import { hitStatus } from "../../lib/http/cache_status.ts";
import type { Field } from "../../lib/http/fields.ts";
import { NOW_MS, request, RFC9111, store, TTL } from "../cache/policy/policy_case.ts";

/** Fields as a browser sends them, behind the same kind of object that the server hands over. */
const headers = new Headers({
  host: "films.example",
  accept: "application/json, text/plain, */*",
  "accept-encoding": "gzip, deflate, br",
  "accept-language": "en-US,en;q=0.9,de;q=0.8",
  "user-agent": "Mozilla/5.0",
});
const asked = request({}, { header: (name) => headers.get(name) });
const reload = request({ "cache-control": "no-cache" });

const fields: Field[] = [
  ["cache-control", "public, max-age=28800"],
  ["content-type", "application/json;charset=utf-8"],
  ["date", new Date(NOW_MS).toUTCString()],
  ["etag", 'W/"6a1b2c3d"'],
  ["vary", "accept-language"],
  ["age", "120"],
];
const plain = store({ fields: fields.filter(([name]) => name !== "vary"), request: asked });
const varying = store({ fields, request: asked });
const nowMs = NOW_MS + 60_000;

function benchEvaluate(name: string, options: PolicyOptions): void {
  Deno.bench(`${name}, plain hit`, { group: "evaluate", baseline: name === "ttl" }, () => {
    evaluate(asked, plain, { options, nowMs });
  });
  Deno.bench(`${name}, hit that varies by language`, { group: "evaluate" }, () => {
    evaluate(asked, varying, { options, nowMs });
  });
  Deno.bench(`${name}, reload`, { group: "evaluate" }, () => {
    evaluate(reload, plain, { options, nowMs });
  });
}

benchEvaluate("ttl", TTL);
benchEvaluate("rfc9111", RFC9111);

Deno.bench("Age and Cache-Status of a hit", () => {
  String(ageSeconds(plain, nowMs));
  hitStatus("usher", ttlSeconds(plain, nowMs), "memory");
});

Deno.bench("storable", () => {
  storable({
    request: asked,
    head: { status: 200, fields },
    times: { requestTimeMs: NOW_MS - 40, responseTimeMs: NOW_MS },
    options: RFC9111,
  });
});
