import { ACCESS_FIELDS, type AccessRecord, MORE_ACCESS_FIELDS } from "./access_record.ts";
import { oneLine } from "./log_line.ts";
import { redact } from "./redact.ts";

/** Forms of an access line by name: that of the log, one of both, or the NCSA combined format. Any other text is a template. */
export const ACCESS_FORMATS = ["auto", "text", "json", "combined"] as const;

type Value = string | number | boolean | undefined;

const BY_NAME: ReadonlyMap<string, (record: AccessRecord) => Value> = new Map<string, (record: AccessRecord) => Value>(
  Object.entries({ ...MORE_ACCESS_FIELDS, ...ACCESS_FIELDS }),
);

/** Names that a template may have in braces. */
export const TEMPLATE_NAMES: readonly string[] = [...BY_NAME.keys()];

/** Compiled: makes the text of one line, without a line feed. */
export type AccessTemplate = (record: AccessRecord) => string;

/** A piece of a template that cannot be used. */
export class TemplateError extends Error {
  override readonly name = "TemplateError";
}

/**
 * Compiles a template: text with names of {@linkcode TEMPLATE_NAMES} in braces, `{{` and `}}` for braces themselves. A value that there
 * is not is `-`; in others `"`, `\` and control characters are escaped as `\xHH`, and credentials are redacted.
 *
 * @throws {TemplateError} where a name is not known or a brace stands alone
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { accessTemplate } from "./access_format.ts";
 * assert.throws(() => accessTemplate("{authorization}"), /no value "authorization"/);
 * ```
 */
export function accessTemplate(text: string): AccessTemplate {
  const pieces = text.split(/(\{\{|\}\}|\{[^{}]*\})/);
  const parts = pieces.map((piece, index) => {
    if (index % 2 === 1) return piece.length === 2 && piece !== "{}" ? piece[0]! : valueOf(piece.slice(1, -1));
    if (/[{}]/.test(piece)) throw new TemplateError(`a brace stands alone in "${piece}"`);
    return piece;
  });
  return (record) => parts.map((part) => typeof part === "string" ? part : shown(part(record))).join("");
}

function valueOf(name: string): (record: AccessRecord) => Value {
  const value = BY_NAME.get(name);
  if (value === undefined) throw new TemplateError(`there is no value "${name}"`);
  return value;
}

/** `host ident user [time] "request" status bytes "referer" "user agent"` */
export const combinedLine: AccessTemplate = combined;

function combined(record: AccessRecord): string {
  const { client, clientName, timeMs, method, target, protocol, status, bytes, referer, userAgent } = record;
  const request = `${shown(method)} ${shown(target)} ${protocol}`;
  return `${shown(client)} - ${shown(clientName)} [${ncsaTime(timeMs)}] "${request}" ${status} ${bytes} ` +
    `"${shown(referer)}" "${shown(userAgent)}"`;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** `10/Oct/2026:13:55:36 +0000` */
function ncsaTime(timeMs: number): string {
  const time = new Date(timeMs);
  const clock = time.toISOString().slice(11, 19);
  const day = String(time.getUTCDate()).padStart(2, "0");
  return `${day}/${MONTHS[time.getUTCMonth()]}/${time.getUTCFullYear()}:${clock} +0000`;
}

/** A value as it stands in a line, also between quotes. */
function shown(value: Value): string {
  if (value === undefined || value === "") return "-";
  if (typeof value !== "string") return String(value);
  return oneLine(
    redact(value).replace(/["\\\n]/g, (found) => `\\x${found.charCodeAt(0).toString(16).padStart(2, "0")}`),
  );
}
