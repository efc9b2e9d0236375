import type { Problem, ProblemBook } from "../../logging/problem_book.ts";
import type { RememberedRequest } from "../../metrics/request_memory.ts";
import { joined, keysBy, type TopKeys, type TopMeasure } from "../../metrics/top_targets.ts";
import { TOP_SEPARATOR } from "../../request/request_sight.ts";
import type { SightAnswer, SightQuestion } from "../messages.ts";

/** Requests and targets that an answer has at most. */
const MAX_SHOWN = 200;
/** Slow requests of one listener. */
const MAX_OF_LISTENER = 50;

/** A target that is asked for much. `null`: too little of it by that measure to be counted. */
export interface TopTarget {
  readonly listener: string;
  readonly target: string;
  readonly requests: number | null;
  readonly misses: number | null;
  readonly bytes: number | null;
  readonly ms: number | null;
  /** By how much the measure that they are ordered by may be too high. */
  readonly over: number;
}

/** What a {@linkcode Sight} is made of. */
export interface SightOptions {
  /** Asks every serving worker; those that do not answer are left out. */
  readonly ask: (question: SightQuestion) => Promise<readonly SightAnswer[]>;
  readonly problems: ProblemBook;
}

/** What the gateway remembers of its problems and requests, of all workers together. Nothing of it outlives the process. */
export class Sight {
  readonly #options: SightOptions;

  constructor(options: SightOptions) {
    this.#options = options;
  }

  /** Warnings and errors of the supervisor and all workers, the newest first; the same message is there once. */
  problems(): readonly Problem[] {
    return this.#options.problems.newestFirst();
  }

  /** The slowest requests of the last hour, of one listener or of all, the slowest first. */
  async slow(listener: string | null): Promise<readonly RememberedRequest[]> {
    const answers = await this.#options.ask({ kind: "slow", listener });
    const slowest = answers.flatMap(({ requests }) => requests).sort((a, b) => b.totalMs - a.totalMs);
    const counts = new Map<string, number>();
    return slowest.filter((request) => {
      const count = (counts.get(request.listener) ?? 0) + 1;
      counts.set(request.listener, count);
      return count <= MAX_OF_LISTENER;
    }).slice(0, MAX_SHOWN);
  }

  /** The remembered request with an id, the last one where there are several; `null` where none is remembered. */
  async request(id: string): Promise<RememberedRequest | null> {
    const answers = await this.#options.ask({ kind: "request", id });
    const found = answers.flatMap(({ requests }) => requests);
    return found.sort((a, b) => b.atMs - a.atMs)[0] ?? null;
  }

  /** The targets that are heaviest by a measure in the last one to two hours, the heaviest first. */
  async top(by: TopMeasure, listener: string | null): Promise<readonly TopTarget[]> {
    const answers = await this.#options.ask({ kind: "top" });
    const tops = answers.flatMap(({ top }) => top === null ? [] : [top]);
    return topTargets(keysBy((measure) => joined(tops.map((top) => top[measure]))), by)
      .filter((target) => listener === null || target.listener === listener).slice(0, MAX_SHOWN);
  }
}

/** Without those whose figure is mostly doubt: where nothing is asked for often, whatever came last has the highest. */
function topTargets(top: TopKeys, by: TopMeasure): TopTarget[] {
  const weights = keysBy((measure) => new Map(top[measure].map(({ key, weight }) => [key, Math.round(weight)])));
  return top[by].filter(({ weight, over }) => over * 2 <= weight).map(({ key, over }) => {
    const space = key.indexOf(TOP_SEPARATOR);
    return {
      listener: key.slice(0, space),
      target: key.slice(space + 1),
      ...keysBy((measure) => weights[measure].get(key) ?? null),
      over: Math.round(over),
    };
  });
}
