import { testArguments } from "../house/test_command.ts";
import { type Mutant, mutate } from "./mutant.ts";
import type { ScratchTree } from "./scratch_tree.ts";
import type { Stage, TestChoice } from "./test_choice.ts";

/** Tests that print nothing for so long hang. */
const STALL_MS: Readonly<Record<Stage, number>> = { near: 45_000, room: 45_000, beyond: 60_000, system: 120_000 };

/** Stages whose tests depend on more than the file that is changed: there a failure counts when it happens again. */
const TRIED_TWICE: ReadonlySet<Stage> = new Set<Stage>(["room", "beyond", "system"]);

/** A mutant that allocates without end fails, and leaves the machine alone. */
const HEAP_LIMIT = "--v8-flags=--max-old-space-size=1024";

/** What became of a mutant: a test failed or hung, none did, it does not type-check, or it does and that is all that is known. */
export interface Verdict {
  readonly verdict: "noticed" | "survived" | "invalid" | "untried";
  /** The last stage that was run. */
  readonly stage?: Stage;
  /** The test file that noticed it; `?` where that is not known. */
  readonly by?: string;
}

/** How a run of some tests ended. */
export interface TestRun {
  readonly passed: boolean;
  /** The test file that failed, or hung, first. */
  readonly by?: string;
}

/** Where mutants are tried, and how far. */
export interface TrialOptions {
  readonly tree: ScratchTree;
  readonly choice: TestChoice;
  /** What is known of test files: whether they pass without any change. */
  readonly soundness: Map<string, boolean>;
  /** Run one after the other until a test fails. */
  readonly stages: readonly Stage[];
  readonly signal?: AbortSignal;
}

/** Changes the file, runs tests from the nearest on, and puts the file back. */
export async function tryMutant(mutant: Mutant, options: TrialOptions): Promise<Verdict> {
  const { tree, choice, stages } = options;
  const before = tree.read(mutant.path);
  const change = (isChanged: boolean) => tree.write(mutant.path, isChanged ? mutate(before, mutant) : before);
  try {
    for (const stage of stages) {
      const by = await findNotice({ ...options, stage, change, files: choice.testsOf(stage, mutant) });
      if (by !== null) return { verdict: "noticed", stage, by };
    }
    return { verdict: "survived", stage: stages.at(-1) };
  } finally {
    change(false);
    await tree.sweep();
  }
}

interface Search extends Omit<TrialOptions, "stages"> {
  readonly stage: Stage;
  readonly files: readonly string[];
  /** Makes the change, or takes it back. */
  change(isChanged: boolean): void;
}

/** The first file that notices the change: one that fails, or hangs, and does not without it. */
async function findNotice(search: Search): Promise<string | null> {
  const { stage, soundness, change } = search;
  let files = search.files.filter((file) => soundness.get(file) !== false);
  for (;;) {
    change(true);
    const { passed, by } = await runTests({ ...search, files });
    if (passed) return null;
    if (by === undefined || !files.includes(by)) return "?";
    const once = { ...search, files: [by] };
    const isSeenAgain = !TRIED_TWICE.has(stage) || !(await runTests(once)).passed;
    if (!soundness.has(by)) {
      change(false);
      soundness.set(by, (await runTests(once)).passed || (await runTests(once)).passed);
    }
    if (isSeenAgain && soundness.get(by) === true) return by;
    files = files.slice(files.indexOf(by) + 1);
  }
}

/** Some test files of a tree. */
export interface TestQuery {
  readonly tree: ScratchTree;
  readonly stage: Stage;
  readonly files: readonly string[];
  readonly signal?: AbortSignal;
}

/** Runs test files until one fails. A run that prints nothing for too long is ended with all that it started. @throws when aborted */
export async function runTests({ tree, stage, files, signal }: TestQuery): Promise<TestRun> {
  signal?.throwIfAborted();
  if (files.length === 0) return { passed: true };
  const isSideBySide = stage !== "system" && files.length > 2;
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...testArguments(tree.scratch),
      HEAP_LIMIT,
      "--fail-fast",
      ...(isSideBySide ? ["--parallel"] : []),
      ...files,
    ],
    cwd: tree.path,
    env: { TMPDIR: tree.scratch, NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
    detached: true,
  }).spawn();
  const end = (): void => endGroup(child.pid);
  signal?.addEventListener("abort", end, { once: true });
  let timer = setTimeout(end, STALL_MS[stage]);
  let output = "";
  const read = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      output += text;
      clearTimeout(timer);
      timer = setTimeout(end, STALL_MS[stage]);
    }
  };
  const [{ success }] = await Promise.all([child.status, read(child.stdout), read(child.stderr)]);
  clearTimeout(timer);
  end();
  signal?.removeEventListener("abort", end);
  signal?.throwIfAborted();
  if (success) return { passed: true };
  return { passed: false, by: failedFile(output) };
}

/** Ends a run and what it started, which a test that failed may have left behind. */
function endGroup(pid: number): void {
  try {
    Deno.kill(-pid, "SIGKILL");
  } catch {
    // All of it has ended.
  }
}

/** The file whose failure is told at the end or, where there is no end, the one that was begun last. */
function failedFile(output: string): string | undefined {
  const told = /(?:=> |^)\.\/(tests\/[^\s:]+_test\.ts)(?::| \(uncaught error\))/m.exec(output)?.[1];
  return told ?? [...output.matchAll(/^running \d+ tests? from \.\/(tests\/\S+_test\.ts)/gm)].at(-1)?.[1];
}
