import assert from "node:assert/strict";
import { balancerNames, createBalancer } from "../../lib/pool/balancer_registry.ts";
import { upstreamsOf } from "./balancer_suite.ts";

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
