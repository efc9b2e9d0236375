import assert from "node:assert/strict";
import { evaluatePreconditions, type Precondition, rangeApplies } from "../../lib/http/conditional.ts";
import { type Field, fieldValue } from "../../lib/http/fields.ts";
import { formatHttpDate } from "../../lib/http/http_date.ts";

const NOW_MS = Date.UTC(2026, 5, 15, 12);
const at = (deltaSeconds: number) => formatHttpDate(NOW_MS + deltaSeconds * 1000);

const ETAG: Field = ["etag", '"abcdef"'];
const MODIFIED: Field = ["last-modified", at(-3000)];
const DATE: Field = ["date", at(0)];

interface Case {
  readonly why: string;
  readonly method?: string;
  readonly status?: number;
  readonly asked: Record<string, string>;
  readonly fields: Field[];
  readonly expected: Precondition;
}

function selected(fields: Field[], status = 200) {
  return { status, field: (name: string) => fieldValue(fields, name), responseTimeMs: NOW_MS };
}

function check(cases: readonly Case[]): void {
  for (const { why, method = "GET", status = 200, asked, fields, expected } of cases) {
    const request = { method, header: (name: string) => asked[name] ?? null };
    assert.equal(evaluatePreconditions(request, selected(fields, status)), expected, why);
  }
}

Deno.test("evaluatePreconditions() If-None-Match compares weakly (RFC 9110 §13.1.2)", () => {
  check([
    { why: "same", asked: { "if-none-match": '"abcdef"' }, fields: [ETAG], expected: "not_modified" },
    { why: "weak", asked: { "if-none-match": 'W/"abcdef"' }, fields: [ETAG], expected: "not_modified" },
    { why: "one of many", asked: { "if-none-match": '"1", "abcdef", "2"' }, fields: [ETAG], expected: "not_modified" },
    { why: "any", asked: { "if-none-match": "*" }, fields: [], expected: "not_modified" },
    { why: "other", asked: { "if-none-match": '"other"' }, fields: [ETAG], expected: "proceed" },
    { why: "no tag stored", asked: { "if-none-match": '"abcdef"' }, fields: [], expected: "proceed" },
    { why: "unquoted", asked: { "if-none-match": "abcdef" }, fields: [ETAG], expected: "proceed" },
    { why: "HEAD", method: "HEAD", asked: { "if-none-match": '"abcdef"' }, fields: [ETAG], expected: "not_modified" },
  ]);
});

Deno.test("evaluatePreconditions() If-Modified-Since compares dates (RFC 9110 §13.1.3, RFC 9111 §4.3.2)", () => {
  const since = (deltaSeconds: number) => ({ "if-modified-since": at(deltaSeconds) });
  check([
    { why: "equal", asked: since(-3000), fields: [MODIFIED, DATE], expected: "not_modified" },
    { why: "later", asked: since(-2000), fields: [MODIFIED, DATE], expected: "not_modified" },
    { why: "earlier", asked: since(-4000), fields: [MODIFIED, DATE], expected: "proceed" },
    { why: "by Date", asked: since(1), fields: [DATE], expected: "not_modified" },
    { why: "by Date, earlier", asked: since(-3000), fields: [DATE], expected: "proceed" },
    { why: "by receipt", asked: since(1), fields: [], expected: "not_modified" },
    { why: "by receipt, earlier", asked: since(-1), fields: [], expected: "proceed" },
    { why: "no date", asked: { "if-modified-since": "yesterday" }, fields: [MODIFIED], expected: "proceed" },
    {
      why: "RFC 850 form",
      asked: { "if-modified-since": "Monday, 15-Jun-26 11:59:59 GMT" },
      fields: [MODIFIED],
      expected: "not_modified",
    },
  ]);
});

