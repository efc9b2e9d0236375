import type { z } from "zod";
import type { Sampling } from "../tracing/tracer.ts";
import type { Attribute } from "../tracing/span.ts";
import { anyText, fieldName, upstreamUrl } from "./http_scalars.ts";
import type { TracingEnvironment } from "./tracing_environment.ts";
import type { Problems } from "./yaml/problems.ts";
import { flag, line, share, text } from "./yaml/scalars.ts";
import { type Frozen, record, section } from "./yaml/section.ts";

/** The path of traces below an OTLP endpoint (OTLP/HTTP). */
const TRACES_PATH = "/v1/traces";

/** The value of a field: visible ASCII, with spaces between. */
const FIELD_VALUE = /^[!-~](?:[ -~]*[!-~])?$/;

function attributeName() {
  return text({
    title: "name",
    pattern: /^[A-Za-z][A-Za-z0-9_.-]*$/,
    maxLength: 255,
    expected: "an attribute's name such as deployment.environment.name",
  });
}

/** `tracing:` */
export const tracingSection = section({
  endpoint: upstreamUrl().optional().describe(
    "Base URL of a collector that speaks OTLP/HTTP, such as `http://127.0.0.1:4318`; `/v1/traces` is added to it. " +
      "Default: `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, else `OTEL_EXPORTER_OTLP_ENDPOINT`; where neither is set nothing is traced.",
  ),
  headers: record(fieldName(), anyText("value", 8_192, "a field's value"), "field names and values").describe(
    "Fields of each request to it, such as `authorization`; their values are secrets. Added to those of " +
      "`OTEL_EXPORTER_OTLP_HEADERS`.",
  ),
  sample: share().optional().describe(
    "Part of the traces that begin here that is recorded. Default: `OTEL_TRACES_SAMPLER_ARG`, else all.",
  ),
  parent_based: flag().optional().describe(
    "Record a trace that is continued where its sender does; else `sample` decides of it too. Default: by " +
      "`OTEL_TRACES_SAMPLER`, else true.",
  ),
  service_name: line("service's name", 255).optional().describe(
    "`service.name` of the spans. Default: `OTEL_SERVICE_NAME`, else `server.name`.",
  ),
  resource: record(attributeName(), line("value", 1_024), "attributes and values").describe(
    "Further attributes of all spans. Added to those of `OTEL_RESOURCE_ATTRIBUTES`.",
  ),
});

type TracingValues = z.output<typeof tracingSection>;

/** What a field of a request to the collector cannot hold, and what has no effect without a collector. */
export function checkTracing(
  { endpoint, headers, sample }: TracingValues,
  { url, isOff, problems: unusable }: TracingEnvironment,
  problems: Problems,
): void {
  for (const problem of unusable) problems.warn(["tracing"], problem);
  for (const [name, value] of Object.entries(headers)) {
    if (!FIELD_VALUE.test(value)) problems.expect(["tracing", "headers", name], "visible ASCII characters");
  }
  if (isOff) {
    if (endpoint !== undefined) problems.warn(["tracing"], "OTEL_SDK_DISABLED or OTEL_TRACES_EXPORTER turns it off");
  } else if (endpoint === undefined && url === null && sample !== undefined) {
    problems.warn(
      ["tracing"],
      "it has no effect: neither `endpoint` nor OTEL_EXPORTER_OTLP_ENDPOINT names a collector",
    );
  }
}

/** `tracing:`, with the environment where the file says nothing; `null` where nothing is traced. */
export function tracingOf(values: TracingValues, environment: TracingEnvironment, serverName: string) {
  const url = values.endpoint === undefined ? environment.url : tracesUrl(values.endpoint);
  if (url === null || environment.isOff) return null;
  const sampling: Sampling = {
    ratio: values.sample ?? environment.ratio ?? 1,
    isParentBased: values.parent_based ?? environment.isParentBased ?? true,
  };
  const resource: Attribute[] = Object.entries({
    ...environment.resource,
    ...values.resource,
    "service.name": values.service_name ?? environment.serviceName ?? values.resource["service.name"] ??
      environment.resource["service.name"] ?? serverName,
  });
  const named = { ...environment.headers, ...lowerCased(values.headers) };
  return { url, headers: named, sampling, resource };
}

/** `tracing:`; its `headers` are secrets. */
export interface TracingConfig extends Frozen<NonNullable<ReturnType<typeof tracingOf>>> {}

/** The URL that traces are sent to, from the base URL of a collector. */
export function tracesUrl(base: string): string {
  const plain = base.replace(/\/+$/, "");
  return plain.endsWith(TRACES_PATH) ? plain : plain + TRACES_PATH;
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
