import { createHash } from "node:crypto";
import { pause, within } from "../clock.ts";
import { EngineBreaker } from "./_breaker.ts";
import { loadRedis, newClient, type RedisClient, shownProblem } from "./_redis_client.ts";
import {
  clientArgument,
  type ClientReply,
  engineError,
  engineReply,
  infoLines,
  isUnknownScript,
  streamEntries,
} from "./_redis_reply.ts";
import {
  type CallOptions,
  type Engine,
  type EngineArgument,
  EngineError,
  type EngineErrorKind,
  type EngineFigures,
  type EngineReply,
  type EngineScript,
  type EngineState,
  type StreamEntry,
  type StreamRange,
} from "./engine.ts";
import type { EngineOptions } from "./engine_options.ts";
import { Subscriber } from "./_subscriber.ts";

/** Commands without a reply at most, late ones included. */
const MAX_WAITING = 1_024;

/** How an engine is used. */
export interface RedisEngineOptions extends EngineOptions {
  /**
   * Deadline of a command that has none of its own, in milliseconds.
   * @default 1,000
   */
  readonly deadlineMs?: number;
  /** Called with each trouble of the connection: one line without secrets. */
  readonly onProblem?: (problem: string) => void;
}

/** Opens an engine over RESP by `ioredis`, which is loaded now. Nothing is waited for: it connects by itself. */
export function openRedisEngine(options: RedisEngineOptions): Engine {
  return new RedisEngine(options);
}

const DEADLINE_MS = 1_000;
/** Pause after a client that could not be loaded. */
const LOAD_AGAIN_MS = 30_000;
/** Weight of the newest round trip. */
const SMOOTHING = 0.1;

