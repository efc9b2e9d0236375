import assert from "node:assert/strict";
import { interpolate, Interpolated, type Lookup, retype, templateParts } from "../../lib/config/yaml/interpolate.ts";

const VARIABLES: Readonly<Record<string, string>> = { NAME: "secret-7", EMPTY: "", COUNT: "16", NESTED: "${NAME}" };

const lookup: Lookup = {
  env: (name) => Object.hasOwn(VARIABLES, name) ? VARIABLES[name] : undefined,
  file: (path) => path === "/run/secrets/x" ? { text: "from-file\n\n" } : { problem: "there is no such file" },
};

/** What a scalar becomes: its text, or its problems. */
function outcome(scalar: string): unknown {
  const parts = templateParts(scalar);
  if (parts === null) return scalar;
  const result = interpolate(parts, lookup);
  if (!result.ok) return result.problems;
  return result.value instanceof Interpolated ? result.value.text() : result.value;
}

Deno.test("interpolate() puts variables, defaults and files in, and says what is missing", () => {
  const table: ReadonlyArray<readonly [string, string | RegExp]> = [
    ["plain", "plain"],
    ["$NAME $5 $$ {x}", "$NAME $5 $$ {x}"],
    ["${NAME}", "secret-7"],
    ["<${NAME}|${COUNT}>", "<secret-7|16>"],
    ["${EMPTY}", ""],
    ["${EMPTY:-x}", "x"],
    ["${NONE:-x y}", "x y"],
    ["${NONE:-}", ""],
    ["${NONE:-a:-b}", "a:-b"],
    ["${NAME:-x}", "secret-7"],
    ["${NESTED}", "${NAME}"],
    ["${file:/run/secrets/x}", "from-file"],
    ["$${NAME}", "${NAME}"],
    ["$${NAME} ${COUNT}", "${NAME} 16"],
    ["${NONE}", /found \$\{NONE\}, which is not set, expected .* set it, or give a default with \$\{NONE:-default\}/],
    ["${file:/none}", /found \$\{file:\/none\} \(there is no such file\) expected a file/],
    ["${file:}", /expected a path/],
    ["${NAME", /expected a \} that ends/],
    ["${}", /expected \$\{NAME\}/],
    ["${1X}", /expected \$\{NAME\}/],
    ["${NAME-x}", /expected \$\{NAME\}/],
    ["${constructor}", /not set/],
  ];
  for (const [scalar, expected] of table) {
    const got = outcome(scalar);
    if (typeof expected === "string") assert.equal(got, expected, scalar);
    else assert.match(String(got), expected, scalar);
  }
});

Deno.test("interpolate() reports each reference of a scalar that cannot be replaced", () => {
  assert.equal((outcome("${A} ${NAME} ${B}") as string[]).length, 2);
});

Deno.test("Interpolated shows its source and never its value", () => {
  const parts = templateParts("key=${NAME} ${NONE:-fallback-secret} ${file:/run/secrets/x}") ?? [];
  const result = interpolate(parts, lookup);
  assert.ok(result.ok && result.value instanceof Interpolated);
  assert.equal(result.value.source, "key=${NAME} ${NONE} ${file:/run/secrets/x}");
  assert.equal(result.value.references, "${NAME}${NONE}${file:/run/secrets/x}");
  const shown = [Deno.inspect(result.value), JSON.stringify(result.value), String(result.value)].join();
  assert.doesNotMatch(shown, /secret-7|fallback-secret|from-file/);
});

Deno.test("retype() reads a plain scalar as the YAML 1.2 core schema does", () => {
  const table: ReadonlyArray<readonly [string, unknown]> = [
    ["16", 16],
    ["-1", -1],
    ["1.5", 1.5],
    ["1e3", 1000],
    ["0x10", 16],
    ["0o17", 15],
    ["007", 7],
    [" 16 ", 16],
    ["True", true],
    ["false", false],
    ["yes", "yes"],
    ["~", null],
    ["null", null],
    ["", null],
    ["30s", "30s"],
    ["1_000", "1_000"],
    ["Infinity", "Infinity"],
    ["[1]", "[1]"],
  ];
  for (const [text, expected] of table) assert.equal(retype(text), expected, text);
});
