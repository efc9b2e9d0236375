/** Prints a line to standard output; answers the exit status of success. */
export function print(text: string): number {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
  return 0;
}

/** Prints a line to standard error; answers the exit status of failure. */
export function fail(text: string): number {
  Deno.stderr.writeSync(new TextEncoder().encode(`${text.trimEnd()}\n`));
  return 1;
}
