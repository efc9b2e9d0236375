import { adminAccess, type AdminFlags } from "./admin_client.ts";
import { Misuse } from "./command.ts";
import { type LibraryFlags, type LibraryOrder, libraryOrder, pieces } from "./library_order.ts";
import { estimateLibrary } from "./prewarm_estimate.ts";
import { begin, follow, type PictureOrder, type PrewarmLimits } from "./prewarm_progress.ts";
import type { AdminAccess } from "./running_gateway.ts";
import { fail, print } from "./terminal.ts";

/** What the user said of it. */
export interface PrewarmLibraryFlags extends LibraryFlags, AdminFlags {
  readonly listener: string;
  readonly limits: PrewarmLimits;
  readonly images?: string;
  readonly estimate?: boolean;
  readonly yes?: boolean;
  readonly "dry-run"?: boolean;
  readonly "no-wait"?: boolean;
}

/**
 * Prewarms a media library, after a word on what it takes; answers the exit status.
 *
 * @throws {Misuse} where what was said does not fit together
 * @throws {Error} where the library cannot be read, or no gateway answers; its message is for the user
 */
export async function prewarmLibrary(flags: PrewarmLibraryFlags): Promise<number> {
  const { listener, images, limits } = flags;
  if (images !== undefined && flags.client === undefined) {
    throw new Misuse("--images needs --client: each takes pictures in sizes of its own");
  }
  const order = await libraryOrder(flags);
  if (flags["dry-run"] === true) return printOrder(order);
  for (const line of order.said) print(line);
  if (order.targets.length === 0) return fail("There is nothing to prewarm");
  const all = pieces(order.targets);
  const isWaiting = flags["no-wait"] !== true;
  if (!isWaiting && all.length > 1) {
    throw new Misuse("--no-wait is for one job: this library takes more, one after the other");
  }
  const access = await adminAccess(flags);
  const wanted = { order, listener, images: images ?? null, rate: limits.rate };
  for (const line of await estimateLibrary(access, wanted)) print(line);
  if (images === undefined && order.clients.length > 0) print(WITHOUT_PICTURES);
  if (flags.estimate === true) return 0;
  if (flags.yes !== true && !isWanted()) return 1;
  const pictures = images === undefined ? undefined : { listener: images, clients: order.clients };
  return await fetchPieces(access, all, { listener, limits, pictures, isWaiting });
}

const WITHOUT_PICTURES = "Pictures are left out; --images L fetches them too, by the listener L";

/** The lines of a file for `--file`. */
function printOrder({ said, targets }: LibraryOrder): number {
  for (const line of said) print(`# ${line}`);
  for (const target of targets) print(target);
  return 0;
}

/** Asks on a terminal. @throws {Misuse} where there is none */
function isWanted(): boolean {
  if (!Deno.stdin.isTerminal()) throw new Misuse("There is no terminal to ask on: say --yes, --estimate or --dry-run");
  return /^y(?:es)?$/i.test(prompt("Fetch them? [y/N]")?.trim() ?? "");
}

interface PieceOptions {
  readonly listener: string;
  readonly limits: PrewarmLimits;
  readonly pictures: PictureOrder | undefined;
  readonly isWaiting: boolean;
}

/** One job after the other; answers 1 where one was refused or stopped, or a path failed. */
async function fetchPieces(
  access: AdminAccess,
  all: readonly (readonly string[])[],
  { listener, limits, pictures, isWaiting }: PieceOptions,
): Promise<number> {
  let status = 0;
  for (const [index, paths] of all.entries()) {
    if (all.length > 1) print(`Part ${index + 1} of ${all.length}`);
    if (!await begin(access, { listener, paths, pictures, ...limits })) return 1;
    if (!isWaiting) return 0;
    const { code, state } = await follow(access, listener);
    status = Math.max(status, code);
    if (state !== "done") return status;
  }
  return status;
}
