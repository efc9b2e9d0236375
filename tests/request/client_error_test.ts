import assert from "node:assert/strict";
import { GatewayError } from "../../lib/errors.ts";
import { clientError, gatewayError } from "../../lib/request/client_error.ts";
import { type FailureKind, UpstreamFailure } from "../../lib/upstream_client/transport.ts";
import { WireError } from "../../lib/wire/wire_error.ts";

Deno.test("gatewayError() names timeouts, bad grammar, what is too large and the rest", () => {
  const codes = ([
    "connect_timeout",
    "first_byte_timeout",
    "idle_timeout",
    "protocol",
    "truncated",
    "too_large",
    "reset",
    "tls",
  ] as const)
    .map((kind) => gatewayError(new UpstreamFailure(kind, "secret detail", true)))
    .map(({ code, status, message, retryAfterSeconds }) =>
      `${code} ${status} ${message.includes("secret")} ${retryAfterSeconds}`
    );
  assert.deepEqual(codes, [
    "upstream_timeout 504 false 5",
    "upstream_timeout 504 false 5",
    "upstream_timeout 504 false 5",
    "upstream_invalid_response 502 false 5",
    "upstream_invalid_response 502 false 5",
    // It will be too large again.
    "upstream_invalid_response 502 false undefined",
    "upstream_unreachable 502 false 5",
    "upstream_unreachable 502 false 5",
  ]);
});

Deno.test("gatewayError() takes a request that cannot be written for the client's, and says what is wrong with it", () => {
  const { code, status, message } = gatewayError(new UpstreamFailure("unsendable", "Cannot write it: why", false));
  assert.deepEqual([code, status, message], ["bad_request", 400, "Cannot write it: why"]);
});

Deno.test("gatewayError() gives back an error of the gateway's own that ended the try", () => {
  const cause = new GatewayError("request_too_large", "too large");
  assert.equal(gatewayError(new UpstreamFailure("aborted", "x", true, { cause })), cause);
});

Deno.test("gatewayError() takes what a client broke off for its own doing: 408 where it stalled, else 400", () => {
  const stalled = gatewayError(new UpstreamFailure("aborted", "x", true));
  assert.deepEqual([stalled.code, stalled.status], ["request_timeout", 408]);
  const broken = gatewayError(new UpstreamFailure("aborted", "x", true, { cause: new TypeError("y") }));
  assert.deepEqual([broken.code, broken.status], ["bad_request", 400]);
  const refused = gatewayError(new UpstreamFailure("aborted", "x", true, { cause: new WireError(501, "y") }));
  assert.deepEqual([refused.code, refused.status], ["coding_not_supported", 501]);
});

Deno.test("gatewayError() says what can be done where the way to the upstream fails, and nothing of the failure's text", () => {
  const of = (kind: FailureKind) => gatewayError(new UpstreamFailure(kind, "secret detail", false));
  for (const kind of ["resolve", "refused_address", "tls", "proxy"] as const) {
    const { code, hint, message } = of(kind);
    assert.equal(code, "upstream_unreachable");
    assert.ok((hint ?? "").length > 20, kind);
    assert.doesNotMatch(`${hint} ${message}`, /secret/);
  }
  assert.match(of("refused_address").hint ?? "", /allow_private/);
  assert.equal(of("reset").hint, undefined);
});

Deno.test("clientError() names a transport's failure, and leaves every other error as it is", () => {
  assert.equal((clientError(new UpstreamFailure("reset", "x", true)) as GatewayError).code, "upstream_unreachable");
  const other = new TypeError("x");
  assert.equal(clientError(other), other);
});
