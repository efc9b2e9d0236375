import assert from "node:assert/strict";
import { effectiveWeightOf, leastLoaded, nominalWeightOf } from "../../lib/pool/least_loaded.ts";
import { upstreamsOf } from "./balancer_suite.ts";

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
