import assert from "node:assert/strict";
import { shownFields, shownTarget, withoutTokens } from "../../lib/inspect/shown_request.ts";

const KEYS = ["first-key", "second-key"];

Deno.test("shownTarget() names the pool's keys by their place and hides every other credential", () => {
  assert.equal(
    shownTarget("/a?session_id=s&api_key=second-key&b=1", KEYS),
    "/a?session_id=[redacted]&api_key=<key 2 of 2>&b=1",
  );
  assert.equal(shownTarget("/3/guest_session/abc/rated", KEYS), "/3/guest_session/[redacted]/rated");
  assert.equal(shownTarget("/a?x=first-keysecond-key", KEYS), "/a[redacted]");
  assert.equal(shownTarget("/a?b=1", []), "/a?b=1");
});

Deno.test("shownFields() hides credentials whole, but for the pool's key", () => {
  assert.deepEqual(
    shownFields(
      [["authorization", "Bearer first-key"], ["cookie", "a=b"], ["accept", "*/*"], ["x", "y?token=z"]],
      KEYS,
    ),
    [["authorization", "Bearer <key 1 of 2>"], ["cookie", "[redacted]"], ["accept", "*/*"], [
      "x",
      "y?token=[redacted]",
    ]],
  );
  assert.deepEqual(shownFields([["authorization", "Basic dTpw"]], []), [["authorization", "[redacted]"]]);
});

Deno.test("withoutTokens() hides a client's token before the path and in the parameters that may hold one", () => {
  const auth = {
    tokens: [],
    header: "x-t",
    bearer: true,
    query: ["k"],
    path: true,
    maxFailures: 1,
    sharedCaches: false,
  };
  assert.equal(
    withoutTokens("/~0123456789abcdef/3/x?a=1&k=secret&%6b=x", [{ auth }]),
    "/~[redacted]/3/x?a=1&k=[redacted]&%6b=[redacted]",
  );
  assert.equal(withoutTokens("/~0123456789abcdef/3", [{ auth: null }]), "/~0123456789abcdef/3");
  assert.equal(withoutTokens("/3?%zz=1&k", [{ auth }]), "/3?%zz=1&k=[redacted]");
});
