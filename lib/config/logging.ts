import type { z } from "zod";
import { ACCESS_FORMATS, accessTemplate, TEMPLATE_NAMES, TemplateError } from "../logging/access_format.ts";
import type { AccessSettings } from "../logging/access_log.ts";
import { type AreaLevels, LOG_LEVELS } from "../logging/log_levels.ts";
import type { Problems } from "./yaml/problems.ts";
import { choice, durationOr, integer, scalar, Unusable } from "./yaml/scalars.ts";
import { asMapping, type Frozen, section } from "./yaml/section.ts";
import { DAY } from "./yaml/units.ts";

const MAX_TEMPLATE = 2_000;

/** The name of a form, or a template. */
function accessFormat() {
  const expected = new Unusable(`one of ${ACCESS_FORMATS.join(", ")}, or a template such as "{client} {status}"`, [
    ...ACCESS_FORMATS,
  ]);
  return scalar<string>({
    title: "name or template",
    json: { anyOf: [{ enum: ACCESS_FORMATS }, { type: "string", pattern: "\\{[a-z_]+\\}" }] },
    expected,
    interpolated: "text",
    read(value) {
      if (typeof value !== "string" || value.length > MAX_TEMPLATE || /\p{Cc}/u.test(value)) return expected;
      if (ACCESS_FORMATS.some((name) => name === value)) return value;
      if (!value.includes("{")) return expected;
      try {
        accessTemplate(value);
        return value;
      } catch (error) {
        if (!(error instanceof TemplateError)) throw error;
        return new Unusable(`a template of known values: ${error.message} (known: ${TEMPLATE_NAMES.join(", ")})`);
      }
    },
  });
}

/** The level of one area. */
function levelOf(subject: string) {
  return choice(LOG_LEVELS).optional().describe(`Of lines about ${subject}.`);
}

const levelsSection = section({
  process: levelOf("the process and its workers"),
  config: levelOf("the configuration and reloads"),
  request: levelOf("requests of clients"),
  upstream: levelOf("upstreams: tries, health, breakers, keys"),
  cache: levelOf("stored responses: the disk, purges, prewarming, change feeds"),
  tls: levelOf("certificates"),
  admin: levelOf("the admin address and peers"),
});

/** `logging:` */
export const loggingSection = section({
  level: choice(LOG_LEVELS).prefault("info").describe("Least important lines that are written."),
  levels: asMapping(levelsSection).prefault({}).describe("The same of some areas, in place of `level`."),
  format: choice(["text", "json"]).prefault("text").describe("`text` for people, `json` for machines, one line each."),
  access: choice(["all", "errors", "off"]).prefault("errors").describe(
    "Which requests get an access line: all, those with a status of 500 or more or a failed attempt, or none.",
  ),
  access_format: accessFormat().prefault("auto").describe(
    "Form of access lines: `auto` is `format`; `text`, `json`, `combined` (NCSA), or a template of values in braces.",
  ),
  sample: integer(1, 1_000_000).prefault(1).describe(
    "With `access: all`: of requests that went well one in so many gets a line, in each worker.",
  ),
  slow: durationOr("off", 1, DAY).prefault("off").describe(
    "Requests that take as long get an access line whatever `access` says.",
  ),
  client: choice(["full", "network", "off"]).prefault("full").describe(
    "How much of clients' addresses is shown: all, the network (IPv4 /24, IPv6 /48), or nothing.",
  ),
});

type LoggingValues = z.output<typeof loggingSection>;

/** `logging:` */
export function loggingOf(logging: LoggingValues) {
  const { level, levels, format, access, access_format, sample, slow, client } = logging;
  const lines: AccessSettings = { access, format: access_format, sample, slowMs: slow === "off" ? null : slow };
  return { level, levels: levels as AreaLevels, format, access: lines, client };
}

/** `logging:` */
export interface LoggingConfig extends Frozen<ReturnType<typeof loggingOf>> {}

/** A sample of what is not written has no effect. */
export function checkLogging({ access, sample }: LoggingValues, problems: Problems): void {
  const at = ["logging", "sample"];
  if (access === "all" || sample === 1 || !problems.isGiven(at)) return;
  problems.warn(at, "it has no effect: only `access: all` writes lines of requests that went well");
}

/** Who is told where the time of a request went. */
export const serverTimingKey = choice(["off", "trusted", "all"]).prefault("off").describe(
  "Who gets `Server-Timing` on responses: nobody, clients on this machine and `trusted_proxies` themselves, or everybody.",
);
