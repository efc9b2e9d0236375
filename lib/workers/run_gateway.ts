import { join } from "node:path";
import { type ClaimedKvFile, claimKvFile } from "../cache/kv_claim.ts";
import { systemClock } from "../clock.ts";
import type { Config } from "../config/config.ts";
import type { LoadResult } from "../config/load.ts";
import { formatLocated } from "../config/located.ts";
import { portsInUse } from "../config/ports.ts";
import { addressKey } from "../gateway/compile.ts";
import { standardOutput } from "../logging/line_buffer.ts";
import { createLogger, type Logger } from "../logging/logger.ts";
import { ASSUMED_DESCRIPTORS, descriptorLimit } from "./descriptor_limit.ts";
import { AcmeKeeper } from "./acme_keeper.ts";
import { onSignals } from "./signals.ts";
import { Supervisor, type SupervisorOptions } from "./supervisor.ts";
import { SHARES_PORTS } from "../server/listen_target.ts";

/** Signals within this time are one request to stop: a terminal and a program between may both pass on the same Ctrl+C. */
const SAME_STOP_MS = 500;

/** What a run is told. */
export interface RunOptions extends Pick<SupervisorOptions, "version" | "configFile" | "workerUrl" | "adminHandler"> {
  /** Reads and checks the configuration; called at the start and at each reload. */
  readonly source: () => Promise<LoadResult>;
  readonly testHooks: boolean;
}

/**
 * Runs the gateway until a signal ends it. Answers the process's exit status: 0 after a stop that was asked for, 1 when it could not
 * start or lost all its workers.
 */
export async function runGateway(options: RunOptions): Promise<number> {
  const output = standardOutput();
  const stop = Promise.withResolvers<void>();
  let stopAskedAtMs: number | null = null;
  let supervisor: Supervisor | null = null;
  let kv: ClaimedKvFile | null = null;
  // First of all: without a listener SIGHUP ends the process.
  const removeListeners = onSignals({
    stop: () => {
      const nowMs = performance.now();
      stopAskedAtMs ??= nowMs;
      // Whoever asks again does not want to wait for what is under way.
      if (nowMs - stopAskedAtMs > SAME_STOP_MS) Deno.exit(1);
      stop.resolve();
    },
    reload: () => void supervisor?.reload(),
  });
  try {
    const loaded = await options.source();
    if (!loaded.ok) return refuse(loaded.problems.map(formatLocated), options.configFile);
    const busy = portsInUse(loaded.listening).map(formatLocated);
    if (busy.length > 0) return refuse(busy, options.configFile);
    const { level, format } = loaded.config.logging;
    const logger = createLogger({ level, format, sink: output.push, now: () => Date.now() });
    for (const warning of loaded.warnings) logger.warn(formatLocated(warning));
    // Before anything is opened that could miss one, and only where the number is asked for.
    const isAsked = loaded.config.server.limits.maxConnections === "auto";
    const descriptors = isAsked ? descriptorLimit() : ASSUMED_DESCRIPTORS;
    kv = await claimKvFile(join(loaded.config.server.dataDir, "usher.kv"), {
      clock: systemClock,
      log: logger,
    });
    const acme = new AcmeKeeper({ directory: join(loaded.config.server.dataDir, "acme"), logger });
    supervisor = new Supervisor({
      ...options,
      config: await acme.complete(loaded.config),
      acme,
      kvFile: kv.file,
      kvBeside: kv.beside,
      logger,
      descriptors,
    });
    return await serveUntil(stop.promise, supervisor, logger);
  } finally {
    removeListeners();
    kv?.release();
    output.flush();
  }
}

async function serveUntil(stopAsked: Promise<void>, supervisor: Supervisor, logger: Logger): Promise<number> {
  try {
    await supervisor.start();
  } catch (error) {
    logger.error("Usher cannot start", { reason: error instanceof Error ? error.message : String(error) });
    await supervisor.stop();
    return 1;
  }
  announce(supervisor.config, logger);
  const lost = await Promise.race([stopAsked.then(() => false), supervisor.lost.then(() => true)]);
  if (lost) logger.error("No worker can be started: giving up");
  await supervisor.stop();
  return lost ? 1 : 0;
}

function announce(config: Config, logger: Logger): void {
  for (const { name, listen, hosts, prefix, pool, tls } of config.listeners) {
    const host = hosts.length === 0 ? undefined : hosts.join(",");
    logger.info("Listening", {
      listener: name,
      address: addressKey(listen),
      tls: tls !== null || undefined,
      host,
      prefix,
      pool,
    });
  }
  if (config.server.workers > 1 && !sharesPorts(config)) {
    logger.warn("Workers do not share ports: one of them serves every connection", {
      hint: config.server.reusePort === false
        ? "server.reuse_port is false"
        : "This system spreads no connections over the sockets of a port; server.workers: 1 saves the others",
    });
  }
  const { hostname, port } = config.admin.listen;
  logger.info("Usher is ready", {
    pid: Deno.pid,
    workers: config.server.workers,
    admin: `${config.admin.tls === null ? "http" : "https"}://${hostname}:${port}/status`,
  });
}

function sharesPorts({ server }: Config): boolean {
  return SHARES_PORTS && server.reusePort !== false;
}

/** Nothing was started: what is wrong goes to standard error, as `check` prints it. */
function refuse(problems: readonly string[], file: string): number {
  const text = [
    ...problems,
    `Usher cannot start: ${problems.length} problem${problems.length === 1 ? "" : "s"} in ${file}`,
  ];
  Deno.stderr.writeSync(new TextEncoder().encode(text.join("\n") + "\n"));
  return 1;
}
