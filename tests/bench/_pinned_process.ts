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

/** A process of its own on a core of its own, with its children. */
export interface PinnedProcess extends AsyncDisposable {
  readonly pid: number;
  /** CPU time of the whole tree so far, user and system, or null where the system does not tell (anything but Linux). */
  cpuSeconds(): number | null;
  /** Resident memory of the whole tree, or null where the system does not tell. */
  residentBytes(): number | null;
  /** Open descriptors of the whole tree, or null where the system does not tell. */
  descriptors(): number | null;
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
  const cpuSeconds = () => sumOver(child.pid, (pid) => ticksOf(pid) / TICKS_PER_SECOND);
  return {
    pid: child.pid,
    cpuSeconds,
    residentBytes: () => sumOver(child.pid, (pid) => Number(procFile(pid, "statm").split(" ")[1]) * PAGE_BYTES),
    descriptors: () => sumOver(child.pid, (pid) => [...Deno.readDirSync(`/proc/${pid}/fd`)].length),
    async settled() {
      const untilMs = performance.now() + SETTLE_MS;
      for (let last = cpuSeconds() ?? 0; performance.now() < untilMs;) {
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
        const now = cpuSeconds() ?? 0;
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

function sumOver(root: number, figure: (pid: number) => number): number | null {
  if (!canCount) return null;
  let sum = 0;
  for (const pid of treeOf(root)) {
    try {
      sum += figure(pid);
    } catch (error) {
      // A child that has just ended.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return sum;
}

/** A process and all below it. */
function treeOf(root: number): number[] {
  const pids = [root];
  for (const pid of pids) {
    try {
      for (const { name: thread } of Deno.readDirSync(`/proc/${pid}/task`)) {
        const children = procFile(pid, `task/${thread}/children`).split(" ").filter((word) => word !== "");
        pids.push(...children.map(Number));
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return pids;
}

/** User and system time; the name before them may hold spaces and parentheses. */
function ticksOf(pid: number): number {
  const stat = procFile(pid, "stat");
  const words = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(words[11]) + Number(words[12]);
}

function procFile(pid: number, name: string): string {
  return Deno.readTextFileSync(`/proc/${pid}/${name}`);
}
