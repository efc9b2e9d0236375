import { resolve } from "node:path";
import type { z } from "zod";
import type { ServerLimits } from "../server/server_limits.ts";
import { filePath, peerBlock } from "./http_scalars.ts";
import { plainValue } from "./yaml/interpolate.ts";
import type { Problems } from "./yaml/problems.ts";
import { autoOrInteger, duration, flag, integer, literal, name, size } from "./yaml/scalars.ts";
import { asMapping, type Frozen, list, section, short } from "./yaml/section.ts";
import { DAY, GiB, HOUR, KiB, MiB, PiB, SECOND, TiB } from "./yaml/units.ts";

const MAX_COUNT = 1_000_000;

/** How long a client may be waited for. */
function patience() {
  return duration(10, DAY);
}

/** `auto` or `false`. */
function autoOrFalse() {
  const json = { anyOf: [{ const: "auto" }, { const: false }] };
  return literal(["auto", false], { title: "auto or false", json, expected: "auto or false" });
}

/** A list of cores; `true` stands for those of the process, `false` for none. */
function affinity() {
  const cores = list(autoOrInteger(0, 4_095), 256, "true, false, or a list of cores such as [0, 2]");
  return short(cores, { type: "boolean" }, (value) => {
    const plain = plainValue(value);
    return plain === true ? ["auto"] : plain === false ? [] : plain;
  });
}

const limitsSection = section({
  head_timeout: patience().prefault("10s").describe(
    "From the first byte of a request to the end of its fields; then 408.",
  ),
  handshake_timeout: patience().prefault("10s").describe(
    "A TLS handshake; then the connection is closed.",
  ),
  idle_timeout: patience().prefault("75s").describe(
    "Between two requests of a connection, and before the first; then it is closed.",
  ),
  body_timeout: patience().prefault("30s").describe(
    "Longest wait for more of a request's body, and the grace after which `body_rate` holds; then 408.",
  ),
  body_rate: size(1, GiB).prefault("1KiB").describe(
    "Bytes per second, on the average, that a request's body has to come at after that grace.",
  ),
  send_timeout: patience().prefault("60s").describe(
    "How long a client may take nothing of its response; then the connection is closed.",
  ),
  unsent: size(MiB, TiB).prefault("128MiB").describe(
    "Content in one worker's memory that is being sent, each piece counted once; above that the slowest readers are cut off.",
  ),
  max_connections: autoOrInteger(1, MAX_COUNT).prefault("auto").describe(
    "Connections of clients, of all workers together; `auto` is the descriptors that the process may have less `reserve_descriptors`.",
  ),
  reserve_descriptors: integer(0, MAX_COUNT).prefault(128).describe(
    "Descriptors that `max_connections: auto` leaves to upstreams, the disk and the gateway itself.",
  ),
  per_address: integer(0, MAX_COUNT).prefault(0).describe(
    "Connections of one client address (IPv6: one /64), of all workers together; `0` is no limit. " +
      "Never counts `trusted_proxies`, loopback and unix sockets.",
  ),
  max_fields: integer(1, 10_000).prefault(100).describe("Field lines of one request; more get 431."),
  fields_size: size(KiB, MiB).prefault("32KiB").describe("All field lines of one request together; more get 431."),
  target_size: size(256, MiB).prefault("16KiB").describe("The target of one request; a longer one gets 414."),
  pipeline: integer(1, 1_000).prefault(16).describe(
    "Requests that may wait on one connection while one before them is served; then nothing more is read from it.",
  ),
});

