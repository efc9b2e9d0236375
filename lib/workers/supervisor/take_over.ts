import { join } from "node:path";
import { lockFile } from "../../cache/disk/file_lock.ts";
import { isUnix, type ListenAddress, overlaps } from "../../config/addresses.ts";
import type { ListeningPlace } from "../../config/load.ts";
import { formatLocated } from "../../config/yaml/located.ts";
import type { Logger } from "../../logging/logger.ts";
import { SHARES_PORTS } from "../../server/listen_target.ts";
import type { Fleet } from "./fleet.ts";
import { portsInUse } from "./ports_in_use.ts";

/** A gateway that runs, and whose place this process takes. */
export interface Predecessor {
  readonly pid: number;
  /** Where it listens, its admin address included. */
  readonly held: readonly ListenAddress[];
  /** Its admin address. */
  readonly admin: ListenAddress;
  /**
   * Has it let go of its sockets and files, and end its requests. When it returns, it takes no new ones. Answers `null`, or why it
   * gave no answer: it may have ended.
   *
   * @throws {Error} when it refuses
   */
  readonly handOver: () => Promise<string | null>;
}

/** What keeps this process from listening beside another one; none where nothing does. */
export function shareProblems(
  { held, admin, pid }: Predecessor,
  places: readonly ListeningPlace[],
  reusePort: boolean,
): string[] {
  // The admin address is handed over, and unix sockets are replaced.
  const others = places.filter(({ address }) => !isUnix(address) && !overlaps(address, admin));
  const own = places.filter(({ address }) => isUnix(address) && !held.some((one) => overlaps(one, address)));
  if (SHARES_PORTS && reusePort) return portsInUse([...others, ...own], [], true).map(formatLocated);
  const why = SHARES_PORTS ? "server.reuse_port is false" : "this system does not share ports between processes";
  const both = others.filter(({ address }) => held.some((one) => overlaps(one, address)));
  return [
    ...both.map(({ found }) => `Cannot take over: ${why}, so ${found} stays with process ${pid}. Stop it, then start`),
    ...portsInUse([...others.filter((place) => !both.includes(place)), ...own]).map(formatLocated),
  ];
}

/** How long a predecessor's admin address and KV file are waited for when it has said that it lets go of them. */
const TAKE_OVER_MS = 10_000;

/**
 * Takes the predecessor's place, beside which the workers serve: its unix sockets, then all that it lets go of. Answers how long that is
 * waited for, in milliseconds; 0 where there is no predecessor.
 *
 * @throws {Error} when a socket cannot be had, or the predecessor does not let go
 */
export async function takeOver(
  predecessor: Predecessor | null,
  fleet: Pick<Fleet, "takeSockets">,
  logger: Logger,
): Promise<number> {
  if (predecessor === null) return 0;
  await fleet.takeSockets();
  logger.info("Taking over from the gateway that runs", { pid: predecessor.pid });
  const silence = await predecessor.handOver();
  // One that lives all the same keeps the admin address: that ends the start.
  if (silence !== null) logger.warn("That gateway has ended, or does not answer", { problem: silence });
  return TAKE_OVER_MS;
}

/**
 * Keeps other processes from taking over until the answer is called: each would replace the unix sockets of the others. Does nothing
 * where there are no locks, or there is no folder yet.
 *
 * @throws {Error} when another process takes over
 */
export function takeOverTurn(dataDir: string): () => void {
  // Asked first: without the permission Deno would ask the terminal, and wait.
  if (Deno.permissions.querySync({ name: "write", path: dataDir }).state !== "granted") return () => {};
  let lock = lockFile(join(dataDir, "take-over.lock"));
  if (lock === "taken") throw new Error("Cannot take over: another process is doing so right now");
  return () => {
    if (lock instanceof Deno.FsFile) lock.close();
    lock = null;
  };
}
