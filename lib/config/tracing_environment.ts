import { parseUpstreamUrl } from "./addresses.ts";
import { TOKEN } from "./http_scalars.ts";

/** What OpenTelemetry's environment variables say of traces; `null` where they say nothing. */
export interface TracingEnvironment {
  /** Whole URL that traces are sent to. */
  readonly url: string | null;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly ratio: number | null;
  readonly isParentBased: boolean | null;
  readonly serviceName: string | null;
  readonly resource: Readonly<Record<string, string>>;
  /** Tracing is turned off, whatever else is said. */
  readonly isOff: boolean;
  /** What cannot be used, without its value. */
  readonly problems: readonly string[];
}

/** Pairs of one variable at most. */
const MAX_PAIRS = 64;
const FIELD_VALUE = /^[!-~](?:[ -~]*[!-~])?$/;

/** Ratio, where the sampler has one of its own, and whether it goes by the parent, by the names of OpenTelemetry. */
const SAMPLERS: ReadonlyMap<string, readonly [ratio: number | null, isParentBased: boolean]> = new Map([
  ["always_on", [1, false]],
  ["always_off", [0, false]],
  ["traceidratio", [null, false]],
  ["parentbased_always_on", [1, true]],
  ["parentbased_always_off", [0, true]],
  ["parentbased_traceidratio", [null, true]],
]);

/** Reads the variables that OpenTelemetry's SDKs go by. What cannot be used is left out, with a word of it. */
export function tracingEnvironment(env: (name: string) => string | undefined): TracingEnvironment {
  const problems: string[] = [];
  const read = (name: string) => {
    const value = env(name)?.trim();
    // An empty variable is as good as none (OpenTelemetry, "Environment Variable Specification").
    return value === undefined || value === "" ? null : value;
  };
  const url = (name: string, path: string) => {
    const value = read(name);
    if (value === null) return null;
    const result = parseUpstreamUrl(value);
    if ("url" in result) return path !== "" ? result.url.replace(/\/+$/, "") + path : result.url;
    problems.push(`${name}: expected ${result.expected}`);
    return null;
  };
  const pairs = (name: string, isUsable: (name: string, value: string) => boolean) => {
    const { found, problem } = parsePairs(read(name) ?? "", isUsable);
    if (problem !== null) problems.push(`${name}: ${problem}`);
    return found;
  };
  const isField = (name: string, value: string) => TOKEN.test(name) && FIELD_VALUE.test(value);
  const headers = {
    ...pairs("OTEL_EXPORTER_OTLP_HEADERS", isField),
    ...pairs("OTEL_EXPORTER_OTLP_TRACES_HEADERS", isField),
  };
  return {
    url: url("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "") ?? url("OTEL_EXPORTER_OTLP_ENDPOINT", "/v1/traces"),
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
    ...samplerOf(read("OTEL_TRACES_SAMPLER"), read("OTEL_TRACES_SAMPLER_ARG"), problems),
    serviceName: read("OTEL_SERVICE_NAME"),
    resource: pairs("OTEL_RESOURCE_ATTRIBUTES", (key, value) => key !== "" && value.length <= 1_024),
    isOff: read("OTEL_SDK_DISABLED")?.toLowerCase() === "true" || read("OTEL_TRACES_EXPORTER") === "none",
    problems,
  };
}

function samplerOf(sampler: string | null, arg: string | null, problems: string[]) {
  const known = sampler === null ? undefined : SAMPLERS.get(sampler);
  if (sampler !== null && known === undefined) {
    problems.push(`OTEL_TRACES_SAMPLER: expected one of ${[...SAMPLERS.keys()].join(", ")}`);
  }
  const part = arg === null ? NaN : Number(arg);
  const isRatio = part >= 0 && part <= 1;
  if (arg !== null && !isRatio) problems.push("OTEL_TRACES_SAMPLER_ARG: expected a number from 0 to 1");
  // Without a sampler that takes it the argument has no meaning.
  const own = known?.[0] ?? null;
  return { ratio: own ?? (isRatio && known !== undefined ? part : null), isParentBased: known?.[1] ?? null };
}

/** `name=value,name=value`, values percent-encoded (W3C Baggage). */
function parsePairs(text: string, isUsable: (name: string, value: string) => boolean) {
  const found: Record<string, string> = {};
  const parts = text.split(",").filter((part) => part.trim() !== "");
  let isWhole = parts.length <= MAX_PAIRS;
  for (const part of parts.slice(0, MAX_PAIRS)) {
    const at = part.indexOf("=");
    const name = part.slice(0, Math.max(0, at)).trim();
    const value = decoded(part.slice(at + 1).trim());
    if (at > 0 && value !== null && isUsable(name, value)) found[name] = value;
    else isWhole = false;
  }
  return { found, problem: isWhole ? null : "expected name=value pairs with commas between, values percent-encoded" };
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