/** `server:` */
export const serverSection = section({
  name: name("name").prefault("usher").describe("Pseudonym in `Via` and `Cache-Status`."),
  workers: autoOrInteger(1, 256).prefault("auto").describe("Serving workers; `auto` is one per core."),
  data_dir: filePath().prefault("./data").describe(
    "Directory of the gateway's own data (Deno KV); relative to the working directory.",
  ),
  shutdown_grace: duration(0, HOUR).prefault("30s").describe("How long requests may go on after the signal to stop."),
  shutdown_delay: duration(0, HOUR).prefault("0s").describe(
    "How long everything is served after that signal, while `/ready` answers 503, before `shutdown_grace` begins.",
  ),
  worker_timeout: duration(SECOND, HOUR).prefault("10s").describe(
    "How long a worker may stay silent before it is replaced.",
  ),
  trusted_proxies: list(peerBlock()).prefault([]).describe(
    "CIDR blocks, or `unix` for unix sockets, whose `Forwarded` and `X-Forwarded-*` fields, and PROXY headers, are believed; such " +
      "fields of others are replaced.",
  ),
  max_request_body: size(0, PiB).prefault("100MiB").describe(
    "Largest request body that is passed on; larger ones get 413. A listener may have its own limit.",
  ),
  reuse_port: autoOrFalse().prefault("auto").describe(
    "`auto`: every worker listens on every port, where the system spreads connections over them (Linux). " +
      "`false`, and elsewhere: one worker serves.",
  ),
  cpu_affinity: affinity().prefault(false).describe(
    "`true` pins each serving worker to a core of its own, a list to the cores of these numbers in turn. Linux, and only with " +
      "`deno task start:pinned`.",
  ),
  watch: flag().prefault(false).describe(
    "Reload when the configuration changes, or a file that it includes or names: certificates, `${file:…}`.",
  ),
  limits: asMapping(limitsSection).prefault({}).describe(
    "How long clients are waited for, and how much they may send.",
  ),
});

type ServerValues = z.output<typeof serverSection>;

/** Descriptors that nobody counts. */
export function checkServer({ limits }: ServerValues, problems: Problems): void {
  const at = ["server", "limits", "reserve_descriptors"];
  if (limits.max_connections === "auto" || !problems.isGiven(at)) return;
  problems.warn(at, "it has no effect: only `max_connections: auto` goes by descriptors");
}

/** `server:`; `workers: auto` is the number of `cores`, and `data_dir` starts from `cwd`. */
export function serverOf(server: ServerValues, { cores, cwd }: { readonly cores: number; readonly cwd: string }) {
  return {
    name: server.name,
    workers: server.workers === "auto" ? Math.max(1, cores) : server.workers,
    dataDir: resolve(cwd, server.data_dir),
    shutdownGraceMs: server.shutdown_grace,
    shutdownDelayMs: server.shutdown_delay,
    workerTimeoutMs: server.worker_timeout,
    trustedProxies: server.trusted_proxies,
    reusePort: server.reuse_port,
    watch: server.watch,
    cpuAffinity: affinityOf(server.cpu_affinity),
    limits: limitsOf(server.limits),
  };
}

/** `server:` */
export interface ServerConfig extends Frozen<ReturnType<typeof serverOf>> {}

/** To the cores of this process (`true`), to these in turn, or to none. */
function affinityOf(cores: ServerValues["cpu_affinity"]): boolean | number[] {
  const numbers = cores.filter((core) => core !== "auto");
  return numbers.length < cores.length ? true : numbers.length > 0 && numbers;
}

/** Limits of the server, before it is known how many descriptors the process may have. */
export interface ServerLimitsConfig extends Omit<ServerLimits, "maxConnections"> {
  /** `auto` goes by those descriptors. */
  readonly maxConnections: number | "auto";
  /** Descriptors that `auto` leaves to upstreams and the disk. */
  readonly reserveDescriptors: number;
}

function limitsOf(limits: ServerValues["limits"]): ServerLimitsConfig {
  return {
    headTimeoutMs: limits.head_timeout,
    handshakeTimeoutMs: limits.handshake_timeout,
    idleTimeoutMs: limits.idle_timeout,
    bodyTimeoutMs: limits.body_timeout,
    bodyBytesPerSecond: limits.body_rate,
    sendTimeoutMs: limits.send_timeout,
    unsentBytes: limits.unsent,
    maxConnections: limits.max_connections,
    reserveDescriptors: limits.reserve_descriptors,
    perAddress: limits.per_address,
    maxFields: limits.max_fields,
    fieldsBytes: limits.fields_size,
    targetBytes: limits.target_size,
    pipeline: limits.pipeline,
  };
}
