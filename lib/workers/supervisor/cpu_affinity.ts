import type { Config } from "../../config/config.ts";
import type { Slot } from "./slot.ts";
import type { WorkerHandle } from "./worker_handle.ts";
import { messageOf } from "../../errors.ts";
import type { Logger } from "../../logging/logger.ts";

/** What pins workers. */
export interface CpuAffinityOptions {
  /** `true`: the cores that this process may use, one after the other; else these. */
  readonly cores: true | readonly number[];
  readonly logger: Logger;
}

/** A worker to pin. */
export interface PinnedWorker {
  readonly name: string;
  /** Its place among the serving workers. */
  readonly index: number;
  /** Which of the workers that this process has started it is, from 1: the runtime names its thread by that. */
  readonly ordinal: number;
}

/** `deno task start` may start no program. */
const PERMISSION_HINT = "Start it with deno task start:pinned, which may start ps and taskset (--allow-run=ps,taskset)";

/**
 * Pins serving workers to cores, `server.cpu_affinity`: `ps` finds their threads by name, `taskset` pins them. Anything that keeps it from
 * that is said once, with what to do, and the workers run where the kernel puts them.
 */
export class CpuAffinity {
  readonly #options: CpuAffinityOptions;
  #cores: readonly number[] | null = null;
  #hasGivenUp = false;
  /** One after the other: each asks for the threads of the moment. */
  #work: Promise<void> = Promise.resolve();

  constructor(options: CpuAffinityOptions) {
    this.#options = options;
  }

  /** Pins the thread of a worker that is up. Never rejects. */
  pin(worker: PinnedWorker): Promise<void> {
    return this.#work = this.#work.then(() => this.#pin(worker)).catch((error) => this.#giveUp(error));
  }

  async #pin({ name, index, ordinal }: PinnedWorker): Promise<void> {
    if (this.#hasGivenUp) return;
    if (Deno.build.os !== "linux") throw new Unpinnable("This system has no such thing, Linux has", "Leave it out");
    const cores = this.#cores ??= await this.#usableCores();
    const thread = threadNamed(await output("ps", ["-L", "-p", String(Deno.pid), "-o", "lwp=,comm="]), ordinal);
    // It has died already: the next one will be pinned.
    if (thread === null) return;
    const cpu = cores[index % cores.length]!;
    await output("taskset", ["-pc", String(cpu), thread]);
    this.#options.logger.info("A worker is pinned to a core", { worker: name, cpu });
  }

  async #usableCores(): Promise<readonly number[]> {
    const { cores } = this.#options;
    const own = coresOf(await output("taskset", ["-pc", String(Deno.pid)]));
    if (cores === true) return own;
    const missing = cores.filter((core) => !own.includes(core));
    if (missing.length === 0) return cores;
    const hint = `Name some of those that this process may use: ${own.join(", ")}`;
    throw new Unpinnable(`There is no core ${missing.join(", ")} for it`, hint);
  }

  #giveUp(error: unknown): void {
    this.#hasGivenUp = true;
    const hint = error instanceof Unpinnable ? error.hint : "Leave server.cpu_affinity out where this cannot be mended";
    const reason = messageOf(error);
    this.#options.logger.warn("Workers are not pinned to cores (server.cpu_affinity)", { reason, hint });
  }
}

/** What keeps workers from being pinned, and what to do about it. */
class Unpinnable extends Error {
  constructor(message: string, readonly hint: string) {
    super(message);
  }
}

/** The thread of a worker in what `ps -L -o lwp=,comm=` prints; `null` where there is none. */
export function threadNamed(listing: string, ordinal: number): string | null {
  return new RegExp(`^\\s*(\\d+)\\s+worker-${ordinal}\\s*$`, "m").exec(listing)?.[1] ?? null;
}

/**
 * The cores in what `taskset -pc PID` prints.
 *
 * @throws {Error} where it prints none
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { coresOf } from "./cpu_affinity.ts";
 * assert.deepEqual(coresOf("pid 7's current affinity list: 0,2-4"), [0, 2, 3, 4]);
 * ```
 */
export function coresOf(text: string): number[] {
  const list = /:\s*([\d,\s-]+)$/.exec(text.trim())?.[1];
  if (list === undefined) throw new Error(`taskset prints "${text.trim().slice(0, 100)}"`);
  return list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, step) => first + step);
  });
}

/** What a program prints. @throws {Unpinnable} where it cannot be started or fails */
async function output(program: string, args: readonly string[]): Promise<string> {
  const { state } = Deno.permissions.querySync({ name: "run", command: program });
  try {
    // Deno would ask it, and wait.
    if (state !== "granted" && Deno.stdin.isTerminal()) throw new Deno.errors.NotCapable(program);
    const { success, stdout, stderr } = await new Deno.Command(program, { args: [...args], env: { LC_ALL: "C" } })
      .output();
    if (success) return new TextDecoder().decode(stdout);
    const said = new TextDecoder().decode(stderr).trim().slice(0, 200);
    throw new Error(`${program} fails${said === "" ? "" : `: ${said}`}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new Unpinnable(
        `There is no program ${program} here`,
        "Install it: Debian has ps in procps, taskset in util-linux",
      );
    }
    if (error instanceof Deno.errors.NotCapable) {
      throw new Unpinnable(`The gateway may not start ${program}`, PERMISSION_HINT);
    }
    throw error;
  }
}

/** Pins serving workers that have come up; `undefined` where that is not configured. */
export function pinnerOf(
  cores: Config["server"]["cpuAffinity"],
  logger: Logger,
): ((slot: Slot, handle: WorkerHandle) => void) | undefined {
  if (cores === false) return undefined;
  const affinity = new CpuAffinity({ cores, logger });
  return ({ role, name, index }, { ordinal }) => {
    if (role === "serving") void affinity.pin({ name, index, ordinal });
  };
}
