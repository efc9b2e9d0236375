import type { z } from "zod";
import type { CorsOptions } from "../request/cors.ts";
import { fieldName } from "./http_scalars.ts";
import type { ListenerContext } from "./listener_context.ts";
import { Interpolated } from "./yaml/interpolate.ts";
import { choice, duration, flag, parsed } from "./yaml/scalars.ts";
import { distinct, list, oneOrMany, section, short } from "./yaml/section.ts";
import { DAY, SECOND } from "./yaml/units.ts";

const ORIGIN =
  /^(?<scheme>[a-z][a-z0-9+.-]*):\/\/(?<wild>\*\.)?(?<host>[^\s/?#@*:[\]\\]+|\[[0-9a-f:.]+\])(?::(?<port>\d{1,5}|\*))?$/i;

const DEFAULT_PORTS: Readonly<Record<string, string>> = { "http": "80", "https": "443" };

/**
 * An origin as browsers write it (RFC 6454 §6.2), `*` for all, or a pattern: `*.` before the host stands for one or more labels,
 * `*` as port for any. `null` where a text is none of these. `null` as an origin is none: every sandboxed page has it.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseCorsOrigin } from "./cors.ts";
 *
 * assert.equal(parseCorsOrigin("HTTPS://App.Example:443"), "https://app.example");
 * assert.equal(parseCorsOrigin("http://*.lan.example:*"), "http://*.lan.example:*");
 * assert.equal(parseCorsOrigin("https://app.example/"), null);
 * ```
 */
export function parseCorsOrigin(text: string): string | null {
  if (text === "*") return text;
  const { scheme = "", wild = "", host = "", port } = ORIGIN.exec(text)?.groups ?? {};
  if (host === "") return null;
  const lower = scheme.toLowerCase();
  const name = hostName(lower, host);
  if (name === null || (port !== undefined && Number(port) > 65_535)) return null;
  return `${lower}://${wild}${name}${port === undefined || port === DEFAULT_PORTS[lower] ? "" : `:${port}`}`;
}

/** A host in the one spelling of browsers; only those of web pages are names of the Internet. */
function hostName(scheme: string, host: string): string | null {
  if (DEFAULT_PORTS[scheme] === undefined) return /^[\x21-\x7e]+$/.test(host) ? host.toLowerCase() : null;
  return URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : null;
}

/** An origin of pages, or a pattern of origins. */
function corsOrigin() {
  const expected = '"*", or an origin such as https://app.example or https://*.app.example, without path';
  return parsed({ title: "origin", expected, parse: parseCorsOrigin });
}

const MODES = ["own", "off", "pass"] as const;

const corsSection = section({
  mode: choice(MODES).prefault("own").describe(
    "`own`: by the keys below; `off`: no page may read; `pass`: what the upstream says.",
  ),
  origins: oneOrMany(corsOrigin()).prefault(["*"]).describe(
    "Pages that may read: `*`, or origins such as `https://app.example`, `https://*.app.example`, `http://localhost:*`.",
  ),
  methods: list(choice(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]), 6)
    .prefault(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]).describe("Methods that a page may use."),
  request_fields: list(fieldName(), 100).optional().describe("Request fields that a page may set; default: any."),
  expose: list(fieldName(), 100).prefault([]).describe(
    "Response fields that a page may read, beside the gateway's own.",
  ),
  credentials: flag().prefault(false).describe("Pages may send cookies; needs a list of `origins`."),
  max_age: duration(0, DAY).prefault("1d").describe("How long a browser may keep the answer to a preflight."),
  private_network: flag().prefault(false).describe(
    "Pages of the public Internet may ask a gateway in a private network.",
  ),
});

/** `*`, an origin and a list of them stand for `{ origins }`, the other words for `{ mode }`. */
function corsShorthand(value: unknown): unknown {
  const plain = value instanceof Interpolated ? value.text() : value;
  if (Array.isArray(plain)) return { origins: plain };
  if (typeof plain !== "string") return plain;
  return plain === "off" || plain === "pass" ? { mode: plain } : { origins: [plain] };
}

const SHORTHAND = { anyOf: [{ type: "string" }, { type: "array", items: { type: "string" } }] };

/** Key of a listener that says from which pages it may be used. */
export const corsKey = short(corsSection, SHORTHAND, corsShorthand).optional().describe(
  'Which pages may read responses in browsers: `"*"`, `off`, `pass`, an origin, a list of them, or a mapping; ' +
    'default: `"*"` on TMDB types, else `pass`.',
);

/** `cors:` of a listener. */
type CorsValues = z.output<typeof corsSection>;

/** Checks `cors:` of a listener. */
export function checkCors(cors: CorsValues | undefined, { problems, path }: ListenerContext): void {
  const at = [...path, "cors"];
  if (cors === undefined || problems.has(at)) return;
  if (cors.credentials && cors.mode === "own" && cors.origins.includes("*")) {
    const expected = "false, or a list of `origins` without *: browsers refuse the two together";
    problems.expect([...at, "credentials"], expected);
  }
  if (cors.mode !== "own" && problems.isGiven([...at, "origins"])) {
    problems.warn([...at, "mode"], `the other keys are not used with \`mode: ${cors.mode}\``);
  }
}

/** Which pages may read responses in browsers: what the upstream says is passed on, or a policy of the listener's own. */
export type CorsConfig = { readonly mode: "pass" } | (CorsOptions & { readonly mode: "own" });

/** Which pages may read a listener's responses; `null` is the type's default. */
export function corsOf(cors: CorsValues | undefined): CorsConfig | null {
  if (cors === undefined) return null;
  if (cors.mode === "pass") return { mode: "pass" };
  return {
    mode: "own",
    origins: cors.mode === "off" ? [] : distinct(cors.origins),
    methods: distinct(cors.methods),
    requestFields: cors.request_fields ?? null,
    expose: distinct(cors.expose),
    credentials: cors.credentials,
    maxAgeSeconds: Math.floor(cors.max_age / SECOND),
    privateNetwork: cors.private_network,
  };
}
