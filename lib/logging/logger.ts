import { redact } from "./redact.ts";

/** From the least to the most important. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** Plain values that go beside a message. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** Writes structured lines; every value is redacted when it is written. */
export interface Logger {
  /** Ask before building fields that cost something. */
  enabled(level: LogLevel): boolean;
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A line that is not a message, such as an access line: written at every level. */
  write(fields: LogFields): void;
  /** A logger whose lines all carry these fields. */
  with(fields: LogFields): Logger;
}

/** What a configuration says of a log. */
export interface LogSettings {
  readonly level: LogLevel;
  readonly format: "text" | "json";
}

/** A logger that a reload may change, together with all that were made of it. */
export interface RootLogger extends Logger {
  /** Applies from the next line on. */
  reconfigure(settings: LogSettings): void;
}

/** What a logger is made of. */
export interface LoggerOptions extends LogSettings {
  /** Takes finished lines, each with its line feed. */
  readonly sink: (line: string) => void;
  readonly now: () => number;
}

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** A logger over a sink. */
export function createLogger(options: LoggerOptions, base: LogFields = {}): RootLogger {
  const shared = { ...shapeOf(options) };
  return {
    ...loggerOver(options, shared, base),
    reconfigure: (settings) => void Object.assign(shared, shapeOf(settings)),
  };
}

/** What the settings come to, for a logger and all that are made of it. */
interface Shape {
  rank: number;
  line: (line: Line) => string;
}

function shapeOf({ level, format }: LogSettings): Shape {
  return { rank: RANK[level], line: format === "json" ? jsonLine : textLine };
}

function loggerOver(options: Pick<LoggerOptions, "sink" | "now">, shared: Shape, base: LogFields): Logger {
  const write = (level: LogLevel | null, message: string | null, fields: LogFields) => {
    const time = new Date(options.now()).toISOString();
    options.sink(shared.line({ time, level, message, fields: { ...base, ...fields } }));
  };
  const at = (level: LogLevel) => (message: string, fields: LogFields = {}) => {
    if (RANK[level] >= shared.rank) write(level, message, fields);
  };
  return {
    enabled: (level) => RANK[level] >= shared.rank,
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    write: (fields) => write(null, null, fields),
    with: (fields) => loggerOver(options, shared, { ...base, ...fields }),
  };
}

/** All that one line says. */
interface Line {
  readonly time: string;
  /** `null`, as the message, on lines that are no messages. */
  readonly level: LogLevel | null;
  readonly message: string | null;
  readonly fields: LogFields;
}

function jsonLine({ time, level, message, fields }: Line): string {
  const record: Record<string, unknown> = { time };
  if (level !== null) record["level"] = level;
  if (message !== null) record["message"] = redact(message);
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) record[name] = typeof value === "string" ? redact(value) : value;
  }
  return oneLine(JSON.stringify(record)) + "\n";
}

function textLine({ time, level, message, fields }: Line): string {
  let text = time;
  if (level !== null) text += ` ${level.toUpperCase().padEnd(5)}`;
  if (message !== null) text += ` ${oneLine(redact(message))}`;
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) text += ` ${name}=${textValue(value)}`;
  }
  return text + "\n";
}

function textValue(value: string | number | boolean | null): string {
  if (typeof value !== "string") return String(value);
  const safe = redact(value);
  return /^[\w./:@%+*?&=,;~()[\]-]+$/.test(safe) ? safe : oneLine(JSON.stringify(safe));
}

/** Control characters, line ends of Unicode, and what turns the direction of writing. */
// deno-lint-ignore no-control-regex
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

/**
 * Control characters escaped as JSON escapes them, so that no request can forge a line, move a terminal's cursor or make a line read
 * as another. Line feeds of our own stay.
 */
function oneLine(text: string): string {
  return text.replace(CONTROL, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
