import { writeText } from "../../lib/logging/line_buffer.ts";

/** Why the rest of what is printed is lost; `null` while it is not. */
let loss: Error | null = null;

/** Prints a line to standard output; answers the exit status of success. What becomes of it {@linkcode exitStatus} judges. */
export function print(text: string): number {
  loss ??= writeText(Deno.stdout, `${text}\n`);
  return 0;
}

/** Whether what is printed goes nowhere any more. */
export function isOutputCut(): boolean {
  return loss !== null;
}

/** The exit status of a command that ends with `code`: that nobody reads any more (`| head`) is no failure, a full disk is one. */
export function exitStatus(code: number): number {
  if (loss === null || loss instanceof Deno.errors.BrokenPipe) return code;
  return Math.max(code, fail(`What was printed is lost: ${loss.message}`));
}

/** Prints a line to standard error; answers the exit status of failure. */
export function fail(text: string): number {
  writeText(Deno.stderr, `${text.trimEnd()}\n`);
  return 1;
}
