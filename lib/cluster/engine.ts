/**
 * Why an engine did not do as asked:
 * - `late`: no reply within the deadline; it may still have been done
 * - `down`: there is no connection, or it was lost on the way
 * - `refused`: the engine does not let this user do it, or cannot write (`NOPERM`, `NOAUTH`, `READONLY`, `MISCONF`, no quorum)
 * - `full`: its memory is used up (`OOM`)
 * - `wrong`: the command or script failed, or the reply is no reply to it
 * - `busy`: too many commands wait already; it was not sent
 * - `skipped`: the breaker is open; it was not sent
 * - `closed`: this engine was closed here
 */
export type EngineErrorKind = "late" | "down" | "refused" | "full" | "wrong" | "busy" | "skipped" | "closed";

/** An engine did not do as asked. Its message holds no password, key or value. */
export class EngineError extends Error {
  override readonly name = "EngineError";

  constructor(readonly kind: EngineErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
  }

  /** Whether it is certain that nothing was done. */
  get isUndone(): boolean {
    return this.kind !== "late" && this.kind !== "down" && this.kind !== "wrong";
  }
}

/** A reply (RESP2): bytes of a bulk or simple string, an integer, nothing, or a list of replies. */
export type EngineReply = Uint8Array<ArrayBuffer> | number | null | readonly EngineReply[];

/** An argument; a text is sent as UTF-8. */
export type EngineArgument = Uint8Array | string | number;

/** A script (Lua) that runs as one step in the engine. */
export interface EngineScript {
  /** For errors and figures. */
  readonly name: string;
  readonly text: string;
}

/** Options of one command. */
export interface CallOptions {
  /**
   * Milliseconds from the call until it rejects as `late`.
   * @default that of the engine
   */
  readonly deadlineMs?: number;
  /**
   * Send it although the breaker is open, which it does not open itself: for what is asked seldom and has to be known.
   * @default false
   */
  readonly isUrgent?: boolean;
}

/** An entry of a stream. */
export interface StreamEntry {
  /** `ms-seq`, as the engine gave it. */
  readonly id: string;
  readonly fields: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
}

/** Which entries of a stream are read. */
export interface StreamRange {
  /** The entries behind this id, that one not included; `0-0` is from the beginning. */
  readonly after: string;
  /** So many at most. */
  readonly count: number;
}

/** How the connection is. */
export interface EngineState {
  /** `connecting` until the first connection has succeeded. */
  readonly connection: "connecting" | "ready" | "down" | "closed";
  /** Whether messages of subscribed channels are received: only then is a published message heard. */
  readonly isHearing: boolean;
  readonly breaker: "closed" | "open" | "half_open";
  /** Of the last trouble, for people and without secrets; `null` where there was none since it was last ready. */
  readonly problem: string | null;
  /** When `connection` took its value, milliseconds since the Unix epoch. */
  readonly sinceMs: number;
  /** Smoothed time of a round trip; `null` before the first reply. */
  readonly roundTripMs: number | null;
}

/** What an engine has counted since it was opened. */
export interface EngineFigures {
  /** Commands, by how they ended; `ok` also for nothing found. */
  readonly commands: Readonly<Record<"ok" | EngineErrorKind, number>>;
  /** Connections that were made; each beyond the first was one again. */
  readonly connections: number;
  /** Commands that were sent and have no reply yet, late ones included. */
  readonly waiting: number;
}

/**
 * A server that all gateways of a cluster reach: Valkey or Redis (RESP >= 6.2). It is opened without waiting, connects by itself and
 * again after each loss. Every call rejects with {@linkcode EngineError} alone, and settles by its deadline. Keys of one script have to
 * be in one slot: `{…}` in a key is what decides of it.
 */
export interface Engine {
  /** Runs a script. @throws {EngineError} */
  script(
    script: EngineScript,
    keys: readonly string[],
    args: readonly EngineArgument[],
    options?: CallOptions,
  ): Promise<EngineReply>;
  /** The string of a key; `null` where it has none. @throws {EngineError} */
  get(key: string, options?: CallOptions): Promise<Uint8Array<ArrayBuffer> | null>;
  /** Sends a message to those who are subscribed now. @throws {EngineError} */
  publish(channel: string, message: Uint8Array, options?: CallOptions): Promise<void>;
  /**
   * Has `hear` called with each message of a channel until what it answers is called. Also while there is no connection: messages of
   * that time are lost, see {@linkcode EngineState.isHearing}.
   */
  subscribe(channel: string, hear: (message: Uint8Array<ArrayBuffer>) => void): () => void;
  /** Entries of a stream, oldest first. @throws {EngineError} */
  readStream(key: string, range: StreamRange, options?: CallOptions): Promise<readonly StreamEntry[]>;
  /** What the engine says of itself (`INFO`), as lines `name:value` by name; in a cluster, one of its nodes. @throws {EngineError} */
  info(options?: CallOptions): Promise<ReadonlyMap<string, string>>;
  /** Whether there is a connection by `timeoutMs` from now; at once where there is one. Never rejects. */
  ready(timeoutMs: number): Promise<boolean>;
  /** Has `changed` called after each change of the state, until what it answers is called. */
  watch(changed: (state: EngineState) => void): () => void;
  state(): EngineState;
  figures(): EngineFigures;
  /** Ends its connections; what waits rejects as `closed`. */
  close(): void;
}
