import type { PurgeRule } from "../../cache/purge/purge_rules.ts";
import type { DrainedUpstream } from "../../gateway/gateway.ts";
import type { SharedLimits } from "../../gateway/limits.ts";
import type { LevelOverride } from "../../logging/log_levels.ts";
import type { Logger } from "../../logging/logger.ts";
import type { Problem } from "../../logging/problem_book.ts";
import type { Slot } from "./slot.ts";
import type { ChangedMessage } from "../messages.ts";
import type { WorkerHandle } from "./worker_handle.ts";

/** Options of {@linkcode Fleet}. */
export interface FleetOptions {
  readonly url: URL;
  /** Serving workers; a health worker comes beside them, and an image worker where the configuration has work for it. */
  readonly servingWorkers: number;
  /** Silence after which a worker is replaced. */
  readonly silenceMs: number;
  readonly leaseMemory: SharedArrayBuffer;
  readonly diskFilter: SharedArrayBuffer | null;
  readonly sharedLimits: SharedLimits;
  readonly connections: SharedArrayBuffer;
  readonly descriptors: number;
  readonly kvPath: string | null;
  /** Another process has the sockets that only one worker can have, until {@linkcode Fleet.takeSockets}. */
  readonly takesOver?: boolean;
  /** The purges in force, for a worker that starts. */
  readonly purges: () => readonly PurgeRule[];
  /** The upstreams that operators have drained, for a worker that starts. */
  readonly drained: () => readonly DrainedUpstream[];
  readonly instanceId: string;
  readonly logger: Logger;
  readonly onChanged?: (message: ChangedMessage) => Promise<void>;
  readonly onProblems?: (problems: readonly Problem[]) => void;
  /** Levels of the log that were ordered, for a worker that starts. */
  readonly logLevels?: () => LevelOverride | null;
  /** No worker lives and none can be started. */
  readonly onLost: () => void;
  /** A worker has come up. */
  readonly onUp?: (slot: Slot, handle: WorkerHandle) => void;
}
