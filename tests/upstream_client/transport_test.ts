import assert from "node:assert/strict";
import { mayGoAgain, UpstreamFailure } from "../../lib/upstream_client/transport.ts";
import { request, streamed } from "./_sending.ts";

Deno.test("UpstreamFailure carries kind, whether the request went out, and cause", () => {
  const cause = new Error("below");
  const failure = new UpstreamFailure("reset", "Cannot read the response: connection reset", true, { cause });
  assert.deepEqual(
    [failure.name, failure.kind, failure.requestSent, failure.cause],
    ["UpstreamFailure", "reset", true, cause],
  );
  assert.ok(failure instanceof Error);
});

Deno.test("mayGoAgain() lets safe requests without a body go again, unless they are to go once", () => {
  for (const method of ["GET", "HEAD", "OPTIONS"]) {
    assert.ok(mayGoAgain(request(method), {}));
    assert.ok(!mayGoAgain(request(method), { once: true }));
    assert.ok(!mayGoAgain(request(method), { upgrade: "websocket" }));
    assert.ok(!mayGoAgain(request(method, "/", streamed([], 1)), {}));
  }
  for (const method of ["POST", "PUT", "PATCH", "DELETE", "PURGE", "get"]) assert.ok(!mayGoAgain(request(method), {}));
});
