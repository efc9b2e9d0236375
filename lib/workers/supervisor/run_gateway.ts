import { messageOf } from "../../errors.ts";
import { join, resolve } from "node:path";
import { formatListenAddress } from "../../config/addresses.ts";
import type { Config } from "../../config/config.ts";
import { readEnv } from "./environment.ts";
import type { LoadResult } from "../../config/load.ts";
import { formatLocated } from "../../config/yaml/located.ts";
import { portsInUse } from "./ports_in_use.ts";
import { addressKey } from "../../gateway/compile.ts";
import { type LineBuffer, standardOutput, writeText } from "../../logging/line_buffer.ts";
import { ProblemBook } from "../../logging/problem_book.ts";
import { RareWarnings } from "../../logging/rare_warnings.ts";
import { outliveSocketErrors, STRAY_ERROR } from "../stray_errors.ts";
import { createLogger, type Logger, type RootLogger } from "../../logging/logger.ts";
import { ASSUMED_DESCRIPTORS, descriptorLimit } from "./descriptor_limit.ts";
import { AcmeKeeper } from "./acme_keeper.ts";
import { adminCertificateFile } from "../admin_fetch.ts";
import { KvHold } from "./kv_hold.ts";
import { readRunRecords, recordFolders, writeRunRecord } from "./run_record.ts";
import { onSignals } from "./signals.ts";
import { type Predecessor, shareProblems, takeOverTurn } from "./take_over.ts";
import { StopRequests } from "./stop_requests.ts";
import { Supervisor } from "./supervisor.ts";
import type { SupervisorOptions } from "./supervisor_options.ts";
import { SHARES_PORTS } from "../../server/listen_target.ts";

/** Different warnings and errors that are remembered. */
const MAX_PROBLEMS = 200;

/** What a run is told. */
export interface RunOptions extends
  Pick<
    SupervisorOptions<Supervisor>,
    "version" | "configFile" | "preview" | "sources" | "watch" | "workerUrl" | "adminHandler"
  > {
  /** Reads and checks the configuration; called at the start and at each reload. */
  readonly source: () => Promise<LoadResult>;
  /** Whether commands can name its configuration; one from standard input is any gateway's, so its admin address tells it apart. */
  readonly isFromFile: boolean;
  readonly testHooks: boolean;
  /** Finds the gateway whose place this one takes; left out where it is to take none's. */
  readonly predecessor?: () => Promise<Predecessor | null>;
}

/**
 * Runs the gateway until a signal ends it. Answers the process's exit status: 0 after a stop that was asked for, 1 when it could not
 * start or lost all its workers.
 */
export async function runGateway(options: RunOptions): Promise<number> {
  const output = standardOutput();
  // A further signal does not wait for requests under way.
  const stop = new StopRequests({ exit: () => Deno.exit(1), now: () => performance.now() });
  let supervisor: Supervisor | null = null;
  let kv: KvHold | null = null;
  let endTurn = () => {};
  // First of all: without a listener SIGHUP ends the process.
  const removeListeners = onSignals({
    stop: () => stop.signal(),
    reload: () => void supervisor?.reload("SIGHUP"),
  });
  try {
    // A configuration that comes from standard input may be long in coming.
    const loaded = await Promise.race([options.source(), stop.asked.then(() => null)]);
    if (loaded === null) return 0;
    if (!loaded.ok) return refuse(loaded.problems.map(formatLocated), options.configFile);
    const found = await predecessorOf(options, loaded.config).catch(messageOf);
    if (typeof found === "string") return refuse([found], options.configFile);
    const { predecessor } = found;
    endTurn = found.endTurn;
    const busy = predecessor === null
      ? portsInUse(loaded.listening).map(formatLocated)
      : shareProblems(predecessor, loaded.listening, loaded.config.server.reusePort !== false);
    if (busy.length > 0) {
      return refuse(busy, options.configFile, predecessor === null ? await earlierRun(options.configFile) : []);
    }
    const problems = new ProblemBook(MAX_PROBLEMS);
    const logger = loggerOf(loaded.config, output, problems);
    for (const warning of loaded.warnings) logger.in("config").warn(formatLocated(warning));
    warnOfTelemetry(logger);
    const strays = new RareWarnings(logger);
    outliveSocketErrors(globalThis, (problem) => strays.warn("stray", STRAY_ERROR, { problem }));
    // Before anything is opened that could miss one, and only where the number is asked for.
    const isAsked = loaded.config.server.limits.maxConnections === "auto";
    const descriptors = isAsked ? descriptorLimit() : ASSUMED_DESCRIPTORS;
    kv = await KvHold.open(loaded.config.server.dataDir, logger.in("cache"), predecessor);
    const acme = new AcmeKeeper({ directory: join(loaded.config.server.dataDir, "acme"), logger: logger.in("tls") });
    supervisor = new Supervisor({
      ...options,
      askStop: () => stop.ask(),
      config: await acme.complete(loaded.config),
      loaded,
      acme,
      ...kv.options,
      predecessor,
      logger,
      problems,
      descriptors,
    });
    const configFile = knownAs(options, loaded.config);
    return await serveUntil(stop, { supervisor, logger, configFile, onStarted: endTurn });
  } finally {
    removeListeners();
    endTurn();
    kv?.release();
    output.flush();
  }
}

