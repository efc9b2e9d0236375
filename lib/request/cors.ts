import type { Field } from "../http/fields.ts";

/** A listener's CORS policy: which pages may read its responses (Fetch standard, CORS protocol). */
export interface CorsOptions {
  /** `*`, origins and patterns; empty lets no page read. */
  readonly origins: readonly string[];
  readonly methods: readonly string[];
  /** `null` is any. */
  readonly requestFields: readonly string[] | null;
  /** Beside the gateway's own. */
  readonly expose: readonly string[];
  readonly credentials: boolean;
  readonly maxAgeSeconds: number;
  readonly privateNetwork: boolean;
}

/** The policy of a listener that every page may read, where nothing is configured. */
export const CORS_DEFAULTS: CorsOptions = {
  origins: ["*"],
  methods: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
  requestFields: null,
  expose: [],
  credentials: false,
  maxAgeSeconds: 86_400,
  privateNetwork: false,
};

/** Fields that pages may always read. */
const EXPOSED = [
  "Age",
  "Cache-Status",
  "ETag",
  "Proxy-Status",
  "RateLimit",
  "RateLimit-Policy",
  "Retry-After",
  "X-Request-Id",
];

/** A list of field names, as in `Access-Control-Request-Headers`. */
const FIELD_NAMES = /^[\w!#$%&'*+.^`|~-]+(?:\s*,\s*[\w!#$%&'*+.^`|~-]+)*$/;
const MAX_ASKED_LENGTH = 1_024;

/** Reads a request's field. */
type Header = (name: string) => string | null;

/** A listener's own CORS policy, compiled. */
export class Cors {
  /** Fields of every response. */
  readonly fields: readonly Field[];
  /** Whether `Access-Control-Allow-Origin` depends on the request: then `Vary` names `Origin`. */
  readonly isByOrigin: boolean;
  readonly #options: CorsOptions;
  readonly #matches: (origin: string) => boolean;

  constructor(options: CorsOptions) {
    const { origins, expose, credentials } = options;
    const isForAll = origins.includes("*");
    this.#options = options;
    this.#matches = originMatcher(origins);
    this.isByOrigin = !isForAll && origins.length > 0;
    this.fields = origins.length === 0 ? [] : [
      ...(isForAll ? [["access-control-allow-origin", "*"] as Field] : []),
      ["access-control-expose-headers", [...EXPOSED, ...expose].join(", ")],
      ...(credentials ? [["access-control-allow-credentials", "true"] as Field] : []),
    ];
  }

  /** The value of `Access-Control-Allow-Origin` for a request, where that depends on it; `null` sends none. */
  originFor(header: Header): string | null {
    if (!this.isByOrigin) return null;
    const origin = header("origin");
    return origin !== null && this.#matches(origin) ? origin : null;
  }

  /** Fields of a preflight's answer beside {@linkcode fields} and the origin. */
  preflightFields(header: Header): Field[] {
    const { origins, methods, maxAgeSeconds, privateNetwork } = this.#options;
    if (origins.length === 0 || (this.isByOrigin && this.originFor(header) === null)) return [];
    const fields: Field[] = [
      ["access-control-allow-methods", methods.join(", ")],
      ["access-control-max-age", String(maxAgeSeconds)],
    ];
    const allowed = this.#allowedFields(header("access-control-request-headers") ?? "");
    if (allowed !== "") fields.push(["access-control-allow-headers", allowed]);
    if (privateNetwork && header("access-control-request-private-network") === "true") {
      fields.push(["access-control-allow-private-network", "true"]);
    }
    return fields;
  }

  /** `*` would not cover `Authorization`, so the requested names are returned. */
  #allowedFields(asked: string): string {
    const { requestFields } = this.#options;
    if (requestFields !== null) return requestFields.join(", ");
    return asked.length <= MAX_ASKED_LENGTH && FIELD_NAMES.test(asked) ? asked : "";
  }
}

/** Longer origins match nothing: no name of a host is as long. */
const MAX_ORIGIN_LENGTH = 300;

/**
 * A test for values of `Origin` (RFC 6454 §7) against origins and patterns: `*` matches all, `*.` before a host stands for one or
 * more labels, `*` as port for any port or none. Patterns are in lower case, and without a default port.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { originMatcher } from "./cors.ts";
 * const matches = originMatcher(["https://app.example", "https://*.app.example", "http://localhost:*"]);
 * assert.equal(matches("https://app.example"), true);
 * assert.equal(matches("https://a.b.app.example"), true);
 * assert.equal(matches("http://localhost:5173"), true);
 * assert.equal(matches("https://evil-app.example"), false);
 * assert.equal(matches("null"), false);
 * ```
 */
export function originMatcher(patterns: readonly string[]): (origin: string) => boolean {
  if (patterns.includes("*")) return () => true;
  const exact = new Set(patterns.filter((pattern) => !pattern.includes("*")));
  const wild = patterns.filter((pattern) => pattern.includes("*")).map(expressionOf);
  return (origin) =>
    exact.has(origin) || (origin.length <= MAX_ORIGIN_LENGTH && wild.some((expression) => expression.test(origin)));
}

function expressionOf(pattern: string): RegExp {
  const [, scheme = "", host = "", port = ""] = /^([^:]+):\/\/(.*?)(:[*\d]+)?$/.exec(pattern) ?? [];
  // Labels cannot hold dots, so the repetition has one way to match only.
  const labels = host.startsWith("*.") ? "(?:[a-z0-9_-]+\\.)+" : "";
  const name = escaped(host.startsWith("*.") ? host.slice(2) : host);
  return new RegExp(`^${escaped(scheme)}://${labels}${name}${port === ":*" ? "(?::\\d{1,5})?" : escaped(port)}$`);
}

function escaped(text: string): string {
  return text.replaceAll(/[^a-z0-9]/g, "\\$&");
}
