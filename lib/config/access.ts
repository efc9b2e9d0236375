import { z } from "zod";
import { Interpolated } from "./yaml/interpolate.ts";
import { choice, corsOrigin, duration, flag, integer, text } from "./yaml/scalars.ts";
import { asMapping, list, oneOrMany, section, short } from "./yaml/section.ts";

const DAY_MS = 24 * 3_600_000;

/** Clients that a listener may tell apart; each has a line in the metrics. */
const MAX_CLIENTS = 200;

const clientName = text({
  title: "name",
  pattern: /^[A-Za-z0-9][A-Za-z0-9_.-]*$/,
  maxLength: 64,
  expected: "a client's name of letters, digits, _ . and -",
});

function fieldName() {
  const pattern = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
  return text({ title: "field name", pattern, maxLength: 256, expected: "a field name (RFC 9110 §5.1)" });
}

/** A token as it is pasted; `validateAccess` checks what is left when it is clean. */
function pastedToken() {
  return text({ title: "token", pattern: /^[^]*$/, maxLength: 4096, expected: "a token" });
}

function parameterName() {
  const pattern = /^[A-Za-z0-9._~-]+$/;
  return text({
    title: "parameter",
    pattern,
    maxLength: 64,
    expected: "a parameter's name of letters, digits, - . _ ~",
  });
}

const authSection = section({
  tokens: asMapping(
    z.record(clientName, oneOrMany(pastedToken(), 8), { error: "a mapping of client names and tokens" })
      .refine((tokens) => Object.keys(tokens).length <= MAX_CLIENTS, { error: `at most ${MAX_CLIENTS} clients` }),
  )
    .describe(
      "Each client's name (it stands in the log and the metrics) and its token, or several while one takes another's " +
        "place: 16 to 256 letters, digits, `-`, `.`, `_`, `~`.",
    ),
  header: fieldName().prefault("X-Usher-Token").describe("Field that carries a token; no upstream ever gets it."),
  bearer: flag().prefault(true).describe("A token may come as `Authorization: Bearer`."),
  query: list(parameterName(), 8).prefault(["usher_token", "api_key"]).describe(
    "Query parameters that may carry a token, for clients that can set nothing but a key.",
  ),
  path: flag().prefault(true).describe(
    "A token may stand before the path, as in `/~TOKEN/3/movie/550`, for clients that can set nothing but an address.",
  ),
  max_failures: integer(1, 10_000).prefault(20).describe(
    "Different wrong tokens that one client address may try in a minute; then it gets 429, whatever it shows.",
  ),
  shared_caches: flag().prefault(false).describe(
    "Let caches in front keep responses, which then serve them without a token; by default all say `private`.",
  ),
});

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
  max_age: duration(0, DAY_MS).prefault("1d").describe("How long a browser may keep the answer to a preflight."),
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

/** Keys of a listener that say who may use it, and from which pages. */
export const accessKeys = {
  auth: asMapping(authSection).optional().describe(
    "Closes the listener to all but clients with a token; default: anybody may use it. See docs/access.md.",
  ),
  cors: short(corsSection, { anyOf: [{ type: "string" }, { type: "array", items: { type: "string" } }] }, corsShorthand)
    .optional().describe(
      'Which pages may read responses in browsers: `"*"`, `off`, `pass`, an origin, a list of them, or a mapping; ' +
        'default: `"*"` on TMDB types, else `pass`.',
    ),
};
