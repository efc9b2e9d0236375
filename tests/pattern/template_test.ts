import assert from "node:assert/strict";
import { template } from "../../lib/pattern/template.ts";

Deno.test("template() fills places, and only what is put in is escaped", () => {
  const { isFixed, highest, fill } = template("/a?x=$2&y=$1$$1");
  assert.deepEqual([isFixed, highest], [false, 2]);
  assert.equal(fill(["1", "2"], (text) => `<${text}>`), "/a?x=<2>&y=<1>$1");
  assert.equal(fill([]), "/a?x=&y=$1");
});

Deno.test("template() takes what has no places as it stands, a dollar sign apart", () => {
  for (const [text, filled] of [["$", "$"], ["$0", "$0"], ["a$$", "a$"], ["US$$5", "US$5"], ["", ""]] as const) {
    const made = template(text);
    assert.deepEqual([made.isFixed, made.highest, made.fill(["x"])], [true, 0, filled]);
  }
});
