import { formatListenAddress, isLoopback, isUnix, overlaps, reachableUrl } from "../config/addresses.ts";
import type { ListenAddress, TcpAddress } from "../config/addresses.ts";
import type { AdminConfig } from "../config/admin.ts";
import type { Config } from "../config/config.ts";
import type { Loaded } from "../config/load.ts";
import { largestInMemoryBytes } from "../gateway/memory_share.ts";
import { memoryNeed } from "./memory_need.ts";
import { portsInUse } from "../workers/supervisor/ports_in_use.ts";
import type { PoolDiagnosis } from "./diagnose_pool.ts";
import { type Finding, shownSize } from "./finding.ts";
import { adminCertificateFile, adminFetch } from "../workers/admin_fetch.ts";
import { countOpenable } from "../workers/supervisor/descriptor_limit.ts";

/** What the machine has. */
export interface Machine {
  /** Bytes of memory; `null` where that is not known. */
  readonly memoryBytes: number | null;
  /** How many of so many files can be open at a time. */
  readonly openable: (wanted: number) => number;
  /** Whether the kernel hands connections of a listener that closes to another on the same port; `null` where that is not known. */
  readonly migratesConnections: boolean | null;
}

/** Connections of clients that there should be room for. */
const CLIENTS = 1_024;
/** Files that are opened to see how many can be. */
const MAX_OPENED = 10_000;
/** Clocks that differ by less do no harm: ages are whole seconds, and times on the wire differ by some. */
const MAX_AHEAD_MS = 60_000;
const SHORTEST_TOKEN = 16;

/** This machine, as far as this process may look at it. `path` is a file that can be read. */
export function thisMachine(path: string): Machine {
  return {
    memoryBytes: memoryBytes(),
    openable: (wanted) => countOpenable(path, wanted),
    migratesConnections: migratesConnections(),
  };
}

/** What the configuration asks of the machine, held against what that has. */
export function machineFindings(config: Config, machine: Machine): Finding[] {
  return [
    memoryFinding(config, machine.memoryBytes),
    largestFinding(config),
    filesFinding(config, machine.openable),
    ...handoverFindings(config, machine.migratesConnections),
  ];
}

/**
 * Whether the gateway can listen where it is to, and who is there if not. `held` is where the gateway that runs listens; all that is in
 * use is taken for its own where that is not known.
 */
export async function portFindings(
  loaded: Loaded,
  running: string | null,
  timeoutMs: number,
  held: readonly ListenAddress[] = [],
): Promise<Finding[]> {
  const busy = new Map(portsInUse(loaded.listening).map((problem) => [problem.path, problem.message]));
  return await Promise.all(loaded.listening.map(async ({ path, address }): Promise<Finding> => {
    const check = "port";
    const shown = formatListenAddress(address);
    const message = busy.get(path);
    if (message === undefined) {
      const text = isUnix(address) ? `${shown} can be there` : `${shown} is free`;
      return { check, state: "ok", text, remedy: null };
    }
    if (running !== null && (held.length === 0 || held.some((own) => overlaps(own, address)))) {
      return { check, state: "ok", text: `${shown} is in use by ${running}`, remedy: null };
    }
    if (isUnix(address) || !message.includes("another process")) {
      return { check, state: "fail", text: `${path}: ${message}`, remedy: "give an address that can be listened on" };
    }
    const text = `${shown} is in use by ${await whoIsAt(address, timeoutMs)}`;
    return { check, state: "fail", text, remedy: `stop that program, or set another port in \`${path}\`` };
  }));
}

