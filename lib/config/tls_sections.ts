import type { z } from "zod";
import { Interpolated } from "./interpolate.ts";
import { flag, line, scalar, Unusable } from "./scalars.ts";
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

const tlsSection = section({
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
});

const LIST = {
  type: "array",
  title: "list of `{ cert, key }`",
  items: {
    type: "object",
    properties: { cert: { type: "string", description: CERT }, key: { type: "string", description: KEY } },
  },
};

/** `tls:` of an address. */
export function tlsKey() {
  return short(tlsSection, LIST, (value) => {
    const plain = value instanceof Interpolated ? value.value() : value;
    return Array.isArray(plain) ? { certificates: plain } : plain;
  }).optional();
}

/** `tls:` as the file has it. */
export type TlsValues = z.output<typeof tlsSection>;
