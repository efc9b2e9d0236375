const PYTHON = "/usr/bin/python3";

/** Takes from a program what lets root write to files of other users (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER). */
const DROP = "import ctypes, os, sys\nlibc = ctypes.CDLL(None)\n" +
  "for cap in (1, 2, 3): libc.prctl(24, cap, 0, 0, 0)\nos.execv(sys.argv[1], sys.argv[1:])";

const isRoot = Deno.uid() === 0;

/** Whether a program can be run that file permissions hold for: always but for root without Python. */
export const hasUnprivileged: boolean = !isRoot || exists(PYTHON);

/** The beginning of a command line under which file permissions hold for Deno, also where the tests run as root. */
export const unprivileged: readonly string[] = isRoot ? [PYTHON, "-c", DROP, Deno.execPath()] : [Deno.execPath()];

/** Makes a file, or a folder, another user's; without root it is made one that its owner may not write. */
export function giveAway(path: string, mode: number = 0o644): void {
  if (!isRoot) return Deno.chmodSync(path, mode & 0o555);
  Deno.chmodSync(path, mode);
  Deno.chownSync(path, 1234, 1234);
}

/** Makes it this user's again. */
export function takeBack(path: string): void {
  if (isRoot) Deno.chownSync(path, 0, 0);
  Deno.chmodSync(path, Deno.statSync(path).isDirectory ? 0o755 : 0o644);
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
