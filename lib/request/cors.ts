import type { Field } from "../http/fields.ts";
import { originMatcher } from "../http/origin_match.ts";

/** Which pages may read a listener's responses (Fetch standard, CORS protocol). */
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

/** An upstream's own CORS fields, lower case: dropped where the gateway speaks for itself. */
export const CORS_FIELDS: readonly string[] = [
  "access-control-allow-credentials",
  "access-control-allow-headers",
  "access-control-allow-methods",
  "access-control-allow-origin",
  "access-control-allow-private-network",
  "access-control-expose-headers",
  "access-control-max-age",
];

/** What pages may always read of a response: how it came about, and when to come again. */
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

/** Field names, as a browser lists those that it wants to send. */
const FIELD_NAMES = /^[\w!#$%&'*+.^`|~-]+(?:\s*,\s*[\w!#$%&'*+.^`|~-]+)*$/;
const MAX_ASKED_LENGTH = 1_024;

/** Reads a request's field. */
type Header = (name: string) => string | null;

/** A listener's own CORS policy, compiled. */
export class Cors {
  /** Fields that every response gets, whoever asks. */
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

  /** What a preflight's answer says beside {@linkcode fields} and the origin. */
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

  /** `*` would not cover Authorization, so the names that were asked for are given back. */
  #allowedFields(asked: string): string {
    const { requestFields } = this.#options;
    if (requestFields !== null) return requestFields.join(", ");
    return asked.length <= MAX_ASKED_LENGTH && FIELD_NAMES.test(asked) ? asked : "";
  }
}
