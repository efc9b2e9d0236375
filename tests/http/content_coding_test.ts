import assert from "node:assert/strict";
import { seededRandom } from "../seeded_random.ts";
import {
  acceptsCoding,
  codingPreference,
  negotiateCoding,
  negotiatedCodings,
  suitsAlike,
} from "../../lib/http/content_coding.ts";

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

/** Lists that mean the same to an origin, line by line. */
const ALIKE: readonly (readonly string[])[] = [
  // What seven browsers and programs of the last ten years send, and spellings of it.
  [
    "gzip, deflate, br",
    "br, gzip, deflate",
    "gzip, deflate, sdch, br",
    "br;q=1.0, gzip;q=1.0",
    "GZIP ,\tBR",
    "gzip,,br",
  ],
  ["gzip, deflate, br, zstd", "deflate, gzip, br, zstd", "zstd, br, gzip", "gzip, deflate, br, zstd, dcb, dcz"],
  ["gzip", "gzip, deflate", "gzip,deflate", "deflate, gzip", "x-gzip", "gzip;q=1.000", "gzip;q=0.5", "gzip, identity"],
  ["gzip", "gzip;q=1.0,deflate;q=0.6,identity;q=0.3", "gzip, br;q=0", "gzip, x-gzip", "gzip, gzip", "identity, gzip"],
  ["br, gzip;q=0.9", "br;q=1, gzip;q=0.2", "br;q=0.5, gzip;q=0.1, deflate;q=0.05, identity;q=0.01"],
  ["identity", "", ",", "identity;q=0.5", "gzip;q=0", "br;q=0, gzip;q=0.000", "identity, *;q=0"],
  ["gzip, *;q=0", "gzip, identity;q=0", "identity;q=0, deflate, gzip"],
  ["*", "*;q=0.5", "deflate, *"],
  ["deflate", "DEFLATE;q=0.3", "deflate, identity;q=0.1"],
  ["br, gzip, zstd", "br, gzip, zstd, *;q=0.1"],
];

Deno.test("codingPreference() is one text for lists that mean the same to an origin", () => {
  for (const [first = "", ...others] of ALIKE) {
    const text = codingPreference(first);
    assert.notEqual(text, null);
    for (const other of others) assert.equal(codingPreference(other), text, `${first} | ${other}`);
  }
});

Deno.test("codingPreference() keeps apart what an origin may answer in different codings", () => {
  const different = [
    ...["gzip", "br", "zstd", "gzip, br", "gzip, zstd", "gzip, br, zstd", "identity", "*", "deflate", "compress"],
    ...[
      "gzip, br;q=0.5",
      "br, gzip;q=0.5",
      "identity, gzip;q=0.5",
      "gzip, identity;q=0",
      "identity;q=0",
      "gzip, *;q=0.5",
    ],
    ...["deflate, gzip;q=0.5", "br;q=0, *"],
  ];
  const texts = different.map((list) => codingPreference(list));
  assert.equal(new Set(texts).size, different.length, String(texts));
});

Deno.test("codingPreference() says nothing of a list that is malformed or contradicts itself", () => {
  for (const list of ["gzip;q=2", "gzip;q=", "gzip br", '"gzip"', "gzip;x=1", "gzip;q=1;q=0", "gzip, gzip;q=0", "é"]) {
    assert.equal(codingPreference(list), null, list);
  }
  assert.equal(codingPreference(Array.from({ length: 12 }, (_, n) => `c${n};q=0.${n + 10}`).join()), null);
});

Deno.test("codingPreference() of its own text is the same, and takes and refuses the same, whatever the list (seeded)", () => {
  const random = seededRandom(103);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const names = ["gzip", "br", "zstd", "deflate", "x-gzip", "identity", "*", "sdch"];
  const weights = ["", "", "", ";q=0", ";q=1.0", ";q=0.5", " ; Q=0.25", ";q=0.001"];
  for (let turn = 0; turn < 5_000; turn++) {
    const list = Array.from({ length: Math.floor(random() * 6) }, () => pick(names) + pick(weights)).join(
      pick([",", ", "]),
    );
    const text = codingPreference(list);
    if (text === null) continue;
    assert.equal(codingPreference(text), text, list);
    for (const coding of ["gzip", "br", "zstd", "identity"]) {
      assert.equal(acceptsCoding(text, coding), acceptsCoding(list, coding), `${coding} in ${list} | ${text}`);
    }
  }
});

Deno.test("negotiatedCodings() names what a client may refuse, and nothing else", () => {
  assert.deepEqual(negotiatedCodings(null), []);
  assert.deepEqual(negotiatedCodings("gzip"), ["gzip"]);
  assert.deepEqual(negotiatedCodings(" X-GZip , br"), ["gzip", "br"]);
  assert.deepEqual(negotiatedCodings("exi, xz"), ["exi", "xz"]);
  for (const none of ["", "identity", "utf-8", "none", "aws-chunked", "binary"]) {
    assert.deepEqual(negotiatedCodings(none), [], none);
  }
});

Deno.test("suitsAlike() looks up in a client's list what its preference leaves out", () => {
  assert.equal(suitsAlike("gzip", "gzip"), true);
  assert.equal(suitsAlike("gzip", "deflate"), false);
  assert.equal(suitsAlike("gzip, deflate", "deflate"), true);
  assert.equal(suitsAlike("gzip", "utf-8"), true);
  assert.equal(suitsAlike("gzip", null), true);
});

Deno.test("codingPreference() does not go through a list that no client means", () => {
  const list = (members: number) => Array.from({ length: members }, (_, index) => `c${index}`).join();
  assert.equal(codingPreference(`gzip;q=0.5,${list(31)}`)?.split(",").length, 32);
  assert.equal(codingPreference(`gzip;q=0.5,${list(32)}`), null);
  assert.equal(codingPreference(list(500_000)), null);
});
