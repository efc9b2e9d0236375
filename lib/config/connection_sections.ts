import { duration, flag, integer, line, proxyUrl } from "./yaml/scalars.ts";

const SECOND_MS = 1000;
const HOUR_MS = 3600 * SECOND_MS;

/** Keys of an upstream that say how its connections are made and kept. */
export const connectionKeys = {
  proxy: proxyUrl().optional().describe(
    "Proxy to connect through: `http`, `https` or `socks5`, credentials percent-encoded; the proxy resolves the upstream's name.",
  ),
  cert: line("path").optional().describe(
    "PEM file of the certificate that is shown to the upstream where it asks for one; relative to the working directory.",
  ),
  key: line("path").optional().describe("PEM file of its private key, which nobody else may be able to read."),
  allow_private: flag().prefault(false).describe(
    "Let a public name have a private, loopback or link-local address; else such an answer is a failure to resolve.",
  ),
  http2: flag().prefault(false).describe(
    "Speak HTTP/2 where the upstream does. Its client writes some bytes of paths in another way, so it is off by default.",
  ),
  usher: flag().prefault(false).describe(
    "The upstream is another Usher: it is told when this one will try again itself.",
  ),
  max_idle: integer(0, 65_535).optional().describe("Idle connections kept; default: as many as may be open."),
  idle_timeout: duration(SECOND_MS, HOUR_MS).prefault("55s").describe(
    "So long an idle connection is kept, or shorter where the upstream says so.",
  ),
};
