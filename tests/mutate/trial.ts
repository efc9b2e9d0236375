import { testArguments } from "../house/test_command.ts";
import { type Mutant, mutate } from "./mutant.ts";
import type { ScratchTree } from "./scratch_tree.ts";
import type { Stage, TestChoice } from "./test_choice.ts";

/** Tests that print nothing for so long hang. */
const STALL_MS: Readonly<Record<Stage, number>> = { near: 45_000, room: 45_000, beyond: 60_000, system: 120_000 };

/** Stages whose tests depend on more than the file that is changed: there a failure counts when it happens again. */
const TRIED_TWICE: ReadonlySet<Stage> = new Set<Stage>(["beyond", "system"]);

/** A mutant that allocates without end fails, and leaves the machine alone. */
const HEAP_LIMIT = "--v8-flags=--max-old-space-size=1024";

/** What became of a mutant: a test failed or hung, none did, or it does not type-check. */
export interface Verdict {
  readonly verdict: "noticed" | "survived" | "invalid";
  /** The last stage that was run. */
  readonly stage?: Stage;
  /** The test file that noticed it, or `hang`. */
  readonly by?: string;
}

/** How a run of some tests ended. */
export interface TestRun {
  readonly passed: boolean;
  /** The test file that failed first, or `hang`. */
  readonly by?: string;
}

/** Where mutants are tried, and how far. */
export interface TrialOptions {
  readonly tree: ScratchTree;
  readonly choice: TestChoice;
  /** Run one after the other until a test fails. */
  readonly stages: readonly Stage[];
  readonly signal?: AbortSignal;
}

/** Changes the file, runs tests from the nearest on, and puts the file back. */
export async function tryMutant(mutant: Mutant, { tree, choice, stages, signal }: TrialOptions): Promise<Verdict> {
  const before = tree.read(mutant.path);
  tree.write(mutant.path, mutate(before, mutant));
  try {
    for (const stage of stages) {
      const by = await findNotice({ tree, stage, files: choice.testsOf(stage, mutant), signal });
      if (by !== undefined) return { verdict: "noticed", stage, by };
    }
    return { verdict: "survived", stage: stages.at(-1) };
  } finally {
    tree.write(mutant.path, before);
    await tree.sweep();
  }
}

/** Some test files of a tree. */
export interface TestQuery {
  readonly tree: ScratchTree;
  readonly stage: Stage;
  readonly files: readonly string[];
  readonly signal?: AbortSignal;
}

async function findNotice(query: TestQuery): Promise<string | undefined> {
  const first = await runTests(query);
  if (first.passed) return undefined;
  if (!TRIED_TWICE.has(query.stage) || first.by === undefined || first.by === "hang") return first.by ?? "?";
  const again = await runTests({ ...query, files: [first.by] });
  if (!again.passed) return first.by;
  const rest = query.files.slice(query.files.indexOf(first.by) + 1);
  return findNotice({ ...query, files: rest });
}

/** Runs test files until one fails. A run that prints nothing for too long is ended with all that it started. @throws when aborted */
export async function runTests({ tree, stage, files, signal }: TestQuery): Promise<TestRun> {
  signal?.throwIfAborted();
  if (files.length === 0) return { passed: true };
  const child = new Deno.Command(Deno.execPath(), {
    args: [...testArguments(tree.scratch), HEAP_LIMIT, "--fail-fast", ...files],
    cwd: tree.path,
    env: { TMPDIR: tree.scratch, NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
    detached: true,
  }).spawn();
  const end = (): void => endGroup(child.pid);
  signal?.addEventListener("abort", end, { once: true });
  let hung = false;
  const stalled = (): void => {
    hung = true;
    end();
  };
  let timer = setTimeout(stalled, STALL_MS[stage]);
  let output = "";
  const read = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      output += text;
      clearTimeout(timer);
      timer = setTimeout(stalled, STALL_MS[stage]);
    }
  };
  const [{ success }] = await Promise.all([child.status, read(child.stdout), read(child.stderr)]);
  clearTimeout(timer);
  end();
  signal?.removeEventListener("abort", end);
  signal?.throwIfAborted();
  if (success) return { passed: true };
  return { passed: false, by: hung ? "hang" : failedFile(output) };
}

/** Ends a run and what it started, which a test that failed may have left behind. */
function endGroup(pid: number): void {
  try {
    Deno.kill(-pid, "SIGKILL");
  } catch {
    // All of it has ended.
  }
}

function failedFile(output: string): string | undefined {
  return /(?:=> |^)\.\/(tests\/[^\s:]+_test\.ts)(?::| \(uncaught error\))/m.exec(output)?.[1];
}
