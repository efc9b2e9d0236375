import assert from "node:assert/strict";
import { addCounts, countTests, summaryLine } from "./test_summary.ts";
import { ROOT_URL } from "./syntax.ts";

Deno.test("countTests() reads Deno's last line, with steps, ignored tests and colours", () => {
  const lines: ReadonlyArray<readonly [output: string, passed: number, failed: number, skipped: number]> = [
    ["ok | 4 passed | 0 failed (19ms)", 4, 0, 0],
    ["ok | 4 passed (12 steps) | 0 failed | 2 ignored (19ms)", 4, 0, 2],
    ["FAILED | 2 passed (1 step) | 5 failed (1 step) | 1 ignored (72ms)", 2, 5, 1],
    ["\u001b[31mFAILED\u001b[0m | 2 passed | 5 failed \u001b[90m(72ms)\u001b[0m", 2, 5, 0],
    ["ok | 9 passed | 0 failed (1ms)\nok | 1 passed | 0 failed | 3 filtered out (1s)", 1, 0, 0],
  ];
  for (const [output, passed, failed, skipped] of lines) {
    assert.deepEqual(countTests({ output: `noise\n${output}\n\n`, isSuccess: failed === 0 }), {
      passed,
      failed,
      skipped,
    }, output);
  }
});

Deno.test("countTests() counts a bad end and an empty run as a failure", () => {
  assert.equal(countTests({ output: "ok | 4 passed | 0 failed (1ms)", isSuccess: false }).failed, 1);
  assert.equal(countTests({ output: "error: Type checking failed.", isSuccess: false }).failed, 1);
  assert.equal(countTests({ output: "ok | 0 passed | 0 failed (0ms)", isSuccess: true }).failed, 1);
  assert.equal(countTests({ output: "", isSuccess: true }).failed, 1);
});

Deno.test("summaryLine() is plain, and names skipped tests only where there are any", () => {
  const run = { passed: 2, failed: 1, skipped: 0 };
  assert.equal(summaryLine(addCounts([run, run])), "4 passed, 2 failed");
  assert.equal(summaryLine(addCounts([run, { ...run, skipped: 3 }])), "4 passed, 2 failed, 3 skipped");
});

/** Runs tests/run.ts on one test file of the given text. */
async function runOn(source: string): Promise<{ code: number; lastLine: string; output: string }> {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/a_test.ts`, source);
  const runner = ["run", "--allow-read", "--allow-write", "--allow-env", "--allow-run", "tests/run.ts"];
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [...runner, `${folder}/a_test.ts`],
    cwd: ROOT_URL,
    stderr: "null",
  }).output();
  await Deno.remove(folder, { recursive: true });
  const output = new TextDecoder().decode(stdout);
  return { code, lastLine: output.trimEnd().split("\n").at(-1) ?? "", output };
}

Deno.test("run.ts passes on what the tests print and ends with the plain line", async () => {
  const { code, lastLine, output } = await runOn(
    `Deno.test("fine", () => {}); Deno.test({ name: "later", ignore: true, fn() {} });`,
  );
  assert.match(output, /fine \.\.\. .*ok/);
  assert.equal(lastLine, "1 passed, 0 failed, 1 skipped");
  assert.equal(code, 0);
});

Deno.test("run.ts fails when a test fails, when it does not compile, when none ran and when it is killed", async () => {
  const failing = await runOn(`Deno.test("fine", () => {}); Deno.test("bad", () => { throw new Error("no"); });`);
  assert.deepEqual([failing.lastLine, failing.code], ["1 passed, 1 failed", 1]);
  const others = [`const a: number = "b";`, "", `import process from "node:process"; process.reallyExit(0);`];
  for (const source of others) {
    const { lastLine, code } = await runOn(source);
    assert.deepEqual([lastLine, code], ["0 passed, 1 failed", 1], source);
  }
});

Deno.test("run.ts lets tests write only below a scratch folder, which it removes", async () => {
  const { lastLine, output } = await runOn(`
    Deno.test("scratch", () => console.log("at " + Deno.makeTempDirSync()));
    Deno.test("outside", () => Deno.writeTextFileSync(new URL("./b.txt", import.meta.url), ""));
  `);
  assert.equal(lastLine, "1 passed, 1 failed");
  const folder = /^at (.+)$/m.exec(output)?.[1] ?? "";
  await assert.rejects(Deno.stat(folder), Deno.errors.NotFound);
});
