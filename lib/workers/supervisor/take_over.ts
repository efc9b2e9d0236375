import { type ClaimedKvFile, claimKvFile } from "../../cache/disk/kv_claim.ts";
import type { KvOpenOptions } from "../../cache/disk/kv_open.ts";
import type { StoreLog } from "../../cache/store.ts";
import { isUnix, type ListenAddress, overlaps } from "../../config/addresses.ts";
import type { ListeningPlace } from "../../config/load.ts";
import { formatLocated } from "../../config/yaml/located.ts";
import { SHARES_PORTS } from "../../server/listen_target.ts";
import { portsInUse } from "./ports_in_use.ts";

/** A gateway that runs, and whose place this process takes. */
export interface Predecessor {
  readonly pid: number;
  /** Where it listens, its admin address included. */
  readonly held: readonly ListenAddress[];
  /** Its admin address. */
  readonly admin: ListenAddress;
  /**
   * Has it let go of its sockets and files, and end its requests. When it returns, it takes no new ones.
   *
   * @throws {Error} when it does not
   */
  readonly handOver: () => Promise<void>;
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

/** Claims the KV file; that a predecessor still has it is no reason to warn. */
export async function claimAfter(
  predecessor: Predecessor | null,
  path: string,
  options: KvOpenOptions,
): Promise<ClaimedKvFile> {
  if (predecessor === null) return await claimKvFile(path, options);
  const warnings: Parameters<StoreLog["warn"]>[] = [];
  const claimed = await claimKvFile(path, { ...options, log: { warn: (...told) => warnings.push(told) } });
  if (!claimed.isAwaited) { for (const told of warnings) options.log.warn(...told); }
  return claimed;
}
