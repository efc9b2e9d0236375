import assert from "node:assert/strict";
import { acceptsCoding, negotiateCoding } from "../../lib/http/content_coding.ts";

const OFFERED = ["br", "zstd", "gzip"];

Deno.test("negotiateCoding() follows weights, then the order offered (RFC 9110 §12.5.3)", () => {
  const cases: [accept: string | null, coding: string | null][] = [
    [null, "identity"],
    ["", "identity"],
    ["gzip", "gzip"],
    ["gzip, deflate, br", "br"],
    ["gzip;q=1.0, br;q=0.5", "gzip"],
    ["GZIP", "gzip"],
    ["x-gzip", "gzip"],
    ["gzip;q=0.5", "gzip"],
    ["gzip;q=0.5, identity", "identity"],
    ["gzip;q=0", "identity"],
    ["deflate", "identity"],
    ["*", "br"],
    ["br;q=0, *", "zstd"],
    ["*;q=0", null],
    ["*;q=0, gzip;q=0.1", "gzip"],
    ["identity;q=0", null],
    ["identity;q=0, gzip;q=0.2", "gzip"],
    ["gzip;q=0, gzip", "identity"],
  ];
  for (const [accept, coding] of cases) assert.equal(negotiateCoding(accept, OFFERED), coding, String(accept));
});

Deno.test("negotiateCoding() offers identity where nothing else is", () => {
  assert.equal(negotiateCoding("gzip", []), "identity");
  assert.equal(negotiateCoding("gzip, identity;q=0", []), null);
});

Deno.test("acceptsCoding() judges a stored coding (RFC 9110 §12.5.3)", () => {
  const cases: [accept: string | null, coding: string, accepted: boolean][] = [
    [null, "gzip", true],
    ["", "gzip", false],
    ["gzip", "gzip", true],
    ["gzip", "x-gzip", true],
    ["gzip", "br", false],
    ["*", "br", true],
    ["*;q=0.1, br;q=0", "br", false],
    ["gzip", "identity", true],
    ["*;q=0", "identity", false],
  ];
  for (const [accept, coding, accepted] of cases) {
    assert.equal(acceptsCoding(accept, coding), accepted, `${accept} ${coding}`);
  }
});
