import type { LogLevel } from "./log_levels.ts";
import { redact } from "./redact.ts";

/** Plain values that go beside a message. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** How lines are written: for people, or for machines. */
export type LogFormat = "text" | "json";

/** All that one line says. */
export interface Line {
  readonly time: string;
  /** `null`, as the message, on lines that are no messages. */
  readonly level: LogLevel | null;
  readonly message: string | null;
  readonly fields: LogFields;
}

/** One line with its line feed, every value redacted. */
export function formatLine(format: LogFormat, line: Line): string {
  return format === "json" ? jsonLine(line) : textLine(line);
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
export function oneLine(text: string): string {
  return text.replace(CONTROL, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
