import assert from "node:assert/strict";
import { eligible } from "../../lib/pool/balancer.ts";
import { upstreamsOf } from "./balancer_suite.ts";

Deno.test("eligible() leaves out what was tried and what is full", () => {
  const [a, b] = upstreamsOf([1, 1]);
  assert.equal(eligible(a!, null, 0), true);
  assert.equal(eligible(a!, new Set([b!]), 0), true);
  assert.equal(eligible(a!, new Set([a!]), 0), false);
  b!.inFlightLimit = 0;
  assert.equal(eligible(b!, null, 0), false);
});
