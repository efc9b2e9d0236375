/**
 * Most descriptors that are looked for by opening as many: room for ten thousand clients, which is more than most gateways see. It
 * takes about a tenth of a second, and for more set `server.limits.max_connections` to a number.
 */
export const MAX_PROBED = 12_288;

/** What is assumed where nothing can be found out: the lowest limit that systems start services with. */
export const ASSUMED_DESCRIPTORS = 1_024;

/**
 * How many descriptors this process may have, as far as can be known: the system's own figure where that may be read (it needs
 * `--allow-all`), else what can be opened beside what is open already, at most {@linkcode MAX_PROBED}.
 *
 * Called once, when the listeners to signals are there (without one the runtime panics when descriptors run out) and nothing else of
 * the gateway runs: for a moment there may be none left. The runtime has raised the soft limit to the hard one before.
 */
export function descriptorLimit(): number {
  if (Deno.build.os === "windows") return MAX_PROBED;
  return statedLimit() ?? (countOpenable("/dev/null", MAX_PROBED) || ASSUMED_DESCRIPTORS);
}

/** How many times a file can be opened at once, at most `wanted`; 0 where it cannot be opened. */
export function countOpenable(path: string, wanted: number): number {
  const files: Deno.FsFile[] = [];
  try {
    while (files.length < wanted) files.push(Deno.openSync(path));
  } catch {
    // This is the limit.
  } finally {
    for (const file of files) file.close();
  }
  return files.length;
}

/** The soft limit of open files in the text of `/proc/PID/limits`; `null` where that states none. */
export function parseOpenFiles(limits: string): number | null {
  const soft = /^Max open files\s+(\d+)\s/m.exec(limits)?.[1];
  return soft === undefined ? null : Number(soft);
}

function statedLimit(): number | null {
  try {
    return parseOpenFiles(Deno.readTextFileSync("/proc/self/limits"));
  } catch {
    return null;
  }
}
