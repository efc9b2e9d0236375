import { join } from "node:path";
import { isInstalled } from "../house/test_command.ts";

/** Debian's `libfaketime`, which moves the clock of one process. */
export const LIBFAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/** Size of the file system that the data directory is on: what a full disk is. */
const DISK_MIB = 64;

/** The files of a run, and what this machine lets it do. */
export interface Workshop extends AsyncDisposable {
  readonly directory: string;
  readonly dataDir: string;
  readonly configPath: string;
  readonly logPath: string;
  /** The limit of descriptors that the gateway runs under. */
  readonly descriptors: number;
  /** The file that says how far the gateway's clock is off; `null` where it cannot be moved. */
  readonly clockPath: string | null;
  /** The folder of the small file system; `null` where none can be mounted. */
  readonly diskDir: string | null;
  /** Kinds of faults that are left out here, and why. */
  readonly leftOut: ReadonlyMap<string, string>;
}

/** How a place is made. */
export interface WorkshopOptions {
  /** The files stay. */
  readonly keeps: boolean;
  /** No small file system, no clock that can be moved, and descriptors enough. */
  readonly isPlain?: boolean;
}

/** Makes a place for the files of a run. */
export async function openWorkshop({ keeps, isPlain = false }: WorkshopOptions): Promise<Workshop> {
  const directory = await Deno.makeTempDir({ prefix: "usher-chaos-" });
  const leftOut = new Map<string, string>();
  const disk = join(directory, "disk");
  await Deno.mkdir(disk);
  const isMounted = !isPlain && await mounted(disk);
  if (!isMounted) leftOut.set("disk-full", "a small file system can be mounted by root alone");
  const hasFakedClock = !isPlain && isInstalled(LIBFAKETIME);
  if (!hasFakedClock) leftOut.set("clock-jump", `there is no ${LIBFAKETIME} (Debian: faketime)`);
  const clockPath = hasFakedClock ? join(directory, "clock") : null;
  if (clockPath !== null) await Deno.writeTextFile(clockPath, "+0\n");
  return {
    directory,
    dataDir: join(disk, "data"),
    configPath: join(directory, "config.yaml"),
    logPath: join(directory, "gateway.log"),
    descriptors: isPlain ? 4_096 : 1_024,
    clockPath,
    diskDir: isMounted ? disk : null,
    leftOut,
    async [Symbol.asyncDispose]() {
      if (isMounted) await run("/usr/bin/umount", [disk]);
      if (!keeps) await Deno.remove(directory, { recursive: true }).catch(() => {});
    },
  };
}

async function mounted(path: string): Promise<boolean> {
  if (Deno.uid() !== 0 || !isInstalled("/usr/bin/mount")) return false;
  return await run("/usr/bin/mount", ["-t", "tmpfs", "-o", `size=${DISK_MIB}m`, "usher-chaos", path]);
}

async function run(program: string, args: readonly string[]): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(program, { args: [...args], stderr: "null" }).output();
    return success;
  } catch {
    return false;
  }
}
