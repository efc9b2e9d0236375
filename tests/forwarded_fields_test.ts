import assert from "node:assert/strict";
import { speaksForProxy, WRITTEN_FORWARDING_FIELDS } from "../lib/forwarded_fields.ts";

const FAMILY = [
  ...["Forwarded", "X-Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port"],
  ...["X-Forwarded-Server", "X-Forwarded-Prefix", "X-Forwarded-Path", "X-Forwarded-Uri", "X-Forwarded-Scheme"],
  ...["X-Forwarded-Ssl", "X-Forwarded-By", "X-Forwarded-Method", "X-Forwarded-User", "X-Forwarded-Anything-Else"],
  ...["X-Forward-For", "X-Forwarder-For", "Forwarded-For", "X-Original-URL", "X-Original-Uri", "X-Original-Host"],
  ...["X-Original-Method", "X-Original-Forwarded-For", "X-Originating-IP", "X-Rewrite-URL", "X-Override-URL", "X-Host"],
  ...["X-HTTP-Host-Override", "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "Front-End-Https"],
  ...["X-Url-Scheme", "X-Scheme", "X-Cluster-Client-IP", "True-Client-IP", "CF-Connecting-IP", "CF-Connecting-IPv6"],
  ...["CF-Visitor", "Fastly-Client-IP", "Fastly-SSL", "X-ProxyUser-Ip", "WL-Proxy-Client-IP", "Proxy-Client-IP"],
  ...["X-Real-IP", "X-Real-Port", "X-Client-IP", "Client-IP", "X-Remote-IP", "X-Remote-Addr", "X-True-Client-IP"],
  ...["X-Azure-ClientIP", "X-Azure-SocketIP", "X-Azure-FDID", "X-Envoy-External-Address", "X-Envoy-Original-Path"],
  ...["X-Appengine-User-IP", "Fly-Client-IP", "Fly-Forwarded-Proto", "CloudFront-Forwarded-Proto", "X-ARR-SSL"],
  ...["X-MS-Original-URL", "X-Vercel-Forwarded-For", "X-NF-Client-Connection-IP", "SSL-Client-Cert", "X-SSL-Client-DN"],
];

/** What clients send in their own name, some of it close to the above. */
const OWN = [
  ...[
    "Accept",
    "Accept-Language",
    "Authorization",
    "Cookie",
    "User-Agent",
    "Referer",
    "Origin",
    "Range",
    "Via",
    "Host",
  ],
  ...[
    "X-Requested-With",
    "X-Request-Id",
    "X-Api-Key",
    "X-Amzn-Trace-Id",
    "X-CSRF-Token",
    "X-Emby-Token",
    "Traceparent",
  ],
  ...["CF-Access-Client-Id", "CF-Access-Client-Secret", "X-Vercel-Protection-Bypass", "X-Plex-Client-Identifier"],
  ...["X-Hosted-By", "X-Origin", "X-Realm", "Forward", "X-Forum", "Client", "Cluster", "X-Method", "Fastly-Key"],
  ...[
    "X-Schema",
    "X-Client-Version",
    "X-Client-Id",
    "Sec-Fetch-Site",
    "Sec-WebSocket-Key",
    "Upgrade-Insecure-Requests",
  ],
];

Deno.test("speaksForProxy() knows the family of fields by which a client would speak for a proxy, with - and with _", () => {
  for (const name of FAMILY) {
    const lower = name.toLowerCase();
    assert.equal(speaksForProxy(lower), true, name);
    assert.equal(speaksForProxy(lower.replaceAll("-", "_")), true, `${name} with _`);
    assert.equal(speaksForProxy(lower), true, `${name} again`);
  }
});

Deno.test("speaksForProxy() leaves what clients send in their own name", () => {
  for (const name of OWN) assert.equal(speaksForProxy(name.toLowerCase()), false, name);
});

Deno.test("speaksForProxy() answers for any number of names, and the same each time", () => {
  for (let turn = 0; turn < 2; turn++) {
    for (let index = 0; index < 3_000; index++) {
      assert.equal(speaksForProxy(`x-forwarded-${index}`), true);
      assert.equal(speaksForProxy(`x-own-${index}`), false);
    }
  }
  for (const name of WRITTEN_FORWARDING_FIELDS) assert.equal(speaksForProxy(name), true);
});

Deno.test("docs/networking.md lists the family", async () => {
  const page = await Deno.readTextFile(new URL("../docs/networking.md", import.meta.url));
  const start = page.indexOf("## Fields that speak for a proxy");
  assert.ok(start > 0);
  const listed = [...page.slice(start, page.indexOf("\n## ", start + 4)).matchAll(/`([A-Z][A-Za-z0-9-]*)(\*)?`/g)];
  const names = listed.map(([, name, any]) => name!.toLowerCase() + (any === undefined ? "" : "any"));
  for (const name of names) assert.equal(speaksForProxy(name), true, name);
  const covers = (name: string) =>
    names.some((one) => one === name || (one.endsWith("any") && name.startsWith(one.slice(0, -3))));
  for (const name of FAMILY) assert.ok(covers(name.toLowerCase()), `${name} is not on the page`);
});
