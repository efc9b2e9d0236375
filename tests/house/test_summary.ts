/** What came of one `deno test` process. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** How a `deno test` process ended: what it printed and its exit code (a signal counts as failure). */
export interface TestRun {
  readonly output: string;
  readonly isSuccess: boolean;
}

const SUMMARY = /^(?:ok|FAILED) \| (\d+) passed(?: \([^)]*\))? \| (\d+) failed(?: \([^)]*\))?(?: \| (\d+) ignored)?/gm;

/**
 * Reads the counts from what `deno test` prints last. The exit code has the last word: a run that ended badly has at least one
 * failure, whatever it printed (type error, crash, killed), and so has a run in which no test ran.
 */
export function countTests({ output, isSuccess }: TestRun): TestCounts {
  const match = [...stripColors(output).matchAll(SUMMARY)].at(-1);
  const [passed, failed, skipped] = [match?.[1], match?.[2], match?.[3]].map((digits) => Number(digits ?? 0));
  const counts = { passed: passed ?? 0, failed: failed ?? 0, skipped: skipped ?? 0 };
  const hasFailed = !isSuccess || counts.passed === 0;
  return hasFailed && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

/** Adds up the counts of several runs. */
export function addCounts(runs: readonly TestCounts[]): TestCounts {
  const sum = (pick: (counts: TestCounts) => number): number => runs.reduce((total, counts) => total + pick(counts), 0);
  return { passed: sum((run) => run.passed), failed: sum((run) => run.failed), skipped: sum((run) => run.skipped) };
}

/** Writes the line that scripts read: `12 passed, 0 failed`, with `, 3 skipped` only where there were any. */
export function summaryLine({ passed, failed, skipped }: TestCounts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

function stripColors(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replaceAll(/\u001b\[[0-9;]*m/g, "");
}
