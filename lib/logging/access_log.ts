import { type AccessTemplate, accessTemplate, combinedLine } from "./access_format.ts";
import { ACCESS_FIELDS, type AccessRecord } from "./access_record.ts";
import type { LogFields } from "./log_line.ts";
import type { Logger } from "./logger.ts";

/** Which requests get a line. */
export type AccessPolicy = "all" | "errors" | "off";

/** What a configuration says of access lines. */
export interface AccessSettings {
  readonly access: AccessPolicy;
  /** One of `ACCESS_FORMATS`, or a template. */
  readonly format: string;
  /** Requests that take as long get a line whatever `access` says; `null` for none. */
  readonly slowMs: number | null;
  /** Of requests that went well one in so many gets a line. */
  readonly sample: number;
}

/** With `errors`, so many refusals get a line each second: the others are counted, and warned of together. */
const REFUSED_A_SECOND = 10;

/** Chooses requests for a line, and writes it. One in each worker: it counts for the sample. */
export class AccessLog {
  readonly #settings: AccessSettings;
  readonly #template: AccessTemplate | null;
  #untilNext = 1;
  #refusedSecond = 0;
  #refused = 0;

  /** @throws {TemplateError} where the format is a template that cannot be used */
  constructor(settings: AccessSettings) {
    this.#settings = settings;
    this.#template = templateOf(settings.format);
  }

  /** Whether a request gets a line; asked before a record is built, once for each request. */
  wants(status: number, tries: number, ms: number): boolean {
    const { access, sample } = this.#settings;
    if (this.isSlow(ms)) return true;
    if (access === "off") return false;
    if (status >= 500 || tries > 1) return true;
    if (access === "errors") return false;
    if (sample === 1 || status >= 400) return true;
    if (--this.#untilNext > 0) return false;
    this.#untilNext = sample;
    return true;
  }

  /** The same of a request that was refused for want of room, of which there may be thousands a second. */
  wantsRefused(nowMs: number): boolean {
    const { access } = this.#settings;
    if (access !== "errors") return access === "all";
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#refusedSecond) this.#refused = 0;
    this.#refusedSecond = second;
    return ++this.#refused <= REFUSED_A_SECOND;
  }

  /** Whether a request took as long as gets a line whatever `access` says. */
  isSlow(ms: number): boolean {
    const { slowMs } = this.#settings;
    return slowMs !== null && ms >= slowMs;
  }

  /** How many requests a line of this one stands for; `undefined` for one. */
  sampleOf(status: number, tries: number, ms: number): number | undefined {
    const { sample } = this.#settings;
    const isChosen = sample > 1 && status < 400 && tries <= 1 && !this.isSlow(ms);
    return isChosen ? sample : undefined;
  }

  /** Writes the line of a request. */
  write(logger: Logger, record: AccessRecord): void {
    if (this.#template !== null) return logger.line(this.#template(record));
    const { format } = this.#settings;
    logger.write(accessFields(record), format === "text" || format === "json" ? format : undefined);
  }
}

function templateOf(format: string): AccessTemplate | null {
  if (format === "combined") return combinedLine;
  return format === "auto" || format === "text" || format === "json" ? null : accessTemplate(format);
}

function accessFields(record: AccessRecord): LogFields {
  const fields: Record<string, string | number | boolean | undefined> = {};
  for (const [name, value] of Object.entries(ACCESS_FIELDS)) {
    // The listener's name stands where a line says what it is.
    fields[name === "listener" ? "access" : name] = value(record);
  }
  return fields;
}