/** How open the admin address is. */
export function adminFinding({ admin: { listen, tls, tokens } }: Config): Finding {
  const check = "admin";
  const where = formatListenAddress(listen);
  if (tokens.length === 0) {
    return { check, state: "ok", text: `${where}, for this machine alone, without a token`, remedy: null };
  }
  const short = tokens.find(({ token }) => token.length < SHORTEST_TOKEN);
  if (short !== undefined) {
    const remedy = `use a random one of ${SHORTEST_TOKEN} characters or more`;
    const text = `${where}: the token "${short.name}" has ${short.token.length} characters`;
    return { check, state: "warn", text, remedy };
  }
  if (isLoopback(listen)) {
    return { check, state: "ok", text: `${where}, for this machine alone, with a token`, remedy: null };
  }
  if (tls !== null) {
    return { check, state: "ok", text: `${where}, reached from other machines over TLS, with a token`, remedy: null };
  }
  const remedy =
    "the token crosses the network in clear text: set `admin.tls`, or listen on loopback or a private network";
  return { check, state: "warn", text: `${where} can be reached from other machines without TLS`, remedy };
}

/** This machine's clock, held against those of the upstreams that answered. */
export function clockFinding(pools: readonly PoolDiagnosis[]): Finding {
  const check = "clock";
  const told = pools.flatMap(({ upstreams }) => upstreams.flatMap(({ clock_ahead_ms: ahead }) => ahead ?? []));
  if (told.length === 0) return { check, state: "skip", text: "no upstream told the time", remedy: null };
  const middleMs = told.toSorted((a, b) => a - b)[Math.floor(told.length / 2)]!;
  const seconds = Math.round(Math.abs(middleMs) / 1000);
  if (Math.abs(middleMs) <= MAX_AHEAD_MS) {
    return { check, state: "ok", text: `within ${Math.max(1, seconds)} s of what upstreams say`, remedy: null };
  }
  const text = `${seconds} s ${middleMs > 0 ? "ahead of" : "behind"} what upstreams say`;
  return {
    check,
    state: "warn",
    text,
    remedy: "set the clock (NTP): certificates and ages of responses are judged by it",
  };
}

/** The gateway that answers at the admin address, in words; `null` where none does. */
export async function runningGateway({ admin }: Config, timeoutMs: number): Promise<string | null> {
  try {
    const { ok, text } = await askedIfReady(admin, timeoutMs);
    if (!/^\{"status":"(?:ready|no worker serves)"\}/.test(text)) return null;
    return ok ? "the gateway that runs" : "a gateway that runs, none of whose workers serves";
  } catch {
    return null;
  }
}

async function askedIfReady(admin: AdminConfig, timeoutMs: number): Promise<{ ok: boolean; text: string }> {
  const certificateFile = adminCertificateFile(admin);
  if (certificateFile !== null) {
    const asked = { method: "GET", headers: {}, body: undefined, timeoutMs, certificateFile };
    return await adminFetch(`${reachableUrl(admin.listen, "https")}/ready`, asked);
  }
  const response = await fetch(`${reachableUrl(admin.listen)}/ready`, { signal: AbortSignal.timeout(timeoutMs) });
  return { ok: response.ok, text: await beginningOf(response) };
}

/** The first bytes of a body. */
async function beginningOf(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  const first = await reader?.read();
  await reader?.cancel();
  return new TextDecoder().decode(first?.value?.subarray(0, 200));
}

/** What answers at an address, as far as it says. */
async function whoIsAt(address: TcpAddress, timeoutMs: number): Promise<string> {
  const request = {
    method: "HEAD",
    redirect: "manual",
    signal: AbortSignal.timeout(Math.min(timeoutMs, 1_000)),
  } as const;
  try {
    const response = await fetch(`${reachableUrl(address)}/`, request);
    await response.body?.cancel();
    const server = response.headers.get("server") ?? response.headers.get("via");
    return server === null ? "a program that speaks HTTP" : `a program that calls itself "${server.slice(0, 60)}"`;
  } catch {
    return "another program";
  }
}

