import assert from "node:assert/strict";
import { parseDotenv } from "../../lib/migration/dotenv.ts";

function valuesOf(text: string, outer: Readonly<Record<string, string>> = {}): Record<string, string> {
  const { variables } = parseDotenv(text, (name) => outer[name]);
  return Object.fromEntries([...variables].map(([name, { value }]) => [name, value]));
}

Deno.test("parseDotenv() reads what Compose reads", () => {
  const text = [
    "\ufeff# a comment",
    "",
    "A=1",
    "  export B = two words  # and a comment",
    "C=with#hash",
    "D='$A ${B} # kept' # not kept",
    'E="line\\nfeed \\"quoted\\" $A"',
    "F=",
    "G=$A-${X:-y}-$OUTER",
    "H=a=b=c",
    "A=last",
    "I=#nothing",
  ].join("\r\n");
  assert.deepEqual(valuesOf(text, { OUTER: "o" }), {
    A: "last",
    B: "two words",
    C: "with#hash",
    D: "$A ${B} # kept",
    E: 'line\nfeed "quoted" 1',
    F: "",
    G: "1-y-o",
    H: "a=b=c",
    I: "",
  });
});

Deno.test("parseDotenv() lets the shell's values come before those of the file", () => {
  assert.equal(valuesOf("A=1\nB=$A", { A: "shell" }).B, "shell");
});

Deno.test("parseDotenv() gives each value its place, and each line that is none a problem", () => {
  const { variables, problems } = parseDotenv("A=1\n  export B=2\nnothing\n=3\n1A=4\nC=$D", () => undefined);
  assert.deepEqual(variables.get("A"), { value: "1", line: 1, column: 1 });
  assert.deepEqual(variables.get("B"), { value: "2", line: 2, column: 10 });
  assert.deepEqual(problems.map(({ line }) => line), [3, 4, 5, 6]);
  assert.match(problems[3]!.message, /\$D, which is not set/);
});

Deno.test("parseDotenv() bounds what it keeps, and never throws", () => {
  const { variables, problems } = parseDotenv(
    Array.from({ length: 10_050 }, (_, n) => `V${n}=1`).join("\n"),
    () => undefined,
  );
  assert.equal(variables.size, 10_000);
  assert.match(problems.at(-1)!.message, /more than 10000/);
  const grows = Array.from({ length: 60 }, (_, n) => `V${n + 1}=$V${n}$V${n}`).join("\n");
  for (const value of Object.values(valuesOf(`V0=xxxxxxxx\n${grows}`))) assert.ok(value.length <= 65_536);
});
