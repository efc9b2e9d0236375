import assert from "node:assert/strict";
import { effectiveWeightOf, eligible, leastLoaded, nominalWeightOf } from "../../lib/pool/balancer.ts";
import { balancerNames, createBalancer } from "../../lib/pool/balancer_registry.ts";
import { upstreamsOf } from "./balancer_suite.ts";

Deno.test("eligible() leaves out what was tried and what is full", () => {
  const [a, b] = upstreamsOf([1, 1]);
  assert.equal(eligible(a!, null, 0), true);
  assert.equal(eligible(a!, new Set([b!]), 0), true);
  assert.equal(eligible(a!, new Set([a!]), 0), false);
  b!.inFlightLimit = 0;
  assert.equal(eligible(b!, null, 0), false);
});

Deno.test("leastLoaded() measures requests in flight against weight", () => {
  const upstreams = upstreamsOf([1, 4, 0]);
  for (let i = 0; i < 2; i++) upstreams[1]!.begin(0);
  const request = { tried: null, nowMs: 0, start: 0 };
  assert.equal(leastLoaded(upstreams, nominalWeightOf, request), upstreams[1]);
  for (let i = 0; i < 3; i++) upstreams[1]!.begin(0);
  assert.equal(leastLoaded(upstreams, nominalWeightOf, request), upstreams[0]);
});

Deno.test("leastLoaded() begins where it is told, leaves out tried ones and zero weights", () => {
  const upstreams = upstreamsOf([1, 1, 1]);
  const pick = (start: number, tried = new Set<typeof upstreams[number]>()) =>
    leastLoaded(upstreams, effectiveWeightOf, { tried, nowMs: 0, start });
  assert.equal(pick(2), upstreams[2]);
  assert.equal(pick(2, new Set([upstreams[2]!])), upstreams[0]);
  assert.equal(pick(0, new Set(upstreams)), null);
  for (const upstream of upstreams) upstream.effectiveWeight = 0;
  assert.equal(pick(0), null);
});

Deno.test("createBalancer() builds every strategy that balancerNames lists", () => {
  assert.equal(balancerNames[0], "weighted-ewma");
  for (const name of balancerNames) {
    const balancer = createBalancer(name);
    const upstreams = upstreamsOf([1]);
    balancer.rebuild(upstreams);
    assert.equal(balancer.pick(null, 0, 0), upstreams[0]);
  }
});

Deno.test("createBalancer() refuses other names, inherited ones too", () => {
  for (const name of ["", "p3c", "toString", "__proto__"]) assert.throws(() => createBalancer(name), RangeError);
});
