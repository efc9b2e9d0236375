import assert from "node:assert/strict";
import { GatewayError } from "../../lib/errors.ts";
import type { Exchange } from "../../lib/request/exchange.ts";
import { ATTEMPT_FIELD, attemptFields, refuseLoop, triesAllowed } from "../../lib/forward/refuse.ts";
import type { Sending } from "../../lib/forward/outgoing.ts";

/** What of a request and its pool the chain looks at. */
interface Facts {
  readonly fields?: Readonly<Record<string, string>>;
  readonly isTrusted?: boolean;
  readonly tries?: number;
  readonly attempts?: number;
  /** For each upstream of the pool whether it takes requests. */
  readonly upstreams?: readonly boolean[];
  readonly method?: string;
  readonly private?: string | null;
}

function exchangeOf(facts: Facts) {
  const { fields = {}, isTrusted = false, tries = 1, attempts = 3, upstreams = [true, true] } = facts;
  return {
    method: facts.method ?? "GET",
    private: facts.private ?? null,
    header: (name: string) => fields[name] ?? null,
    peer: "192.0.2.1",
    tries,
    services: { instanceId: "me-1234", settings: { isTrusted: () => isTrusted }, clock: { now: () => 0 } },
    tenant: {
      pool: {
        attempts,
        pool: { upstreams: upstreams.map((isIn) => ({ weight: 1, circuit: () => isIn ? "closed" : "open" })) },
      },
    },
  } as unknown as Exchange;
}

function sendingTo(usher: boolean, body: unknown = null): Sending {
  return { endpoint: { usher }, ask: { body } } as unknown as Sending;
}

Deno.test("refuseLoop() refuses what carries this process's own mark, wherever in the list", () => {
  for (const list of ["me-1234", "other, me-1234", "me-1234, other; x=1"]) {
    assert.throws(() => refuseLoop(exchangeOf({ fields: { "cdn-loop": list } })), (error) => {
      return error instanceof GatewayError && error.code === "loop_detected" && error.status === 508;
    });
  }
  refuseLoop(exchangeOf({}));
  refuseLoop(exchangeOf({ fields: { "cdn-loop": "other" } }));
});

Deno.test("triesAllowed() is one for what a trusted gateway tries again itself", () => {
  const fields = { [ATTEMPT_FIELD]: "1" };
  assert.equal(triesAllowed(exchangeOf({ fields, isTrusted: true })), 1);
  assert.equal(triesAllowed(exchangeOf({ fields, isTrusted: false })), 3);
  assert.equal(triesAllowed(exchangeOf({ isTrusted: true })), 3);
});

Deno.test("attemptFields() tells another Usher only while somebody else can be asked after it", () => {
  const told = (facts: Facts, sending = sendingTo(true)) => attemptFields(exchangeOf(facts), sending);
  assert.deepEqual(told({}), [[ATTEMPT_FIELD, "1"]]);
  assert.deepEqual(told({}, sendingTo(false)), []);
  assert.deepEqual(told({}, sendingTo(true, {})), []);
  assert.deepEqual(told({ method: "DELETE" }), []);
  assert.deepEqual(told({ private: "session" }), []);
  assert.deepEqual(told({ tries: 2 }), []);
  assert.deepEqual(told({ tries: 2, upstreams: [true, true, true] }), [[ATTEMPT_FIELD, "2"]]);
  assert.deepEqual(told({ upstreams: [true] }), []);
  assert.deepEqual(told({ upstreams: [true, false] }), []);
  assert.deepEqual(told({ attempts: 1 }), []);
  assert.deepEqual(told({ fields: { [ATTEMPT_FIELD]: "1" }, isTrusted: true }), []);
});
