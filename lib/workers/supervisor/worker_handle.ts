import { messageOf } from "../../errors.ts";
import type { Problem } from "../../logging/problem_book.ts";
import type { ChangedMessage, FromWorker, ToWorker, WorkerReport } from "../messages.ts";

/** Options of {@linkcode WorkerHandle}. */
export interface WorkerHandleOptions {
  readonly url: URL;
  /** Tells the worker's role: `serving-0`, `health`. */
  readonly name: string;
  /**
   * What it may do; never more than this process.
   * @default what this process may
   */
  readonly permissions?: Deno.PermissionOptions;
  /** The worker has thrown, could not be loaded, or was silent for too long. Called once. */
  readonly onDeath: (reason: string) => void;
  /** An unsafe request has changed something through it; settles when others have been told. */
  readonly onChanged?: (message: ChangedMessage) => Promise<void>;
  /** It has met problems. */
  readonly onProblems?: (problems: readonly Problem[]) => void;
}

interface Waiting {
  readonly matches: (message: FromWorker) => boolean;
  readonly resolve: (message: FromWorker) => void;
  readonly reject: (error: Error) => void;
}

/** Workers that this process has started. */
let started = 0;

/** One worker as the supervisor holds it. */
export class WorkerHandle {
  readonly name: string;
  readonly startedAtMs = Date.now();
  /** Which of the workers of this process it is, from 1. */
  readonly ordinal = ++started;
  readonly #onChanged: WorkerHandleOptions["onChanged"];
  readonly #onProblems: WorkerHandleOptions["onProblems"];
  #worker: Worker | null;
  /** What waits until the worker listens; `null` once it does. */
  #outbox: [ToWorker, Transferable[]][] | null = [];
  #waiting = new Set<Waiting>();
  #onDeath: ((reason: string) => void) | null;
  #sequence = 0;
  #unansweredBeats = 0;
  #report: WorkerReport | null = null;

  constructor(options: WorkerHandleOptions) {
    this.name = options.name;
    this.#onDeath = options.onDeath;
    this.#onChanged = options.onChanged;
    this.#onProblems = options.onProblems;
    const { url, name, permissions = "inherit" } = options;
    // Needs `worker-options` among the unstable features (`deno.json`, or `--unstable-worker-options`): without, Deno ends the process.
    const worker = new Worker(url, { type: "module", name, deno: { permissions } });
    this.#worker = worker;
    worker.onmessage = (event: MessageEvent<FromWorker>) => this.#receive(event.data);
    worker.onmessageerror = () => this.#die("sent a message that cannot be read");
    worker.onerror = (event) => {
      // Without this the error would end the whole process.
      event.preventDefault();
      this.#die(event.message || "threw an error");
    };
  }

  /** Whether messages still reach it. */
  get alive(): boolean {
    return this.#worker !== null;
  }

  /** What it last said of itself. */
  get report(): WorkerReport | null {
    return this.#report;
  }

  /**
   * Heartbeats since its last sign of life. Counted in beats, not in time, so that a pause of the whole process (a suspended
   * machine) is not held against it.
   */
  get unansweredBeats(): number {
    return this.#unansweredBeats;
  }

  /** Sends a message; a dead worker takes none. */
  post(message: ToWorker, transfer: Transferable[] = []): void {
    if (this.#outbox !== null) this.#outbox.push([message, transfer]);
    else this.#worker?.postMessage(message, transfer);
  }

  /**
   * Sends a message and waits for the answer that `matches`.
   *
   * @throws {Error} when it dies or does not answer within `timeoutMs`
   */
  call(message: ToWorker, matches: (message: FromWorker) => boolean, timeoutMs: number): Promise<FromWorker> {
    return new Promise((resolve, reject) => {
      if (this.#worker === null) return reject(new Error(`Worker "${this.name}" has stopped`));
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(waiting);
      };
      const waiting: Waiting = {
        matches,
        resolve: (answer) => (done(), resolve(answer)),
        reject: (error) => (done(), reject(error)),
      };
      const timer = setTimeout(() => {
        waiting.reject(new Error(`Worker "${this.name}" did not answer "${message.type}" within ${timeoutMs} ms`));
      }, timeoutMs);
      this.#waiting.add(waiting);
      this.post(message);
    });
  }

  /** One heartbeat: asks for a report and counts the asking. */
  beat(timeoutMs: number): void {
    this.#unansweredBeats++;
    this.ping(timeoutMs);
  }

  /** Asks for a fresh report; the last known one when none comes in time. */
  async ping(timeoutMs: number): Promise<WorkerReport | null> {
    const sequence = ++this.#sequence;
    try {
      await this.call(
        { type: "ping", sequence },
        (message) => message.type === "pong" && message.sequence === sequence,
        timeoutMs,
      );
    } catch {
      // Silence is judged by the supervisor, by `unansweredBeats`.
    }
    return this.#report;
  }

  /** Ends it at once. No death is reported. */
  terminate(): void {
    this.#onDeath = null;
    this.#die("terminated");
  }

  /** Ends it and reports its death. */
  kill(reason: string): void {
    this.#die(reason);
  }

  #receive(message: FromWorker): void {
    this.#unansweredBeats = 0;
    if (message.type === "hello") this.#flushOutbox();
    if (message.type === "failed") return this.#die(message.reason);
    if (message.type === "pong") this.#report = message.report;
    if (message.type === "stopped" && message.counts !== undefined && this.#report !== null) {
      this.#report = { ...this.#report, counts: message.counts };
    }
    if (message.type === "changed") void this.#changed(message);
    if (message.type === "problems") this.#onProblems?.(message.problems);
    for (const waiting of this.#waiting) if (waiting.matches(message)) waiting.resolve(message);
  }

  async #changed(message: ChangedMessage): Promise<void> {
    await this.#onChanged?.(message);
    this.post({ type: "change-told", id: message.id });
  }

  #flushOutbox(): void {
    const waiting = this.#outbox ?? [];
    this.#outbox = null;
    for (const [message, transfer] of waiting) this.post(message, transfer);
  }

  #die(reason: string): void {
    if (this.#worker === null) return;
    this.#worker.terminate();
    this.#worker = null;
    for (const waiting of this.#waiting) waiting.reject(new Error(`Worker "${this.name}" has stopped: ${reason}`));
    const onDeath = this.#onDeath;
    this.#onDeath = null;
    onDeath?.(reason);
  }
}

/** A worker that does not take the configuration in force would go on serving by the one before. */
export async function replaceUnless(handle: WorkerHandle, taken: Promise<unknown>): Promise<void> {
  try {
    await taken;
  } catch (error) {
    handle.kill(`did not take the configuration: ${messageOf(error)}`);
  }
}
