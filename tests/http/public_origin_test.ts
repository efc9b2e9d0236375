import assert from "node:assert/strict";
import { publicOrigin } from "../../lib/http/public_origin.ts";

function origin(fields: Record<string, string>, more: { trusted?: boolean; authority?: string } = {}): string {
  const { trusted = true, authority = "gateway.test:6635" } = more;
  const said = publicOrigin({ authority, scheme: "http", trusted, header: (name) => fields[name] ?? null });
  return `${said.scheme}://${said.authority}`;
}

Deno.test("publicOrigin() is the request's own authority where nobody says otherwise", () => {
  assert.equal(origin({}), "http://gateway.test:6635");
  assert.equal(origin({}, { authority: "[2001:db8::1]:80" }), "http://[2001:db8::1]");
});

Deno.test("publicOrigin() believes forwarding fields of trusted proxies only", () => {
  const fields = { "x-forwarded-proto": "https", "x-forwarded-host": "films.example", forwarded: "host=evil.example" };
  assert.equal(origin(fields, { trusted: false }), "http://gateway.test:6635");
  assert.equal(origin({ "x-forwarded-proto": "https", "x-forwarded-host": "films.example" }), "https://films.example");
});

Deno.test("publicOrigin() takes the first of several, and Forwarded before the others", () => {
  assert.equal(
    origin({ "x-forwarded-proto": "https, http", "x-forwarded-host": "films.example, 10.0.0.2" }),
    "https://films.example",
  );
  assert.equal(
    origin({
      forwarded: 'for="[2001:db8::9]:4711";Host="films.example:8443" ; proto=HTTPS, host=inner.example;proto=http',
      "x-forwarded-proto": "http",
      "x-forwarded-host": "other.example",
    }),
    "https://films.example:8443",
  );
  assert.equal(origin({ forwarded: "for=192.0.2.1", "x-forwarded-proto": "https" }), "https://gateway.test:6635");
});

Deno.test("publicOrigin() leaves the default port out", () => {
  assert.equal(
    origin({ "x-forwarded-host": "films.example:443", "x-forwarded-proto": "https" }),
    "https://films.example",
  );
  assert.equal(origin({ "x-forwarded-host": "films.example:443" }), "http://films.example:443");
});

Deno.test("publicOrigin() passes over what is no scheme and no authority", () => {
  for (
    const host of ["user@films.example", "films.example/p", 'a"b', "a b", "", "a\\b", `${"a".repeat(300)}.example`]
  ) {
    assert.equal(origin({ "x-forwarded-host": host, "x-forwarded-proto": "javascript" }), "http://gateway.test:6635");
    assert.equal(origin({ forwarded: `host="${host}";proto=ftp` }), "http://gateway.test:6635");
  }
  assert.equal(origin({ forwarded: `${";".repeat(50_000)}host=films.example` }), "http://gateway.test:6635");
});
