import type { z } from "zod";
import { Interpolated } from "./interpolate.ts";
import { CHALLENGE_TYPES } from "../certificates/acme_client.ts";
import { choice, flag, hostPattern, line, scalar, text, Unusable } from "./scalars.ts";
import { asMapping, list, section, short } from "./section.ts";

/** The oldest version of TLS; YAML reads it as a number where it stands without quotes. */
function tlsVersion() {
  const expected = new Unusable('"1.2" or "1.3": older versions can be broken', ["1.2", "1.3"]);
  return scalar<"1.2" | "1.3">({
    title: "TLS version",
    json: { enum: ["1.2", "1.3", 1.2, 1.3] },
    expected,
    interpolated: "text",
    read: (value) => String(value) === "1.2" ? "1.2" : String(value) === "1.3" ? "1.3" : expected,
  });
}

const CERT =
  "PEM file of the certificate, and behind it those between it and its authority; relative to the working directory.";
const KEY = "PEM file of its private key, which nobody else may be able to read.";

const certificateSection = section({
  cert: line("path").optional().describe(CERT),
  key: line("path").optional().describe(KEY),
});

const LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory";

const externalAccountSection = section({
  kid: text({ title: "text", pattern: /^[\x21-\x7e]+$/, maxLength: 512, expected: "the key's identifier" }).optional()
    .describe(
      "Identifier of the key, as the authority gave it.",
    ),
  key: text({ title: "secret", pattern: /^[A-Za-z0-9_-]+$/, maxLength: 512, expected: "a key in base64url" }).optional()
    .describe(
      "The key itself, in base64url: a secret.",
    ),
});

const acmeSection = section({
  email: line("address").optional().describe("Where the authority may write to when something is wrong."),
  directory: text({
    title: "URL",
    pattern: /^https:\/\/[^\s#]+$/,
    maxLength: 2000,
    expected: "a URL that begins with https://",
  }).prefault(LETS_ENCRYPT).describe("The authority's directory (RFC 8555); Let's Encrypt unless another is given."),
  hosts: list(hostPattern(), 100).optional().describe(
    "Names to fetch one certificate for; default: the listener's `host`. The authority asks each of them, see `challenge`.",
  ),
  challenge: choice(CHALLENGE_TYPES).optional().describe(
    "How the authority asks: `http-01` over plain HTTP on port 80, `tls-alpn-01` in a TLS handshake on port 443; default: `tls-alpn-01` where a listener with TLS has port 443 and no plain one port 80, else `http-01`.",
  ),
  ca: line("path").optional().describe(
    "PEM file of authorities that the directory's own certificate may be from, beside the built-in ones.",
  ),
  eab: asMapping(externalAccountSection).optional().describe(
    "Ties the account to one at the authority, where it asks for that.",
  ),
});

const tlsShape = {
  cert: line("path").optional().describe(CERT),
  key: line("path").optional().describe(KEY),
  certificates: list(asMapping(certificateSection), 100).optional().describe(
    "Several of them: the name that a client asks for decides, first exact, then `*.example.com`; else the first. A list in the place of the mapping is short for it.",
  ),
  min_version: tlsVersion().optional().meta({
    description: "Clients that speak only older versions are refused; one for all listeners of an address.",
    usual: "1.2",
  }),
  http2: flag().optional().meta({
    description: "Agree on HTTP/2 with clients that offer it; one for all listeners of an address.",
    usual: true,
  }),
};

const tlsSection = section({
  ...tlsShape,
  acme: asMapping(acmeSection).optional().describe(
    "Fetch a certificate from an authority and renew it by itself, beside those named here or alone; kept in `data_dir`.",
  ),
});

const LIST = {
  type: "array",
  title: "list of `{ cert, key }`",
  items: {
    type: "object",
    properties: { cert: { type: "string", description: CERT }, key: { type: "string", description: KEY } },
  },
};

/** `tls:` of a listener. */
export function tlsKey() {
  return short(tlsSection, LIST, fromList).optional();
}

/** `tls:` of the admin address, for which nothing is fetched. */
export function adminTlsKey() {
  return short(section(tlsShape), LIST, fromList).optional();
}

/** A list stands for its certificates. */
function fromList(value: unknown): unknown {
  const plain = value instanceof Interpolated ? value.value() : value;
  return Array.isArray(plain) ? { certificates: plain } : plain;
}

/** `tls:` as the file has it. */
export type TlsValues = z.output<typeof tlsSection>;
