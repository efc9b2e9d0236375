import type { ClientName } from "../../clients/client_requests.ts";
import type { DrainedUpstream } from "../../gateway/gateway.ts";
import type { CheckResult } from "../../health/check.ts";
import { messageOf } from "../../errors.ts";
import type { LevelOverride } from "../../logging/log_levels.ts";
import type {
  FromWorker,
  LookUpOrder,
  LookUpResult,
  PrewarmResult,
  ReadResult,
  SightAnswer,
  SightQuestion,
  ToWorker,
} from "../messages.ts";
import type { OperationsOptions } from "../operations/operations.ts";
import type { Fleet } from "./fleet.ts";
import type { WorkerHandle } from "./worker_handle.ts";

/** What one worker holds for a request. */
export interface WorkerLookUp {
  readonly worker: string;
  readonly result: LookUpResult;
}

/** Longer than any check may take. */
const CHECK_TIMEOUT_MS = 130_000;
const LOOK_UP_TIMEOUT_MS = 5_000;

/** Longer than a fetch and its wait may take in the worker. */
const WORK_TIMEOUT_MS = 130_000;

/** What a worker says of a piece of work. */
type WorkAnswer = Extract<FromWorker, { type: "prewarmed" | "was-read" }>;

/** Work for single workers, and what operators ask of them about upstreams and stored responses. */
export class FleetCalls {
  readonly #fleet: Pick<Fleet, "slots" | "live" | "refresh" | "tellServing">;
  #lastId = 0;

  constructor(fleet: Pick<Fleet, "slots" | "live" | "refresh" | "tellServing">) {
    this.#fleet = fleet;
  }

  /** What operations need of the workers; `fleet` is that of the constructor. */
  operated(fleet: Pick<Fleet, "purge" | "forget" | "counts">): Pick<OperationsOptions, "fleet" | "upstreams"> {
    return {
      fleet: {
        purge: (rules, counts) => fleet.purge(rules, counts),
        forget: (keys) => fleet.forget(keys),
        prewarm: (listener, url, clients) => this.prewarm(listener, url, clients),
        read: (pool, target) => this.read(pool, target),
        counts: () => fleet.counts(),
      },
      upstreams: {
        spread: (drained) => this.drain(drained),
        check: (pool, upstream) => this.check(pool, upstream),
      },
    };
  }

  /** Has every serving worker give these upstreams no new requests, and all others some; returns how many workers do. */
  async drain(drained: readonly DrainedUpstream[]): Promise<number> {
    const id = ++this.#lastId;
    const isDone = (told: FromWorker) => told.type === "drained" && told.id === id;
    const answers = await this.#fleet.tellServing({ type: "drain", id, drained }, isDone);
    return answers.filter((answer) => answer !== null).length;
  }

  /**
   * Has the health worker check an upstream at once; `null` where that has no active check.
   *
   * @throws {Error} when the health worker is not up, or does not answer
   */
  async check(pool: string, upstream: string): Promise<CheckResult | null> {
    const [handle] = this.#up("health");
    if (handle === undefined) throw new Error("The health worker is starting again");
    const id = ++this.#lastId;
    const isDone = (told: FromWorker) => told.type === "checked" && told.id === id;
    const answer = await handle.call({ type: "check", id, pool, upstream }, isDone, CHECK_TIMEOUT_MS);
    return answer.type === "checked" ? answer.result : null;
  }

  /** What each serving worker holds for a request; nothing of those where no listener takes it, or that do not answer. */
  async lookUp(order: LookUpOrder): Promise<WorkerLookUp[]> {
    const id = ++this.#lastId;
    const isDone = (told: FromWorker) => told.type === "looked-up" && told.id === id;
    const found = await Promise.all(
      this.#up("serving").map(async (handle): Promise<WorkerLookUp[]> => {
        const answer = await handle.call({ type: "look-up", id, order }, isDone, LOOK_UP_TIMEOUT_MS).catch(() => null);
        if (answer?.type !== "looked-up" || answer.result === null) return [];
        return [{ worker: handle.name, result: answer.result }];
      }),
    );
    return found.flat();
  }

  /** Has one of the serving workers, in turn, fetch a target into the cache. */
  prewarm(listener: string, url: string, clients: readonly ClientName[]): Promise<PrewarmResult> {
    const nobody: PrewarmResult = { outcome: "busy", detail: null, bytes: 0 };
    return this.#haveDone("prewarmed", (id) => ({ type: "prewarm", id, listener, url, clients }), nobody);
  }

  /** Has one of the serving workers, in turn, ask a pool's upstreams for a path and query. */
  read(pool: string, target: string): Promise<ReadResult> {
    const nobody: ReadResult = { outcome: "busy", body: null, detail: null, retryAfterMs: null };
    return this.#haveDone("was-read", (id) => ({ type: "read", id, pool, target }), nobody);
  }

  /** Gives one of the serving workers, in turn, a piece of work; the result is `nobody` where none is up. */
  async #haveDone<R extends PrewarmResult | ReadResult>(
    type: WorkAnswer["type"],
    order: (id: number) => ToWorker,
    nobody: R,
  ): Promise<R> {
    const id = ++this.#lastId;
    const serving = this.#up("serving");
    const handle = serving[id % Math.max(1, serving.length)];
    if (handle === undefined) return nobody;
    const isDone = (message: FromWorker) => message.type === type && message.id === id;
    try {
      return (await handle.call(order(id), isDone, WORK_TIMEOUT_MS) as WorkAnswer).result as R;
    } catch (error) {
      // The worker has died: whether or not this was the reason, it is not tried again for ever.
      return { ...nobody, outcome: "failed", detail: messageOf(error) };
    }
  }

  /** Brings levels of the log into every worker that is up; one that starts asks for them. */
  async setLogLevels(override: LevelOverride | null): Promise<void> {
    for (const handle of this.#fleet.live) handle.post({ type: "log-levels", override });
    // What comes after it is answered after it.
    await this.#fleet.refresh();
  }

  /** What each serving worker remembers of its requests; one that does not answer is left out. */
  async look(question: SightQuestion): Promise<SightAnswer[]> {
    const id = ++this.#lastId;
    const isDone = (told: FromWorker) => told.type === "seen" && told.id === id;
    const answers = await Promise.all(
      this.#up("serving").map((handle) =>
        handle.call({ type: "look", id, question }, isDone, LOOK_UP_TIMEOUT_MS).catch(() => null)
      ),
    );
    return answers.flatMap((told) => told?.type === "seen" ? [told.answer] : []);
  }

  #up(role: "serving" | "health"): WorkerHandle[] {
    return this.#fleet.slots.flatMap((slot) => slot.role === role && slot.handle?.alive ? [slot.handle] : []);
  }
}
