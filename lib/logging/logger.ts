import {
  LEVEL_RANK,
  type LevelOverride,
  type LevelSettings,
  levelsInForce,
  LOG_AREAS,
  type LogArea,
  type LogLevel,
} from "./log_levels.ts";
import { formatLine, type LogFields, type LogFormat } from "./log_line.ts";
import type { Problem } from "./problem_book.ts";

/** Writes structured lines; every value is redacted when it is written. */
export interface Logger {
  /** Ask before building fields that cost something. */
  enabled(level: LogLevel): boolean;
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A line that is not a message, such as an audit line: written at every level, in the log's format if no other is given. */
  write(fields: LogFields, format?: LogFormat): void;
  /** A line that is made elsewhere, redacted and without line feed: written as it is. */
  line(text: string): void;
  /** A logger whose lines all carry these fields. */
  with(fields: LogFields): Logger;
  /** The logger of an area, with the level of that: the same one at each call. */
  in(area: LogArea): Logger;
}

/** What a configuration says of a log. */
export interface LogSettings extends LevelSettings {
  readonly format: LogFormat;
}

/** A logger that a reload may change, together with all that were made of it. */
export interface RootLogger extends Logger {
  /** Applies from the next line on. */
  reconfigure(settings: LogSettings): void;
  /** Levels in place of those of the settings; `null` for none. */
  override(levels: LevelOverride | null): void;
  /** The level of each area. */
  levels(): Readonly<Record<LogArea, LogLevel>>;
}

/** What a logger is made of. */
export interface LoggerOptions extends LogSettings {
  /** Takes finished lines, each with its line feed. */
  readonly sink: (line: string) => void;
  readonly now: () => number;
  /** Takes warnings and errors, whatever the level is. */
  readonly onProblem?: (problem: Problem) => void;
}

/** A logger over a sink. Its own lines are in the area `process`. */
export function createLogger(options: LoggerOptions, base: LogFields = {}): RootLogger {
  const shared = new Shared(options);
  return {
    ...loggerOver(options, shared, { area: "process", base }),
    reconfigure: (settings) => shared.settle(settings, shared.override),
    override: (levels) => shared.settle(shared.settings, levels),
    levels: () => shared.levels,
  };
}

/** What all loggers of one root go by. */
class Shared {
  settings: LogSettings;
  override: LevelOverride | null = null;
  levels: Record<LogArea, LogLevel>;
  /** Of `levels`. */
  readonly ranks = Object.fromEntries(LOG_AREAS.map((area) => [area, 0])) as Record<LogArea, number>;

  constructor(settings: LogSettings) {
    this.settings = settings;
    this.levels = this.settle(settings, null);
  }

  settle(settings: LogSettings, override: LevelOverride | null): Record<LogArea, LogLevel> {
    this.settings = settings;
    this.override = override;
    this.levels = levelsInForce(settings, override);
    for (const area of LOG_AREAS) this.ranks[area] = LEVEL_RANK[this.levels[area]];
    return this.levels;
  }
}

type Outlet = Pick<LoggerOptions, "sink" | "now" | "onProblem">;

function loggerOver(
  outlet: Outlet,
  shared: Shared,
  { area, base }: { readonly area: LogArea; readonly base: LogFields },
): Logger {
  const write = (level: LogLevel | null, message: string | null, given: LogFields, format = shared.settings.format) => {
    const time = new Date(outlet.now()).toISOString();
    // Of a message it is worth to know which level it has.
    const place = level === null || area === "process" ? undefined : area;
    outlet.sink(formatLine(format, { time, level, message, fields: { ...base, ...given, area: place } }));
  };
  const at = (level: LogLevel) => (message: string, fields: LogFields = {}) => {
    const rank = LEVEL_RANK[level];
    if (rank >= LEVEL_RANK.warn && outlet.onProblem !== undefined) {
      outlet.onProblem(problemOf({ atMs: outlet.now(), level, area, message }, { ...base, ...fields }));
    }
    if (rank >= shared.ranks[area]) write(level, message, fields);
  };
  const ofAreas: Partial<Record<LogArea, Logger>> = {};
  return {
    enabled: (level) => LEVEL_RANK[level] >= shared.ranks[area],
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    write: (fields, format) => write(null, null, fields, format),
    line: (text) => outlet.sink(text + "\n"),
    with: (fields) => loggerOver(outlet, shared, { area, base: { ...base, ...fields } }),
    in: (other) => ofAreas[other] ??= loggerOver(outlet, shared, { area: other, base }),
  };
}

function problemOf(head: Pick<Problem, "atMs" | "level" | "area" | "message">, fields: LogFields): Problem {
  const kept = Object.entries(fields).flatMap(([name, value]) => value === undefined ? [] : [[name, value] as const]);
  // A line that stands for several says for how many.
  const count = typeof fields["more"] === "number" ? fields["more"] : 1;
  return { ...head, fields: Object.fromEntries(kept), count };
}
