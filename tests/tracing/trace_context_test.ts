import assert from "node:assert/strict";
import { formatTraceparent, parseTraceContext, parseTraceState } from "../../lib/tracing/trace_context.ts";

const ID = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";

Deno.test("parseTraceContext() takes what W3C Trace Context takes and nothing else", () => {
  const taken: [text: string, isSampled: boolean, isRandom: boolean][] = [
    [`00-${ID}-${SPAN}-01`, true, false],
    [`00-${ID}-${SPAN}-00`, false, false],
    [`00-${ID}-${SPAN}-03`, true, true],
    // Flags that are not known are no reason to refuse it.
    [`00-${ID}-${SPAN}-ff`, true, true],
    // Versions to come.
    [`cc-${ID}-${SPAN}-01`, true, false],
    [`cc-${ID}-${SPAN}-01-what-the-future-brings`, true, false],
  ];
  for (const [text, isSampled, isRandom] of taken) {
    assert.deepEqual(
      parseTraceContext(text, null),
      { traceId: ID, spanId: SPAN, isSampled, isRandom, state: "" },
      text,
    );
  }
  const refused = [
    "",
    `00-${ID}-${SPAN}`,
    `00-${ID}-${SPAN}-1`,
    `00-${ID}-${SPAN}-01-`,
    `00-${ID}-${SPAN}-01-more`,
    `00-${ID}-${SPAN}-0x`,
    `00-${ID.toUpperCase()}-${SPAN}-01`,
    `0-${ID}-${SPAN}-01`,
    `ff-${ID}-${SPAN}-01`,
    `cc-${ID}-${SPAN}-01.what`,
    `00-${"0".repeat(32)}-${SPAN}-01`,
    `00-${ID}-${"0".repeat(16)}-01`,
    `00-${ID.slice(1)}-${SPAN}-01`,
    `00-${ID}a-${SPAN}-01`,
    ` 00-${ID}-${SPAN}-01`,
    `00-${ID}-${SPAN}-01 `,
    `00_${ID}_${SPAN}_01`,
    // Two lines of the field, joined.
    `00-${ID}-${SPAN}-01, 00-${ID}-${SPAN}-01`,
    `cc-${ID}-${SPAN}-01-${"x".repeat(300)}`,
  ];
  for (const text of refused) assert.equal(parseTraceContext(text, "a=1"), null, text);
});

Deno.test("parseTraceContext() keeps a tracestate as it came, and drops one that breaks its grammar", () => {
  const stateOf = (text: string) => parseTraceContext(`00-${ID}-${SPAN}-01`, text)!.state;
  assert.equal(stateOf("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"), "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE");
  assert.equal(stateOf(" a=1 ,, tenant@vendor=x y\t,"), "a=1,tenant@vendor=x y");
  assert.equal(stateOf("0tenant-_*/=v"), "0tenant-_*/=v");
  for (const bad of ["a", "=1", "a=", "A=1", "a=1,a=2", "a =1", "a=b=c", "a=\x7f", "a=é", `${"k".repeat(257)}=1`]) {
    assert.equal(stateOf(bad), "", bad);
  }
  assert.equal(stateOf(`a=${"v".repeat(257)}`), "");
  assert.equal(stateOf(Array.from({ length: 33 }, (_, n) => `k${n}=1`).join(",")), "");
  assert.equal(parseTraceState(Array.from({ length: 32 }, (_, n) => `k${n}=1`).join(","))?.split(",").length, 32);
});

Deno.test("formatTraceparent() writes what parseTraceContext() reads", () => {
  for (const isSampled of [true, false]) {
    for (const isRandom of [true, false]) {
      const context = { traceId: ID, spanId: SPAN, isSampled, isRandom, state: "" };
      assert.deepEqual(parseTraceContext(formatTraceparent(context), null), context);
    }
  }
});
