import assert from "node:assert/strict";
import { mayGoAgain, UpstreamFailure } from "../../lib/upstream_client/transport.ts";

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
  const request = (method: string, hasBody = false) => {
    const body = hasBody ? { stream: new ReadableStream<Uint8Array>(), lengthBytes: 1 } : null;
    return { method, target: "/", fields: [], body };
  };
  for (const method of ["GET", "HEAD", "OPTIONS"]) {
    assert.ok(mayGoAgain(request(method), {}));
    assert.ok(!mayGoAgain(request(method), { once: true }));
    assert.ok(!mayGoAgain(request(method, true), {}));
  }
  for (const method of ["POST", "PUT", "PATCH", "DELETE", "PURGE", "get"]) assert.ok(!mayGoAgain(request(method), {}));
});
