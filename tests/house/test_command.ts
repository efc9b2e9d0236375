/** Holds the packages of tests too; `deno.lock` only those that each start fetches. */
const LOCK = "--lock=deno.all.lock";

const PYTHON = "/usr/bin/python3";

/** The arguments for Deno to run tests that may write only below `scratch` and start only Deno itself and Debian's Python. */
export function testArguments(scratch: string): string[] {
  return [
    "test",
    // Types are a gate of their own: checked here, they would be checked anew for each worker that a test starts.
    "--no-check",
    LOCK,
    "--no-prompt",
    "--allow-net",
    "--allow-read",
    "--allow-env",
    "--allow-sys",
    // For `sharp`, which is native code.
    "--allow-ffi",
    `--allow-write=${scratch}`,
    `--allow-run=${[Deno.execPath(), ...python()].join(",")}`,
  ];
}

/** Debian's Python, where there is one: a client of the library scan is written in it. */
function python(): string[] {
  try {
    Deno.lstatSync(PYTHON);
    return [PYTHON];
  } catch {
    return [];
  }
}