Deno.test("evaluatePreconditions() follows the order of precedence (RFC 9110 §13.2.2)", () => {
  check([
    {
      why: "If-None-Match before If-Modified-Since",
      asked: { "if-none-match": '"abcdef"', "if-modified-since": at(-9000) },
      fields: [ETAG, MODIFIED],
      expected: "not_modified",
    },
    {
      why: "a failing If-None-Match is not mended by If-Modified-Since",
      asked: { "if-none-match": '"other"', "if-modified-since": at(0) },
      fields: [ETAG, MODIFIED],
      expected: "proceed",
    },
    {
      why: "If-Match before If-Unmodified-Since",
      asked: { "if-match": '"abcdef"', "if-unmodified-since": at(-9000) },
      fields: [ETAG, MODIFIED],
      expected: "proceed",
    },
    {
      why: "If-Match first, then If-None-Match",
      asked: { "if-match": '"abcdef"', "if-none-match": '"abcdef"' },
      fields: [ETAG],
      expected: "not_modified",
    },
  ]);
});

Deno.test("evaluatePreconditions() leaves to the origin what only it may refuse (RFC 9111 §4.3.2)", () => {
  check([
    { why: "If-Match, other", asked: { "if-match": '"other"' }, fields: [ETAG], expected: "forward" },
    { why: "If-Match, weak", asked: { "if-match": 'W/"1"' }, fields: [["etag", 'W/"1"']], expected: "forward" },
    { why: "If-Match, any", asked: { "if-match": "*" }, fields: [], expected: "proceed" },
    {
      why: "If-Unmodified-Since, changed",
      asked: { "if-unmodified-since": at(-4000) },
      fields: [MODIFIED],
      expected: "forward",
    },
    {
      why: "If-Unmodified-Since, same",
      asked: { "if-unmodified-since": at(-3000) },
      fields: [MODIFIED],
      expected: "proceed",
    },
    {
      why: "If-Unmodified-Since, no date",
      asked: { "if-unmodified-since": "x" },
      fields: [MODIFIED],
      expected: "proceed",
    },
    { why: "another method", method: "PUT", asked: { "if-match": "*" }, fields: [ETAG], expected: "forward" },
  ]);
});

Deno.test("evaluatePreconditions() ignores them where the response is no success (RFC 9110 §13.2.1)", () => {
  for (const status of [301, 404, 500]) {
    check([{ why: String(status), status, asked: { "if-none-match": "*" }, fields: [ETAG], expected: "proceed" }]);
  }
});

Deno.test("rangeApplies() wants exactly this representation (RFC 9110 §13.1.5)", () => {
  const cases: [ifRange: string | null, fields: Field[], applies: boolean][] = [
    [null, [], true],
    ['"abcdef"', [ETAG], true],
    ['"other"', [ETAG], false],
    ['W/"abcdef"', [["etag", 'W/"abcdef"']], false],
    ['"abcdef"', [], false],
    [at(-3000), [MODIFIED, DATE], true],
    [at(-2000), [MODIFIED, DATE], false],
    [at(-3000), [DATE], false],
    [at(0), [["last-modified", at(0)], DATE], false],
    ["abcdef", [ETAG], false],
    ["", [ETAG], false],
  ];
  for (const [ifRange, fields, applies] of cases) {
    assert.equal(rangeApplies(ifRange, selected(fields)), applies, String(ifRange));
  }
});

Deno.test("evaluatePreconditions() goes by the entity tag alone where the dates say nothing of the content", () => {
  const answer = (asked: Record<string, string>) => {
    const request = { method: "GET", header: (name: string) => asked[name] ?? null };
    return evaluatePreconditions(request, { ...selected([ETAG, DATE]), isUndated: true });
  };
  assert.equal(answer({ "if-modified-since": at(0) }), "proceed");
  assert.equal(answer({ "if-unmodified-since": at(-5000) }), "proceed");
  assert.equal(answer({ "if-none-match": ETAG[1] }), "not_modified");
  assert.equal(answer({ "if-match": '"other"' }), "forward");
});
