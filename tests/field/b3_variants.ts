import assert from "node:assert/strict";
import { acceptsCoding, negotiateCoding } from "../../lib/http/content_coding.ts";
import { fieldValue } from "../../lib/http/fields.ts";
import { type Asked, asking, type FieldRow, type Seen, textOf } from "./field_row.ts";

const HOST = "any.test";
const FRESH: [string, string] = ["cache-control", "max-age=600"];

function get(path: string, lists: readonly (string | null)[]): string[] {
  return lists.map((list) => asking(`GET ${path}`, HOST, list === null ? [] : [`Accept-Encoding: ${list}`]));
}

/** An origin that has some codings, best first, and says in `Vary` that it chooses, or does not. */
function negotiating(offered: readonly string[], lines: readonly [string, string][] = []): FieldRow["answer"] {
  return async ({ exchange }: Asked) => {
    const coding = negotiateCoding(fieldValue(exchange.head.fields, "accept-encoding"), offered) ?? "identity";
    await exchange.wait(50);
    const coded: [string, string][] = coding === "identity" ? [] : [["content-encoding", coding]];
    await exchange.reply({ fields: [["content-type", "text/plain"], FRESH, ...lines, ...coded], body: coding });
  };
}

const VARY: [string, string] = ["vary", "Accept-Encoding"];

/** What each client got, and that it takes that: one without a list takes what is not coded. */
function suits({ responses }: Seen, lists: readonly (string | null)[]): string[] {
  return responses.map((one, index) => {
    const coding = one.field("content-encoding") ?? "identity";
    assert.equal(textOf(one), coding);
    assert.ok(acceptsCoding(lists[index] ?? "identity", coding), `${coding} to ${lists[index]}`);
    return coding;
  });
}

function row(
  name: string,
  lists: readonly (string | null)[],
  more: Pick<FieldRow, "before" | "answer"> & Partial<FieldRow> & { check(got: string[], asks: number): void },
): FieldRow {
  const { check, ...rest } = more;
  return {
    line: "B3",
    name,
    fellShort: true,
    requests: get(`/b3/${name.replaceAll(/\W+/g, "-")}`, lists),
    ...rest,
    holds: (seen) => check(suits(seen, lists), seen.asked.length),
  };
}

const TO_ALL = "the first client's copy went to all";
const BROWSERS = [
  ...["gzip, deflate, br, zstd", "gzip, deflate, br", "br, gzip, deflate", "gzip, deflate", "gzip,deflate,sdch,br"],
  ...["gzip;q=1.0, deflate;q=0.6, identity;q=0.3", "gzip"],
];
const LANGUAGES = Array.from({ length: 16 }, (_, index) => index % 2 === 0 ? "de" : "en");

/** B3: a stored coding goes to those that it suits; lists that mean the same are one variant; a herd asks once for each. */
export const variantRows: readonly FieldRow[] = [
  row("gzip without Vary goes to nobody who refuses it", ["gzip", "identity", "gzip;q=0", "br", null, "gzip"], {
    before: TO_ALL,
    answer: negotiating(["gzip"]),
    check: (got) => assert.deepEqual(got, ["gzip", "identity", "identity", "identity", "identity", "gzip"]),
  }),
  row("br without Vary goes to nobody who takes gzip alone", ["gzip, br", "gzip", "br, gzip;q=0.5", "gzip"], {
    before: TO_ALL,
    answer: negotiating(["br", "gzip"]),
    check: (got, asks) => {
      assert.deepEqual(got, ["br", "gzip", "br", "gzip"]);
      assert.ok(asks <= 3);
    },
  }),
  row("deflate goes to nobody who did not name it", ["gzip, deflate", "gzip", "deflate, gzip"], {
    before: TO_ALL,
    answer: async ({ exchange }) => {
      const named = /deflate/.test(fieldValue(exchange.head.fields, "accept-encoding") ?? "");
      const coding = named ? "deflate" : "gzip";
      await exchange.reply({ fields: [FRESH, ["content-encoding", coding]], body: coding });
    },
    check: (got) => assert.equal(got[1], "gzip"),
  }),
  row("lists that mean the same are one variant", [
    ...[
      "gzip, br",
      "br,gzip",
      "br;q=1.0, gzip;q=1.000",
      "GZIP, deflate , BR",
      "x-gzip, br",
      "identity;q=0.1, br, gzip",
    ],
    ...["gzip;q=0.8, br;q=0.8", "sdch, br, gzip, deflate;q=0.5"],
  ], {
    before: "six copies",
    answer: negotiating(["br", "gzip"], [VARY]),
    check: (got, asks) => {
      assert.deepEqual([new Set(got).size, asks], [1, 1]);
    },
  }),
  row("all ways to refuse every coding are one variant", [
    "identity",
    "",
    "gzip;q=0",
    "br;q=0, gzip;q=0",
    "identity;q=0.5",
  ], {
    before: "five copies",
    answer: negotiating(["br", "gzip"], [VARY]),
    check: (got, asks) => assert.deepEqual([new Set(got).size, asks], [1, 1]),
  }),
  row("seven browsers make three copies", BROWSERS, {
    before: "seven copies",
    answer: negotiating(["gzip"], [VARY]),
    check: (got, asks) => assert.deepEqual([new Set(got).size, asks], [1, 3]),
  }),
  row("what a client likes best is not mixed up", ["gzip, br;q=0.5", "br, gzip;q=0.5", "identity, gzip;q=0.5"], {
    before: "the same",
    fellShort: false,
    answer: negotiating(["gzip", "br"], [VARY]),
    check: (got, asks) => assert.deepEqual([got, asks], [["gzip", "br", "identity"], 3]),
  }),
  row("a herd for two codings makes two requests", LANGUAGES.map((language) => language === "de" ? "gzip" : "br"), {
    before: "nine requests",
    isAtOnce: true,
    answer: negotiating(["br", "gzip"], [VARY]),
    check: (got, asks) => assert.deepEqual([new Set(got).size, asks], [2, 2]),
  }),
  row(
    "a herd for what is coded without Vary makes two requests",
    LANGUAGES.map((one) => one === "de" ? "gzip" : "br"),
    {
      before: TO_ALL,
      isAtOnce: true,
      answer: negotiating(["br", "gzip"]),
      check: (got, asks) => assert.deepEqual([new Set(got).size, asks], [2, 2]),
    },
  ),
  {
    line: "B3",
    name: "a herd for two languages makes two requests",
    before: "nine requests",
    fellShort: true,
    isAtOnce: true,
    requests: LANGUAGES.map((language) => asking("GET /b3/languages", HOST, [`Accept-Language: ${language}`])),
    async answer({ exchange }) {
      await exchange.wait(50);
      const body = fieldValue(exchange.head.fields, "accept-language") ?? "";
      await exchange.reply({ fields: [FRESH, ["vary", "Accept-Language"]], body });
    },
    holds({ responses, asked }) {
      assert.deepEqual(responses.map(textOf), LANGUAGES);
      assert.equal(asked.length, 2);
    },
  },
];
