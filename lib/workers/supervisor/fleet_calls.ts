import type { DrainedUpstream } from "../../gateway/gateway.ts";
import type { CheckResult } from "../../health/check.ts";
import type { LevelOverride } from "../../logging/log_levels.ts";
import type { FromWorker, LookUpOrder, LookUpResult, SightAnswer, SightQuestion } from "../messages.ts";
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

/** What operators ask of the workers about upstreams and stored responses. */
export class FleetCalls {
  readonly #fleet: Pick<Fleet, "slots" | "live" | "refresh" | "tellServing">;
  #lastId = 0;

  constructor(fleet: Pick<Fleet, "slots" | "live" | "refresh" | "tellServing">) {
    this.#fleet = fleet;
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
