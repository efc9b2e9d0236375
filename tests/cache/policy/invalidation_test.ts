import assert from "node:assert/strict";
import type { Field } from "../../../lib/http/fields.ts";
import { invalidates, type InvalidationTarget } from "../../../lib/cache/policy/invalidation.ts";

const TARGET: InvalidationTarget = {
  authority: "a.example:8080",
  path: "/x/films",
  query: "p=1",
  upstreamAuthority: null,
};

interface Answer {
  readonly method?: string;
  readonly status?: number;
  readonly fields?: Field[];
  readonly target?: InvalidationTarget;
}

/** Targets as `path?query`. */
function invalidated({ method = "POST", status = 200, fields = [], target = TARGET }: Answer): string[] {
  return invalidates(method, { status, fields }, target)
    .map(({ path, query }) => query === "" ? path : `${path}?${query}`);
}

const OWN = "/x/films?p=1";

Deno.test("invalidates() the target of every unsafe or unknown method that succeeds (RFC 9111 §4.4)", () => {
  for (const method of ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH", "BREW", "get"]) {
    for (const status of [200, 201, 204, 299, 301, 303, 399]) {
      assert.deepEqual(invalidated({ method, status }), [OWN], `${method} ${status}`);
    }
  }
});

Deno.test("invalidates() nothing where the method is safe or the request failed (RFC 9111 §4.4)", () => {
  for (const method of ["GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH", "QUERY"]) {
    assert.deepEqual(invalidated({ method }), [], method);
  }
  for (const status of [100, 103, 400, 404, 409, 500, 503]) {
    assert.deepEqual(invalidated({ status }), [], String(status));
  }
});

Deno.test("invalidates() what Location and Content-Location name on the same origin (RFC 9111 §4.4)", () => {
  const cases: [reference: string, expected: string[]][] = [
    ["/y", [OWN, "/y"]],
    ["z?q=2", [OWN, "/x/z?q=2"]],
    ["../up", [OWN, "/up"]],
    ["?p=2", [OWN, "/x/films?p=2"]],
    ["http://a.example:8080/y#part", [OWN, "/y"]],
    ["http://A.EXAMPLE:8080/y", [OWN, "/y"]],
    ["https://a.example:8080/y", [OWN, "/y"]],
    ["//a.example:8080/y", [OWN, "/y"]],
    ["/x/films?p=1", [OWN]],
    ["", [OWN]],
    ["http://a.example/y", [OWN]],
    ["http://b.example:8080/y", [OWN]],
    ["http://a.example:8080@b.example/y", [OWN]],
    ["http://user@a.example:8080/y", [OWN, "/y"]],
    ["ftp://a.example:8080/y", [OWN]],
    ["http://[broken", [OWN]],
  ];
  for (const name of ["location", "content-location"]) {
    for (const [reference, expected] of cases) {
      assert.deepEqual(invalidated({ fields: [[name, reference]] }), expected, `${name}: ${reference}`);
    }
  }
  assert.deepEqual(invalidated({ fields: [["location", "/a"], ["content-location", "/b"]] }), [OWN, "/a", "/b"]);
});

Deno.test("invalidates() knows the name that the upstream was asked by", () => {
  const target = { ...TARGET, upstreamAuthority: "up.example" };
  assert.deepEqual(invalidated({ target, fields: [["location", "https://up.example/y"]] }), [OWN, "/y"]);
  assert.deepEqual(invalidated({ target, fields: [["location", "https://up.example:444/y"]] }), [OWN]);
  const strange = { ...TARGET, upstreamAuthority: "not an authority" };
  assert.deepEqual(invalidated({ target: strange, fields: [["location", "https://up.example/y"]] }), [OWN]);
});
