import assert from "node:assert/strict";
import type { Field } from "../../../lib/http/fields.ts";
import { matchingRule } from "../../../lib/cache/policy/policy_options.ts";
import { rule } from "./policy_case.ts";

const PNG: Field[] = [["content-type", "Image/PNG; charset=x"]];

Deno.test("matchingRule() the first rule whose conditions all hold", () => {
  const byPath = rule({ path: /^\/t\// });
  const byType = rule({ contentType: (type) => type === "image/png" });
  const byStatus = rule({ status: [[404, 404], [500, 599]] });
  const byAll = rule({ path: /^\/t\//, contentType: (type) => type === "image/png", status: [[200, 299]] });
  const any = rule({});
  const cases: [why: string, rules: (typeof any)[], path: string, status: number, expected: typeof any | null][] = [
    ["no rules", [], "/t/a", 200, null],
    ["path", [byPath], "/t/a", 200, byPath],
    ["another path", [byPath], "/x", 200, null],
    ["type, its case and parameters aside", [byType], "/x", 200, byType],
    ["status in a range", [byStatus], "/x", 503, byStatus],
    ["status at a single", [byStatus], "/x", 404, byStatus],
    ["status outside", [byStatus], "/x", 499, null],
    ["all", [byAll], "/t/a", 200, byAll],
    ["all but one", [byAll], "/t/a", 404, null],
    ["order", [byAll, any, byPath], "/t/a", 404, any],
  ];
  for (const [why, rules, path, status, expected] of cases) {
    assert.equal(matchingRule(rules, { path, status, fields: PNG }), expected, why);
  }
});

Deno.test("matchingRule() a response without a type has the empty one", () => {
  const typed = rule({ contentType: (type) => type === "" });
  assert.equal(matchingRule([typed], { path: "/", status: 200, fields: [] }), typed);
});
