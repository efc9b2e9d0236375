import type { ClaimedKvFile } from "../../cache/disk/kv_claim.ts";
import type { Config } from "../../config/config.ts";
import type { LoadedFile, LoadResult } from "../../config/load.ts";
import type { RootLogger } from "../../logging/logger.ts";
import type { ProblemBook } from "../../logging/problem_book.ts";
import type { FetchFunction } from "../../server/fetch_adapter.ts";
import type { AcmeKeeper } from "./acme_keeper.ts";
import type { ConfigSources } from "./config_sources.ts";
import type { DiskTakerOptions } from "./disk_taker.ts";
import type { Predecessor } from "./take_over.ts";

/** Options of a supervisor; `Self` is what it shows of itself. */
export interface SupervisorOptions<Self> {
  readonly version: string;
  readonly configFile: string;
  /** Reads and checks the configuration; called at each reload. */
  readonly source: () => Promise<LoadResult>;
  /** The same, only to look at it: nothing is noted in `sources`. @default {source} */
  readonly preview?: () => Promise<LoadResult>;
  /** What it was read from; left out where that is not noted. */
  readonly sources?: ConfigSources;
  /** Reload when that changes, whatever `server.watch` says. */
  readonly watch?: boolean;
  /** The configuration to start with, and what it was made of. */
  readonly config: Config;
  readonly loaded: LoadedFile;
  /** Module that every worker is started from. */
  readonly workerUrl: URL;
  readonly kvFile: ClaimedKvFile["file"];
  readonly purgePath: ClaimedKvFile["purgePath"];
  /** See {@linkcode DiskTakerOptions.kvFreed}. */
  readonly kvFreed?: DiskTakerOptions["kvFreed"];
  /** Lets another process claim the KV file; all that use it are closed. */
  readonly releaseKv?: () => void;
  /** The gateway whose place this one takes; `null` or left out where there is none. */
  readonly predecessor?: Predecessor | null;
  /** Fetches certificates; `config` is completed by it. */
  readonly acme: AcmeKeeper;
  readonly logger: RootLogger;
  /** Gathers the warnings and errors of `logger`, and of the workers. */
  readonly problems: ProblemBook;
  /** The admin surface over what the supervisor shows. */
  readonly adminHandler: (supervisor: Self) => FetchFunction;
  /** Descriptors that the process may have. */
  readonly descriptors: number;
  /** Has the process stop this supervisor, as a signal would. */
  readonly askStop: () => void;
  /** Lets tests break workers. */
  readonly testHooks: boolean;
}
