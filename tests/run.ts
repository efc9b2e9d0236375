/**
 * Runs the tests and ends with a plain line, `N passed, N failed`: first those of parts, with the doc examples, then those of whole
 * processes, then what measures a process, alone, then the page in a browser where Debian's is installed. With arguments it hands them
 * to one `deno test`.
 */
import { CHROMIUM, isInstalled, pageTestArguments, testArguments } from "./house/test_command.ts";
import { addCounts, countTests, summaryLine, type TestCounts } from "./house/test_summary.ts";

/** Tests of whole processes. */
const SYSTEM = "tests/system";

/** System tests of what a busy machine changes: bytes on disk by the second, processor cores, ends of whole groups of workers. */
const ALONE = ["cpu_affinity", "large_bodies", "storage"].map((name) => `${SYSTEM}/${name}_test.ts`);

/** Tests of the page in a browser. */
const PAGE = "tests/page";

/** Files that are tested at one time: more than there are cores, since tests wait for much of their time. */
const JOBS = { DENO_JOBS: "3" };
/** The same of whole processes, which wait for most of it. */
const PROCESS_JOBS = { DENO_JOBS: "4" };

/** A run that takes longer than this hangs. */
const DEADLINE_MS = 30 * 60_000;

/** The part of the output that is kept to read the counts from. */
const TAIL_CHARACTERS = 64 * 1024;

const scratch = await Deno.makeTempDir({ prefix: "usher-tests-" });
const stopped = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => stopped.abort());
Deno.unrefTimer(setTimeout(() => stopped.abort(), DEADLINE_MS));

try {
  const counts = addCounts(Deno.args.length > 0 ? [await runTests(Deno.args)] : await runAll());
  await print(`\n${summaryLine(counts)}`);
  Deno.exitCode = counts.failed > 0 ? 1 : 0;
} finally {
  await Deno.remove(scratch, { recursive: true });
}

async function runAll(): Promise<TestCounts[]> {
  if (!isInstalled(CHROMIUM)) await print(`The page is not tested: there is no ${CHROMIUM}\n`);
  return [
    await runTests(["--doc", "--parallel", ...partTests()], { env: JOBS }),
    await runTests(["--parallel", ...processTests()], { env: PROCESS_JOBS }),
    await runTests(ALONE),
    await runTests([PAGE], { before: pageTestArguments(scratch) }),
  ];
}

function processTests(): string[] {
  const paths = [...Deno.readDirSync(SYSTEM)].map(({ name }) => `${SYSTEM}/${name}`);
  return paths.filter((path) => path.endsWith("_test.ts") && !ALONE.includes(path)).sort();
}

/** Everything but the system tests. It is listed, since `--ignore` counts only for the first of several folders (Deno 2.9.6). */
function partTests(): string[] {
  const entries = [...Deno.readDirSync("tests")].filter(({ isDirectory, name }) =>
    isDirectory || name.endsWith("_test.ts")
  );
  return [
    "lib",
    "routes",
    ...entries.map(({ name }) => `tests/${name}`).filter((path) => path !== SYSTEM && path !== PAGE).sort(),
  ];
}

/** One `deno test`: it may write only below a scratch folder and start only Deno itself and programs of Debian. */
async function runTests(
  args: readonly string[],
  { env = {}, before = testArguments(scratch) }: {
    readonly env?: Readonly<Record<string, string>>;
    readonly before?: readonly string[];
  } = {},
): Promise<TestCounts> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...before, ...args],
    env: { TMPDIR: scratch, ...env, ...(Deno.stdout.isTerminal() ? { FORCE_COLOR: "1" } : {}) },
    stdout: "piped",
    signal: stopped.signal,
  }).spawn();
  const output = await passOn(child.stdout);
  const { success } = await child.status;
  return countTests({ output, isSuccess: success });
}

async function print(line: string): Promise<void> {
  await Deno.stdout.write(new TextEncoder().encode(`${line}\n`));
}

/** Prints what comes, as it comes, and answers the end of it. */
async function passOn(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let tail = "";
  for await (const chunk of stream) {
    for (let written = 0; written < chunk.length;) written += await Deno.stdout.write(chunk.subarray(written));
    tail = (tail + decoder.decode(chunk, { stream: true })).slice(-TAIL_CHARACTERS);
  }
  return tail;
}