class RedisEngine implements Engine {
  readonly #options: RedisEngineOptions;
  readonly #breaker = new EngineBreaker(() => performance.now());
  readonly #subscriber: Subscriber;
  readonly #watchers = new Set<(state: EngineState) => void>();
  readonly #digests = new WeakMap<EngineScript, string>();
  readonly #closing = new AbortController();
  readonly #counts: Record<"ok" | EngineErrorKind, number> = {
    ...{ ok: 0, late: 0, down: 0, refused: 0, full: 0, wrong: 0, busy: 0, skipped: 0, closed: 0 },
  };
  #client: RedisClient | null = null;
  #connection: EngineState["connection"] = "connecting";
  #sinceMs = Date.now();
  #problem: string | null = null;
  #roundTripMs: number | null = null;
  #waiting = 0;
  /** Ends each call that has not settled yet. */
  readonly #open = new Set<(error: EngineError) => void>();
  #connections = 0;

  constructor(options: RedisEngineOptions) {
    this.#options = options;
    this.#subscriber = new Subscriber({
      onChange: () => this.#changed(),
      onProblem: (error) => this.#trouble(shownProblem(error)),
    });
    void this.#begin();
  }

  async script(
    script: EngineScript,
    keys: readonly string[],
    args: readonly EngineArgument[],
    options: CallOptions = {},
  ): Promise<EngineReply> {
    let digest = this.#digests.get(script);
    if (digest === undefined) this.#digests.set(script, digest = createHash("sha1").update(script.text).digest("hex"));
    const rest = [String(keys.length), ...keys, ...args.map(clientArgument)];
    const untilMs = performance.now() + (options.deadlineMs ?? this.#options.deadlineMs ?? DEADLINE_MS);
    return engineReply(
      await this.#call(options, (client) =>
        client.callBuffer("EVALSHA", digest, ...rest).catch((error: unknown) => {
          // What is late already is not begun.
          if (!isUnknownScript(error) || performance.now() >= untilMs) throw error;
          return client.callBuffer("EVAL", script.text, ...rest);
        })),
    );
  }

  async get(key: string, options: CallOptions = {}): Promise<Uint8Array<ArrayBuffer> | null> {
    const reply = engineReply(await this.#call(options, (client) => client.callBuffer("GET", key)));
    if (reply === null || reply instanceof Uint8Array) return reply;
    throw new EngineError("wrong", "the engine answered no string");
  }

  async publish(channel: string, message: Uint8Array, options: CallOptions = {}): Promise<void> {
    await this.#call(options, (client) => client.callBuffer("PUBLISH", channel, clientArgument(message)));
  }

  subscribe(channel: string, hear: (message: Uint8Array<ArrayBuffer>) => void): () => void {
    return this.#subscriber.subscribe(channel, hear);
  }

  async readStream(key: string, range: StreamRange, options: CallOptions = {}): Promise<readonly StreamEntry[]> {
    const { after, count } = range;
    const reply = await this.#call(
      options,
      (client) => client.callBuffer("XRANGE", key, `(${after}`, "+", "COUNT", String(count)),
    );
    return streamEntries(engineReply(reply));
  }

  async info(options: CallOptions = {}): Promise<ReadonlyMap<string, string>> {
    return infoLines(engineReply(await this.#call(options, (client) => client.callBuffer("INFO"))));
  }

  async ready(timeoutMs: number): Promise<boolean> {
    if (this.#connection === "ready") return true;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const unwatch = this.watch(({ connection }) => {
      if (connection === "ready" || connection === "closed") resolve(connection === "ready");
    });
    try {
      return await within(promise, timeoutMs, false);
    } finally {
      unwatch();
    }
  }

  watch(changed: (state: EngineState) => void): () => void {
    this.#watchers.add(changed);
    return () => void this.#watchers.delete(changed);
  }

  state(): EngineState {
    return {
      connection: this.#connection,
      isHearing: this.#subscriber.isHearing,
      breaker: this.#breaker.state,
      problem: this.#problem,
      sinceMs: this.#sinceMs,
      roundTripMs: this.#roundTripMs,
    };
  }

  figures(): EngineFigures {
    return { commands: { ...this.#counts }, connections: this.#connections, waiting: this.#waiting };
  }

  close(): void {
    if (this.#connection === "closed") return;
    this.#closing.abort();
    this.#subscriber.close();
    this.#client?.disconnect();
    this.#set("closed");
    for (const end of this.#open) end(closedError());
  }

  /** Loads the client and connects; again after a while where it cannot be loaded. */
  async #begin(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      try {
        const module = await loadRedis();
        if (this.#closing.signal.aborted) return;
        this.#client = this.#connect(newClient(module, this.#options));
        return this.#subscriber.attach(() => newClient(module, this.#options));
      } catch (error) {
        this.#trouble(`the client cannot be loaded: ${shownProblem(error as Error)}`);
        this.#set("down");
        await pause(LOAD_AGAIN_MS, this.#closing.signal);
      }
    }
  }

  #connect(client: RedisClient): RedisClient {
    client.on("ready", () => {
      this.#connections++;
      this.#breaker.reset();
      this.#problem = null;
      this.#set("ready");
    });
    client.on("close", () => this.#set("down"));
    client.on("error", (error) => this.#trouble(shownProblem(error)));
    // Its failures come as `error` too, and it goes on by itself.
    client.connect().catch(() => {});
    return client;
  }

  /** Sends one command, and settles by its deadline whatever becomes of it. */
  #call(options: CallOptions, send: (client: RedisClient) => Promise<ClientReply>): Promise<ClientReply> {
    const refusal = this.#refusal(options.isUrgent ?? false);
    if (refusal !== null) return Promise.reject(this.#count(refusal));
    const { promise, resolve, reject } = Promise.withResolvers<ClientReply>();
    const deadlineMs = options.deadlineMs ?? this.#options.deadlineMs ?? DEADLINE_MS;
    const startMs = performance.now();
    const settle = (error: EngineError | null): boolean => {
      if (!this.#open.delete(settle)) return false;
      clearTimeout(timer);
      if (error === null) this.#counts.ok++;
      else reject(this.#count(error));
      // What is urgent has a deadline of its own, which says nothing to others.
      if (error === null || !options.isUrgent) this.#judge(error);
      return true;
    };
    this.#open.add(settle);
    const timer = setTimeout(
      () => settle(new EngineError("late", `the engine did not answer in ${deadlineMs} ms`)),
      deadlineMs,
    );
    this.#waiting++;
    send(this.#client!).then((reply) => {
      this.#waiting--;
      this.#timed(performance.now() - startMs);
      if (settle(null)) resolve(reply);
    }, (error: unknown) => {
      this.#waiting--;
      settle(engineError(error));
    });
    return promise;
  }

  /** Why a command is not even sent; `null` where it is, which has to be judged then. */
  #refusal(isUrgent: boolean): EngineError | null {
    if (this.#connection === "closed") return closedError();
    if (this.#connection !== "ready" || this.#client === null) {
      return new EngineError("down", "there is no connection to the engine");
    }
    if (this.#waiting >= MAX_WAITING) return new EngineError("busy", `${MAX_WAITING} commands wait for the engine`);
    if (isUrgent || this.#breaker.admit()) return null;
    return new EngineError("skipped", "the engine is not asked for a while: it was late or failed");
  }

  /** The breaker is for what takes time: an engine that answers, be it a refusal, costs nothing. */
  #judge(error: EngineError | null): void {
    if (error?.kind === "closed") return;
    const isGood = error === null || (error.kind !== "late" && error.kind !== "down");
    if (this.#breaker.record(isGood)) this.#client?.disconnect(true);
  }

  #count(error: EngineError): EngineError {
    this.#counts[error.kind]++;
    return error;
  }

  #timed(tookMs: number): void {
    this.#roundTripMs = this.#roundTripMs === null ? tookMs : this.#roundTripMs * (1 - SMOOTHING) + tookMs * SMOOTHING;
  }

  #trouble(problem: string): void {
    if (this.#connection === "closed") return;
    this.#problem = problem;
    this.#options.onProblem?.(problem);
  }

  #set(connection: EngineState["connection"]): void {
    if (this.#connection === connection || this.#connection === "closed") return;
    // The first attempts are no loss.
    if (connection === "down" && this.#connection === "connecting" && this.#problem === null) return;
    this.#connection = connection;
    this.#sinceMs = Date.now();
    this.#changed();
  }

  #changed(): void {
    const state = this.state();
    for (const watcher of this.#watchers) watcher(state);
  }
}

function closedError(): EngineError {
  return new EngineError("closed", "the engine was closed");
}
