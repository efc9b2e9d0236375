import { imageWorkerSection } from "./images_sections.ts";
import { choice, duration, flag, listenAddress, size, text, upstreamUrl } from "./scalars.ts";
import { asMapping, list, section } from "./section.ts";
import { serverSection } from "./server_sections.ts";
import { adminTlsKey } from "./tls_sections.ts";

const HOUR = 60 * 60 * 1000;
const MiB = 1024 ** 2;
const PiB = 1024 ** 5;

/** A secret that is sent as a bearer token. */
function bearerToken() {
  return text({ title: "secret", pattern: /^[\x21-\x7e]+$/, maxLength: 1024, expected: "visible ASCII characters" });
}

const peerSection = section({
  url: upstreamUrl().describe("Its admin address, such as `http://10.0.0.2:6636`."),
  token: bearerToken().optional().describe("Bearer token that it asks for; sent to it alone."),
});

const adminSection = section({
  listen: listenAddress().prefault("127.0.0.1:6636").describe("Address of health, status and metrics."),
  tls: adminTlsKey().describe("Speak TLS on it, with these certificates."),
  token: bearerToken().optional().describe(
    "Bearer token that the admin address asks for; required when `listen` is not loopback.",
  ),
  peers: list(asMapping(peerSection), 16).prefault([]).describe(
    "Other gateways that purges are passed on to, before this one purges itself.",
  ),
});

const loggingSection = section({
  level: choice(["debug", "info", "warn", "error"]).prefault("info").describe(
    "Least important lines that are written.",
  ),
  format: choice(["text", "json"]).prefault("text").describe("`text` for people, `json` for machines, one line each."),
  access: choice(["all", "errors", "off"]).prefault("errors").describe(
    "Which requests get an access line: all, those with a status of 500 or more or a failed attempt, or none.",
  ),
});

const cacheSection = section({
  memory: size(64 * 1024, PiB).prefault("256MiB").describe(
    "Stored responses held in memory, by all serving workers together: each has the same part of it.",
  ),
  disk: size(0, PiB).prefault("10GiB").describe(
    "Stored responses held on disk (Deno KV); `0` turns the disk tier off.",
  ),
  min_free_disk: size(0, PiB).prefault("256MiB").describe(
    "Free space of the disk below which nothing more is stored on it; what is stored is still served.",
  ),
  max_entry: size(1, PiB).prefault("16MiB").describe("Largest body that is stored; larger ones are passed on only."),
  fill_memory: size(MiB, PiB).prefault("64MiB").describe(
    "Bodies on their way into the cache, all together, in each serving worker.",
  ),
  fill_timeout: duration(1, HOUR).prefault("30s").describe(
    "How long a body of unknown length may take to be stored; one that goes on is passed on only. No body is fetched for longer " +
      "than this when its clients have left.",
  ),
  collapse_timeout: duration(0, HOUR).prefault("5s").describe(
    "How long a request waits for another's fetch of the same key before it goes on its own.",
  ),
  background_fill: flag().prefault(true).describe("Go on filling the cache when the client that asked has left."),
  shared_stale: flag().prefault(false).describe(
    "`s-maxage` does not forbid what `stale-while-revalidate` allows, on listeners that do not say otherwise.",
  ),
});

/** Sections of a file that are about the process, for all pools and listeners together. */
export const processSections = {
  server: asMapping(serverSection).prefault({}).describe("The process."),
  admin: asMapping(adminSection).prefault({}).describe("The operator's own address."),
  logging: asMapping(loggingSection).prefault({}).describe("What is written to standard output."),
  cache: asMapping(cacheSection).prefault({}).describe(
    "Where stored responses are kept, for all listeners together.",
  ),
  images: asMapping(imageWorkerSection).prefault({}).describe(
    "The worker that converts pictures, where a listener wants that.",
  ),
};
