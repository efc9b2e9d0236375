/** The core of servers under measurement, and the core of whatever else takes part. */
export const SERVER_CORE = 0;
/** Load and origin run here. */
export const LOAD_CORE = 1;

/** Linux counts the CPU time of a process in ticks of 10 ms, whatever the kernel's own tick is. */
const TICKS_PER_SECOND = 100;
const PAGE_BYTES = 4096;
const POLL_MS = 100;
/** A tree that takes less than two ticks in a poll does nothing but its housekeeping. */
const QUIET_SECONDS = 0.015;
const SETTLE_MS = 5_000;
const STOP_MS = 15_000;

/** What the system says of a process and all below it. */
export interface Usage {
  /** User and system time so far. */
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

/** A process of its own on a core of its own, with its children. */
export interface PinnedProcess extends AsyncDisposable {
  readonly pid: number;
  /** What it has used so far; zeros where the system does not tell (anything but Linux). */
  usage(): Promise<Usage>;
  /** Open descriptors, without those of its children; zero where the system does not tell. */
  descriptors(): Promise<number>;
  /** Waits until it has done what was left to do, such as writes to disk. */
  settled(): Promise<void>;
}

/** Whether a program is on the path. */
export function isInstalled(program: string): boolean {
  const folders = (Deno.env.get("PATH") ?? "").split(":");
  return folders.some((folder) => {
    try {
      return Deno.statSync(`${folder}/${program}`).isFile;
    } catch {
      return false;
    }
  });
}

/** Processes can be bound to cores here: there is `taskset`, and a second core. */
export const canPin = navigator.hardwareConcurrency > 1 && isInstalled("taskset");

/** CPU time can be read here. */
export const canCount = Deno.build.os === "linux";

/** The command that runs a program on a core, or anywhere where nothing can be bound. */
export function pinned(core: number, command: string, options: Deno.CommandOptions): Deno.Command {
  if (!canPin) return new Deno.Command(command, options);
  return new Deno.Command("taskset", { ...options, args: ["-c", String(core), command, ...options.args ?? []] });
}

/** Starts a server on a core. What it prints is dropped, and what it says on its error stream too if it is talkative there. */
export function startPinned(core: number, command: readonly string[], stderr: "inherit" | "null"): PinnedProcess {
  const [program, ...args] = command;
  const child = pinned(core, program!, { args, stdin: "null", stdout: "null", stderr }).spawn();
  return {
    pid: child.pid,
    usage: () => usageOf(child.pid),
    descriptors: async () => canCount ? (await shell(`ls /proc/${child.pid}/fd`)).split("\n").length - 1 : 0,
    async settled() {
      const untilMs = performance.now() + SETTLE_MS;
      for (let last = (await usageOf(child.pid)).cpuSeconds; performance.now() < untilMs;) {
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
        const now = (await usageOf(child.pid)).cpuSeconds;
        if (now - last < QUIET_SECONDS) return;
        last = now;
      }
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      const last = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
      await child.status;
      clearTimeout(last);
    },
  };
}

/** Sums up a process and its descendants; proc(5) has the places of the words. */
async function usageOf(root: number): Promise<Usage> {
  const tree = new Set([root]);
  const usage = { cpuSeconds: 0, residentBytes: 0 };
  if (!canCount) return usage;
  const processes = (await shell("cat /proc/[0-9]*/stat")).split("\n").filter((line) => line !== "").map((line) => {
    // The name in parentheses may hold spaces and parentheses.
    const words = line.slice(line.lastIndexOf(")") + 2).split(" ").map(Number);
    return { pid: parseInt(line), parent: words[1]!, ticks: words[11]! + words[12]!, pages: words[21]! };
  });
  // A child has a higher number than its parent, except where numbers began anew: so until nothing is added.
  for (let size = 0; size < tree.size;) {
    size = tree.size;
    for (const { pid, parent } of processes) if (tree.has(parent)) tree.add(pid);
  }
  for (const { ticks, pages } of processes.filter(({ pid }) => tree.has(pid))) {
    usage.cpuSeconds += ticks / TICKS_PER_SECOND;
    usage.residentBytes += pages * PAGE_BYTES;
  }
  return usage;
}

/** The runtime lets nobody read /proc who may not do everything, so others read it. */
async function shell(line: string): Promise<string> {
  // A process that ends meanwhile is no fault.
  const { stdout } = await new Deno.Command("sh", { args: ["-c", line], stderr: "null" }).output();
  return new TextDecoder().decode(stdout);
}
