import { writeText } from "../../lib/logging/line_buffer.ts";

/**
 * Prints a line to standard output; answers the exit status of success. Where nobody reads any more (`| head`), the rest is lost, and
 * that is no failure.
 */
export function print(text: string): number {
  isCut ||= !writeText(Deno.stdout, `${text}\n`);
  return 0;
}

let isCut = false;

/** Whether nobody reads what is printed any more. */
export function isOutputCut(): boolean {
  return isCut;
}

/** Prints a line to standard error; answers the exit status of failure. */
export function fail(text: string): number {
  writeText(Deno.stderr, `${text.trimEnd()}\n`);
  return 1;
}
