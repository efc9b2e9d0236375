import type { ClientName } from "../../clients/client_requests.ts";
import { messageOf } from "../../errors.ts";
import type { PurgeRule } from "../../cache/purge/purge_rules.ts";
import type { Config } from "../../config/config.ts";
import type { DrainedUpstream } from "../../gateway/gateway.ts";
import type { CheckResult } from "../../health/check.ts";
import { standardOutput } from "../../logging/line_buffer.ts";
import { type Problem, ProblemBook } from "../../logging/problem_book.ts";
import { createLogger, type Logger, type LogSettings, type RootLogger } from "../../logging/logger.ts";
import type { Challenges } from "../../server/acme_challenge.ts";
import { RareWarnings } from "../../logging/rare_warnings.ts";
import { outliveSocketErrors, STRAY_ERROR } from "../stray_errors.ts";
import { drainedBy } from "../drained.ts";
import type {
  FromWorker,
  InitMessage,
  LookUpOrder,
  LookUpResult,
  PeerName,
  PrewarmResult,
  ReadResult,
  SightAnswer,
  SightQuestion,
  TakeDisk,
  ToWorker,
  WorkerReport,
} from "../messages.ts";

/** What a worker does when the supervisor says so; one for each role. */
export interface WorkerRole {
  /** Takes the port to another worker. */
  peer(peer: PeerName, port: MessagePort): void;
  /** Another worker has died. */
  peerGone(peer: number | "image"): void;
  /** Listens where only one worker can: the one that did has died. */
  serveAlone?(): Promise<void>;
  /** Listens where only one worker can, in the place of another process. @throws {Error} where it cannot */
  takeSockets?(): Promise<void>;
  /** Stops listening and lets go of the KV file, since another process takes its place; requests under way go on. */
  leave?(): Promise<void>;
  /** Takes the KV file that another process had until now. */
  takeDisk?(order: TakeDisk): Promise<void>;
  /** @throws {Error} when the configuration cannot be used; nothing has changed then; also by rejection */
  prepare(generation: number, config: Config): void | Promise<void>;
  commit(): void;
  abort(): void;
  /** From its return on, nothing is served that the rules purge; what they name in memory, see `WorkerStore.named`, where `counts`. */
  purge(rules: readonly PurgeRule[], counts: boolean): readonly number[] | null;
  /** Forgets what these keys hold: another gateway has changed it. */
  forget?(keys: readonly string[]): void;
  /** The other gateways have been told of a change. */
  changeTold?(id: number): void;
  /** Answers these challenges of an authority from now on. */
  answer?(challenges: Challenges): void;
  /** Gives these upstreams no new requests from its return on, and all others some again. */
  drain?(drained: readonly DrainedUpstream[]): void;
  /** Checks an upstream at once; `null` where it has no active check, or is not known. */
  check?(pool: string, upstream: string): Promise<CheckResult | null>;
  /** Fetches a target into the cache, and says which pictures these clients take from it. */
  prewarm(listener: string, url: string, clients: readonly ClientName[]): Promise<PrewarmResult>;
  /** Asks a pool's upstreams for a path and query. */
  read(pool: string, target: string): Promise<ReadResult>;
  /** What it remembers of requests. */
  look?(question: SightQuestion): SightAnswer;
  /** Has each connection end after its next reply. */
  windDown?(): void;
  /** What it holds for a request; `null` where no listener takes that. */
  lookUp?(order: LookUpOrder): Promise<LookUpResult | null>;
  report(): WorkerReport;
  stop(graceMs: number): Promise<void>;
}

/** As much of the worker's global scope as is used. */
interface WorkerScope {
  readonly name: string;
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: FromWorker): void;
  addEventListener(type: "unhandledrejection", listener: (event: PromiseRejectionEvent) => void): void;
  addEventListener(type: "error", listener: (event: ErrorEvent) => void): void;
}

const scope = globalThis as unknown as WorkerScope;

/** Takes the supervisor's messages for a role that `open` makes of the first of them. */
export function runWorker(open: (init: InitMessage, logger: Logger) => Promise<WorkerRole>): void {
  const output = standardOutput();
  let opened: Promise<WorkerRole> | null = null;
  let logger: RootLogger | null = null;
  let strays: RareWarnings | null = null;
  /** Of a configuration that is prepared. */
  let nextLogging: LogSettings | null = null;
  // A rejection that nobody took is a bug, but no reason to drop the requests of this worker.
  scope.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    logger?.error("A promise was rejected and nobody took it", { cause: textOf(event.reason) });
  });
  outliveSocketErrors(scope, (problem) => {
    if (logger !== null) (strays ??= new RareWarnings(logger)).warn("stray", STRAY_ERROR, { problem });
  });
  scope.onmessage = async ({ data, ports }) => {
    if (data.type === "init") {
      logger = loggerOf(data, output.push);
      opened = open(data, logger);
      return scope.postMessage(await opened.then(() => READY, failure));
    }
    if (opened === null) return;
    if (data.type === "log-levels") return logger?.override(data.override);
    // What comes while it opens is done afterwards, in order: no purge may be missed.
    const answer = await obey(await opened, data, ports[0]);
    if (data.type === "prepare") nextLogging = data.config.logging;
    if (data.type === "commit" && nextLogging !== null) logger?.reconfigure(nextLogging);
    if (data.type === "stop") output.flush();
    if (answer !== null) scope.postMessage(answer);
  };
  scope.postMessage({ type: "hello" });
}

