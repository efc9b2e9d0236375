/** Holds the packages of tests too; `deno.lock` only those that each start fetches. */
const LOCK = "--lock=deno.all.lock";

/**
 * Debian's programs that some tests start where they are installed: clients, an authority with its name server, linters, the engine of
 * clusters, and what makes links to it that can be cut.
 */
const PROGRAMS = [
  ...["python3", "curl", "java", "keytool"],
  ...["pebble", "pebble-challtestsrv", "promtool", "shellcheck", "yamllint", "systemd-analyze", "redis-server", "ip"],
].map((name) => `/usr/bin/${name}`);

/** The arguments for Deno to run tests that may write only below `scratch` and start only Deno itself and programs of Debian. */
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
    `--allow-run=${[Deno.execPath(), ...PROGRAMS.filter(isInstalled)].join(",")}`,
  ];
}

/** Debian's browser, which the tests of the page need. */
export const CHROMIUM = "/usr/bin/chromium";

/** The arguments for Deno to run the tests of the page: the browser's driver asks for every permission. Without it they are skipped. */
export function pageTestArguments(scratch: string): string[] {
  return isInstalled(CHROMIUM) ? ["test", "--no-check", LOCK, "--allow-all"] : testArguments(scratch);
}

/** Whether a program is there. */
export function isInstalled(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
