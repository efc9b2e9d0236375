import assert from "node:assert/strict";
import { shownFields, shownTarget } from "../../lib/gateway/shown_request.ts";

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
