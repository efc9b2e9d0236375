import type { LogArea, LogLevel } from "./log_levels.ts";
import { redact } from "./redact.ts";

/** A warning or error: the last of all with the same message. Plain data. */
export interface Problem {
  /** Of the last one, in milliseconds since the Unix epoch. */
  readonly atMs: number;
  readonly level: LogLevel;
  readonly area: LogArea;
  readonly message: string;
  /** Of the last one, without credentials. */
  readonly fields: Readonly<Record<string, string | number | boolean | null>>;
  /** How many there were. */
  readonly count: number;
}

/** Characters of a text that are kept, and fields. */
const MAX_CHARS = 500;
const MAX_FIELDS = 20;

/** The warnings and errors of late, a bounded number of different ones: what came first to its last end leaves first. */
export class ProblemBook {
  readonly #limit: number;
  /** In the order of their times. */
  readonly #problems = new Map<string, Problem>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Adds one, or as many as it counts; one with the same message, level and area is counted, and takes its fields. */
  readonly add = (problem: Problem): void => {
    const key = `${problem.level} ${problem.area} ${problem.message}`;
    const before = this.#problems.get(key);
    this.#problems.delete(key);
    this.#problems.set(key, { ...shortened(problem), count: problem.count + (before?.count ?? 0) });
    if (this.#problems.size > this.#limit) this.#problems.delete(this.#problems.keys().next().value!);
  };

  /** All, the newest first. */
  newestFirst(): readonly Problem[] {
    return [...this.#problems.values()].sort((a, b) => b.atMs - a.atMs);
  }

  /** All, the oldest first, and forgets them. */
  drain(): readonly Problem[] {
    const all = [...this.#problems.values()];
    this.#problems.clear();
    return all;
  }
}

/** Bounded, and without credentials. */
function shortened(problem: Problem): Problem {
  const fields = Object.entries(problem.fields).slice(0, MAX_FIELDS);
  return {
    ...problem,
    message: shortText(problem.message),
    fields: Object.fromEntries(
      fields.map(([name, value]) => [name, typeof value === "string" ? shortText(value) : value]),
    ),
  };
}

function shortText(text: string): string {
  // Before it is cut: what is left of a credential could not be told any more.
  const safe = redact(text);
  return safe.length > MAX_CHARS ? `${safe.slice(0, MAX_CHARS)}…` : safe;
}