function memoryFinding(config: Config, memoryBytes: number | null): Finding {
  const check = "memory";
  const { restBytes, mostBytes, text: asked } = memoryNeed(config);
  if (memoryBytes === null) {
    return {
      check,
      state: "skip",
      text: `${asked}; the machine's is not known (--allow-sys=systemMemoryInfo)`,
      remedy: null,
    };
  }
  const text = `${asked}, of ${shownSize(memoryBytes)}`;
  if (mostBytes <= memoryBytes * 0.8) return { check, state: "ok", text, remedy: null };
  const state = restBytes > memoryBytes ? "fail" : "warn";
  return { check, state, text, remedy: "lower `cache.memory` or `server.workers`" };
}

/** A response that memory does not take is not stored at all where there is no disk tier. */
function largestFinding(config: Config): Finding {
  const check = "largest";
  const { maxEntryBytes, diskBytes } = config.cache;
  const largestBytes = Math.max(largestInMemoryBytes(config), config.cache.shared?.maxEntryBytes ?? 0);
  const largest = shownSize(largestBytes);
  if (maxEntryBytes <= largestBytes) {
    return { check, state: "ok", text: `memory holds responses up to ${shownSize(maxEntryBytes)}`, remedy: null };
  }
  const share = "an eighth of a worker's part of `cache.memory`";
  if (diskBytes > 0) {
    const text = `memory holds responses up to ${largest}, ${share}; larger ones are served from disk`;
    return { check, state: "ok", text, remedy: null };
  }
  const text = `memory holds responses up to ${largest}, ${share}; larger ones are fetched each time`;
  return { check, state: "warn", text, remedy: "raise `cache.memory`, set `cache.disk`, or lower `server.workers`" };
}

function filesFinding(config: Config, openable: Machine["openable"]): Finding {
  const check = "files";
  const connections = config.pools.flatMap(({ upstreams }) => upstreams).reduce(
    (sum, one) => sum + one.maxConnections,
    0,
  );
  const { maxConnections } = config.server.limits;
  const clients = maxConnections === "auto" ? CLIENTS : maxConnections;
  const wanted = connections * config.server.workers + clients;
  const tried = Math.min(wanted, MAX_OPENED);
  const opened = openable(tried);
  const asked = `${connections * config.server.workers} connections to upstreams and ${clients} of clients`;
  if (opened >= tried) return { check, state: "ok", text: `room for ${asked}`, remedy: null };
  const remedy = "raise the limit of open files (`ulimit -n`, LimitNOFILE), or lower `max_connections` of upstreams";
  return { check, state: "warn", text: `${opened} files can be open, for ${asked}`, remedy };
}

/** A worker that is replaced, or stops, closes its listeners: what waits there to be accepted is lost, or handed on. */
function handoverFindings({ server: { workers, reusePort } }: Config, migrates: boolean | null): Finding[] {
  if (migrates === null || workers === 1 || reusePort === false) return [];
  const check = "handover";
  if (migrates) return [{ check, state: "ok", text: "net.ipv4.tcp_migrate_req is 1", remedy: null }];
  const text = "net.ipv4.tcp_migrate_req is 0: a worker that ends loses connections that it has not accepted yet";
  return [{ check, state: "warn", text, remedy: "set it to 1 (`sysctl`, for a container `--sysctl`; Linux 5.14)" }];
}

/** Only Linux has the setting, and only who may read `/proc` knows of it. */
function migratesConnections(): boolean | null {
  try {
    return Deno.readTextFileSync("/proc/sys/net/ipv4/tcp_migrate_req").trim() !== "0";
  } catch {
    return null;
  }
}

/** A container's limit where it can be read, else the machine's memory. */
function memoryBytes(): number | null {
  // Asked first: on a terminal Deno asks for the permission, and waits.
  if (Deno.permissions.querySync({ name: "sys", kind: "systemMemoryInfo" }).state !== "granted") return null;
  try {
    const { total } = Deno.systemMemoryInfo();
    return Math.min(total, containerBytes());
  } catch {
    return null;
  }
}

function containerBytes(): number {
  try {
    return Number(Deno.readTextFileSync("/sys/fs/cgroup/memory.max").trim()) || Infinity;
  } catch {
    return Infinity;
  }
}
