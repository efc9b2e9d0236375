const PROMTOOL = "/usr/bin/promtool";

/** Whether Debian's package `prometheus` is installed. */
export const hasPromtool = isFile(PROMTOOL);

/** For the name of a test that needs it. */
export const WITHOUT_PROMTOOL = hasPromtool ? "" : " (left out: Debian's prometheus is not installed)";

/** The outcome of a run of promtool. */
export interface PromtoolRun {
  readonly code: number;
  /** All that it printed. */
  readonly output: string;
}

/** Runs promtool from the repository's root; `input` is what it reads. */
export async function promtool(args: readonly string[], input = ""): Promise<PromtoolRun> {
  const child = new Deno.Command(PROMTOOL, {
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = child.output();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input)).catch(() => {});
  await writer.close().catch(() => {});
  const { code, stdout, stderr } = await output;
  const text = new TextDecoder();
  return { code, output: text.decode(stdout) + text.decode(stderr) };
}

function isFile(path: string): boolean {
  try {
    return Deno.lstatSync(path).isFile;
  } catch {
    return false;
  }
}
