import type { ScanOptions, ScanResult } from "./scanned.ts";

/** Debian's Python: its packages are not there for another one. */
export const PYTHON = "/usr/bin/python3";

const SCRIPT = new URL("./tmdbsimple_scan.py", import.meta.url);

/** A proxy of the environment has nothing to do with loopback. */
const ENV = { NO_PROXY: "*", no_proxy: "*", PYTHONDONTWRITEBYTECODE: "1" };

/** Why `python3-tmdbsimple` cannot be used here; `null` where it can. */
export async function tmdbsimpleProblem(): Promise<string | null> {
  const { state } = await Deno.permissions.query({ name: "run", command: PYTHON });
  if (state !== "granted") return `${PYTHON} may not be run`;
  const importing = new Deno.Command(PYTHON, { args: ["-c", "import tmdbsimple"], env: ENV, stderr: "null" });
  const isThere = await importing.output().then(({ success }) => success, () => false);
  return isThere ? null : "Debian's python3-tmdbsimple is not installed";
}

/** A library scan by `tmdbsimple`, with nothing changed but where it asks. */
export async function scanWithTmdbsimple({ base, key, titles }: ScanOptions): Promise<ScanResult> {
  const child = new Deno.Command(PYTHON, {
    args: [SCRIPT.pathname],
    env: ENV,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(JSON.stringify({ base, key, titles })));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  if (!success) throw new Error(`The scan failed: ${new TextDecoder().decode(stderr)}`);
  const result = JSON.parse(new TextDecoder().decode(stdout));
  return { titles: result.titles, pictureBytes: result.picture_bytes };
}
