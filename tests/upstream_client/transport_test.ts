import assert from "node:assert/strict";
import { UpstreamFailure } from "../../lib/upstream_client/transport.ts";

Deno.test("UpstreamFailure carries kind, whether the request went out, and cause", () => {
  const cause = new Error("below");
  const failure = new UpstreamFailure("reset", "Cannot read the response: connection reset", true, { cause });
  assert.deepEqual(
    [failure.name, failure.kind, failure.requestSent, failure.cause],
    ["UpstreamFailure", "reset", true, cause],
  );
  assert.ok(failure instanceof Error);
});
