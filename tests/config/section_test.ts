import assert from "node:assert/strict";
import { Interpolated } from "../../lib/config/yaml/interpolate.ts";
import { integer } from "../../lib/config/yaml/scalars.ts";
import { asMapping, section } from "../../lib/config/yaml/section.ts";

const schema = asMapping(section({ a: integer(1, 5), b: integer(1, 5).prefault(2) }));

Deno.test("section() takes its keys, fills defaults, and names all keys where one is unknown", () => {
  assert.deepEqual(schema.parse({ a: 1 }), { a: 1, b: 2 });
  assert.equal(schema.safeParse({ a: 1, c: 1 }).error?.issues[0]?.message, "a, b");
  assert.equal(schema.safeParse(5).error?.issues[0]?.message, "a mapping with a, b");
});

Deno.test("asMapping() sees that a value from outside is no mapping", () => {
  const outside = new Interpolated("text", [{ kind: "env", name: "X", fallback: null }]);
  assert.equal(schema.safeParse(outside).error?.issues[0]?.message, "a mapping with a, b");
});
