import assert from "node:assert/strict";
import { GatewayError } from "../../lib/errors.ts";
import { Custom } from "../../lib/upstream_type/custom.ts";
import { requestFor, typeOptions } from "./_requests.ts";

const type = new Custom(typeOptions({ contentTypes: { allow: ["application/json", "image/*"], deny: ["image/gif"] } }));

Deno.test("Custom.keyTarget() is the target as it came", () => {
  for (const target of ["/a//b", "/a?b=1&&a=%zz&api_key=k", "/%61"]) {
    assert.equal(type.keyTarget(requestFor(target)), target);
  }
});

Deno.test("Custom.classify() leaves sharing and freshness to the origin", () => {
  const found = type.classify(requestFor("/a", { fields: { authorization: "Bearer x" } }));
  assert.deepEqual([found.private, found.sharedAuthorization, found.ttl], [null, false, null]);
  assert.notEqual(type.classify(requestFor("/a", { method: "PUT" })).private, null);
  assert.ok(type.hostInKey && type.forwarded === "x-forwarded");
});

Deno.test("Custom.outgoing() changes nothing", () => {
  const request = requestFor("/a?b=%zz", { fields: { cookie: "c=d" } });
  assert.deepEqual(type.outgoing(request), { query: "b=%zz", set: [], credential: null });
  assert.equal(type.upstreamPath("/a//b"), "/a//b");
});

Deno.test("Custom.judge() goes by the pool's content types", () => {
  const rows: Array<readonly [status: number, contentType: string, judgement: string]> = [
    [200, "application/json", "ok"],
    [200, "image/png", "ok"],
    [200, "image/gif", "wrong_content"],
    [200, "text/html; charset=utf-8", "wrong_content"],
    [404, "text/html", "ok"],
    [304, "text/html", "ok"],
    [429, "text/html", "limited"],
    [502, "text/html", "failed"],
  ];
  for (const [status, contentType, judgement] of rows) {
    assert.equal(
      type.judge({ status, fields: [["content-type", contentType]] }, null),
      judgement,
      `${status} ${contentType}`,
    );
  }
  assert.equal(new Custom(typeOptions()).judge({ status: 200, fields: [] }, null), "ok");
  // What the client has asked for by its name is no fault of the upstream's.
  const from = { id: "a", mayAskOther: () => true, asksFor: (mediaType: string) => mediaType === "image/gif" };
  for (const [mediaType, judgement] of [["image/gif", "unsuitable"], ["text/html", "wrong_content"]] as const) {
    assert.equal(type.judge({ status: 200, fields: [["content-type", mediaType]] }, null, from), judgement);
  }
});

Deno.test("Custom.check takes any answer but a failure's for a sign of life, 501 to HEAD too", () => {
  assert.deepEqual(type.check, { method: "HEAD", target: "/", fields: [], status: [[200, 499], [501, 501]] });
});

Deno.test("Custom.error() is problem details", () => {
  const shape = type.error(new GatewayError("overloaded", "Too much", { hint: "Wait" }), "r");
  assert.deepEqual([shape.contentType, JSON.parse(shape.body).detail], ["application/problem+json", "Wait"]);
});
