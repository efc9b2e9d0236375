import assert from "node:assert/strict";
import { formatLocated, formatPath } from "../../lib/config/yaml/located.ts";

Deno.test("formatPath() is unambiguous for unusual keys", () => {
  assert.equal(formatPath([]), "");
  assert.equal(formatPath([0]), "[0]");
  assert.equal(formatPath(["a", "b", 1]), "a.b[1]");
  assert.notEqual(formatPath(["a.b"]), formatPath(["a", "b"]));
  assert.notEqual(formatPath(["a", "0"]), formatPath(["a", 0]));
  assert.equal(formatPath(["a", 'say "x"\n']), 'a["say \\"x\\"\\n"]');
});

Deno.test("formatLocated() leaves out what is not known", () => {
  const located = { file: "c.yaml", line: 2, column: 3, path: "a.b", message: "found 1 expected 2" };
  assert.equal(formatLocated(located), "c.yaml:2:3 a.b: found 1 expected 2");
  assert.equal(formatLocated({ ...located, path: "" }), "c.yaml:2:3: found 1 expected 2");
  assert.equal(formatLocated({ ...located, line: 0, column: 0, path: "" }), "c.yaml: found 1 expected 2");
});