/** The gateway whose place is to be taken; no other process takes it until `endTurn` is called. @throws {Error} where it cannot be */
async function predecessorOf({ predecessor }: RunOptions, { server }: Config) {
  if (predecessor === undefined) return { predecessor: null, endTurn: () => {} };
  const endTurn = takeOverTurn(server.dataDir);
  try {
    return { predecessor: await predecessor(), endTurn };
  } catch (error) {
    endTurn();
    throw error;
  }
}

function loggerOf({ logging }: Config, output: LineBuffer, problems: ProblemBook): RootLogger {
  const { level, levels, format } = logging;
  const now = () => Date.now();
  return createLogger({ level, levels, format, sink: output.push, now, onProblem: problems.add });
}

/** The path by which commands know the gateway of a configuration. */
function knownAs({ configFile, isFromFile }: RunOptions, { admin }: Config): string {
  return resolve(isFromFile ? configFile : `${configFile} at ${formatListenAddress(admin.listen)}`);
}

/** What is served, and by what it is known. */
interface Served {
  readonly supervisor: Supervisor;
  readonly logger: Logger;
  readonly configFile: string;
  /** Called when all is up. */
  readonly onStarted: () => void;
}

async function serveUntil(stop: StopRequests, { supervisor, logger, configFile, onStarted }: Served): Promise<number> {
  try {
    await supervisor.start();
  } catch (error) {
    logger.error("Usher cannot start", { reason: messageOf(error) });
    await supervisor.stop();
    return 1;
  }
  const removeRecord = await leaveRecord(supervisor, configFile);
  onStarted();
  announce(supervisor.config, logger);
  const lost = await Promise.race([stop.asked.then(() => false), supervisor.lost.then(() => true)]);
  if (lost) logger.error("No worker can be started: giving up");
  else await stop.delay((skipped) => supervisor.departure.delay(skipped));
  await supervisor.stop();
  removeRecord?.();
  return lost ? 1 : 0;
}

/** Tells the commands of this user where the gateway is; the answer takes that back. */
async function leaveRecord({ adminUrl, key, config }: Supervisor, configFile: string): Promise<(() => void) | null> {
  if (adminUrl === null) return null;
  const shown = adminCertificateFile(config.admin);
  const certificateFile = shown === null ? null : resolve(shown);
  const record = { pid: Deno.pid, config: configFile, admin: adminUrl, certificateFile, key };
  return await writeRunRecord(record, [...recordFolders(readEnv), config.server.dataDir]);
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
  for (const { name, listen, hosts } of config.forwardProxies) {
    logger.info("Listening", { forward_proxy: name, address: addressKey(listen), host: hosts.join(",") });
  }
  if (config.server.workers > 1 && !sharesPorts(config)) {
    logger.warn("Workers do not share ports: one of them serves every connection", {
      hint: config.server.reusePort === false
        ? "server.reuse_port is false"
        : "This system spreads no connections over the sockets of a port; server.workers: 1 saves the others",
    });
  }
  logger.info("Usher is ready", {
    pid: Deno.pid,
    workers: config.server.workers,
    admin: `${config.admin.tls === null ? "http" : "https"}://${formatListenAddress(config.admin.listen)}/status`,
  });
}

function sharesPorts({ server }: Config): boolean {
  return SHARES_PORTS && server.reusePort !== false;
}

/** The runtime's own spans hold whole URLs and fields: keys, tokens, session ids. Logged at every level. */
function warnOfTelemetry(logger: Logger): void {
  if (/^(?:|0|false)$/i.test(Deno.env.get("OTEL_DENO")?.trim() ?? "")) return;
  const say = logger.enabled("warn") ? logger.warn : logger.error;
  say(
    "OTEL_DENO is set: the runtime exports spans that hold whole URLs, with API keys, tokens and session ids in them",
    {
      hint: "Start the gateway without OTEL_DENO, or send its spans only where such secrets may be read",
    },
  );
}

/** A user who starts the same once more may mean to reload. */
async function earlierRun(configFile: string): Promise<string[]> {
  const records = await readRunRecords(resolve(configFile), recordFolders(readEnv));
  return records.map(({ pid }) =>
    `Process ${pid} was started with this file and has not ended well, or runs: \`status\`, \`reload\`, \`stop\` ask it`
  );
}

/** Nothing was started: what is wrong goes to standard error, as `check` prints it. */
function refuse(problems: readonly string[], file: string, hints: readonly string[] = []): number {
  const text = [
    ...problems,
    `Usher cannot start: ${problems.length} problem${problems.length === 1 ? "" : "s"} in ${file}`,
    ...hints,
  ];
  writeText(Deno.stderr, text.join("\n") + "\n");
  return 1;
}