/** Tells the supervisor what it has not asked for. */
export function tellSupervisor(message: FromWorker): void {
  scope.postMessage(message);
}

const READY: FromWorker = { type: "ready" };
const NOTHING_SEEN: SightAnswer = { requests: [], top: null };

function failure(error: unknown): FromWorker {
  return { type: "failed", reason: messageOf(error) };
}

/** Does what a message says; the answer to it, if it has one. */
async function obey(role: WorkerRole, message: ToWorker, port: MessagePort | undefined): Promise<FromWorker | null> {
  switch (message.type) {
    case "prepare":
      return {
        type: "prepared",
        generation: message.generation,
        error: await problemOf(() => role.prepare(message.generation, message.config)),
      };
    case "commit":
      role.commit();
      return { type: "committed", generation: message.generation };
    case "abort":
      role.abort();
      return null;
    case "purge":
      return { type: "purged", id: message.id, named: role.purge(message.rules, message.counts) };
    case "forget":
      role.forget?.(message.keys);
      return { type: "forgot", id: message.id };
    case "challenges":
      role.answer?.(message.challenges);
      return { type: "challenged", id: message.id };
    case "drain":
      role.drain?.(message.drained);
      return { type: "drained", id: message.id };
    case "check": {
      const result = await role.check?.(message.pool, message.upstream) ?? null;
      return { type: "checked", id: message.id, result };
    }
    case "prewarm":
      return {
        type: "prewarmed",
        id: message.id,
        result: await role.prewarm(message.listener, message.url, message.clients),
      };
    case "read":
      return { type: "was-read", id: message.id, result: await role.read(message.pool, message.target) };
    case "look":
      return { type: "seen", id: message.id, answer: role.look?.(message.question) ?? NOTHING_SEEN };
    case "look-up":
      return { type: "looked-up", id: message.id, result: await role.lookUp?.(message.order) ?? null };
    case "ping":
      return { type: "pong", sequence: message.sequence, report: role.report() };
    case "change-told":
      role.changeTold?.(message.id);
      return null;
    case "wind-down":
      role.windDown?.();
      return null;
    case "stop": {
      const { counts } = role.report();
      return { type: "stopped", drained: await drainedBy(() => role.stop(message.graceMs), counts), counts };
    }
    case "fault":
      return fail(message.fault);
    default:
      return await move(role, message, port);
  }
}

/** Does what a message says of other workers and other processes; the answer to it, if it has one. */
async function move(role: WorkerRole, message: ToWorker, port: MessagePort | undefined): Promise<FromWorker | null> {
  switch (message.type) {
    case "peer":
      if (port !== undefined) role.peer(message.peer, port);
      return null;
    case "peer-gone":
      role.peerGone(message.peer);
      return null;
    case "serve-alone":
      await role.serveAlone?.();
      return null;
    case "take-sockets":
      return { type: "sockets-taken", error: await problemOf(() => role.takeSockets?.()) };
    case "leave":
      await role.leave?.();
      return { type: "left" };
    case "take-disk":
      await role.takeDisk?.(message);
      return { type: "disk-taken" };
    default:
      return null;
  }
}

async function problemOf(action: () => void | Promise<void> | undefined): Promise<string | null> {
  try {
    await action();
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

/** Breaks this worker, for tests: an error outside of any promise, or a loop without end. */
function fail(fault: "throw" | "hang"): null {
  if (fault === "hang") { while (true); }
  setTimeout(() => {
    throw new Error("A test asked for this error");
  }, 0);
  return null;
}

/** Different problems that are told in one message, and how long they are gathered for it. */
const MAX_PROBLEMS = 50;
const GATHERED_MS = 100;

function loggerOf({ config, logLevels }: InitMessage, sink: (line: string) => void): RootLogger {
  const book = new ProblemBook(MAX_PROBLEMS);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tell = () => {
    timer = undefined;
    scope.postMessage({ type: "problems", problems: book.drain() });
  };
  const onProblem = (problem: Problem) => {
    book.add(problem);
    timer ??= setTimeout(tell, GATHERED_MS);
  };
  const { level, levels, format } = config.logging;
  const logger = createLogger(
    { level, levels, format, sink, now: () => Date.now(), onProblem },
    { worker: scope.name },
  );
  logger.override(logLevels);
  return logger;
}

function textOf(reason: unknown): string {
  return reason instanceof Error ? reason.stack ?? reason.message : String(reason);
}
