import type { Config } from "../../config/config.ts";
import { differenceInWords } from "../../config/difference.ts";
import type { LoadedFile, LoadResult } from "../../config/load.ts";
import { formatLocated } from "../../config/yaml/located.ts";
import type { LogFields } from "../../logging/log_line.ts";
import type { RootLogger } from "../../logging/logger.ts";
import { messageOf } from "../../errors.ts";
import type { AcmeKeeper } from "./acme_keeper.ts";
import { worseCertificates } from "./certificate_keeper.ts";
import type { Fleet } from "./fleet.ts";
import { ReloadCounts } from "./reload_counts.ts";
import { changedAtRestart, withStarted } from "./restart_settings.ts";
import { foldersOutOfReach } from "./worker_permissions.ts";

/** Options of {@linkcode ConfigChanges}. */
export interface ConfigChangesOptions {
  /** The configuration of the start, and the file's values that it is made of. */
  readonly config: Config;
  readonly loaded: LoadedFile;
  readonly configFile: string;
  /** Reads and checks the configuration. */
  readonly source: () => Promise<LoadResult>;
  /** The same, only to look at it. @default {source} */
  readonly preview?: () => Promise<LoadResult>;
  readonly acme: AcmeKeeper;
  readonly logger: RootLogger;
  readonly fleet: Pick<Fleet, "current" | "reload" | "tryOut">;
  /** Brings what may change of the admin address into force. */
  readonly adjustAdmin: (admin: Config["admin"]) => void;
  /** Another configuration is in force. */
  readonly onReloaded: () => void;
}

/** The outcome of a reload, or of trying one out. */
export type ReloadResult =
  | {
    readonly ok: true;
    /** The configuration that is in force now. */
    readonly generation: number;
    /** What it changes, in words; see {@linkcode differenceInWords}. */
    readonly changes: readonly string[];
    /** Settings that differ from those of the start and take effect at the next one, by their path in the file. */
    readonly needsRestart: readonly string[];
  }
  | { readonly ok: false; readonly problems: readonly string[] };

/** The configuration in force, and where it came from. */
export interface InForce extends LoadedFile {
  readonly file: string;
  readonly loadedAtMs: number;
}

/** A sound file, ready to be brought into force. */
interface Candidate {
  readonly next: Config;
  readonly loaded: LoadedFile;
  readonly changes: readonly string[];
  readonly needsRestart: readonly string[];
}

/** The configuration in force, and how the last reload went. */
export interface ConfigInForce extends InForce {
  readonly generation: number;
  /** `null` before the first. */
  readonly lastReload: ConfigChanges["lastReload"];
}

/** Changes of the configuration in force, one after the other: reloads, and certificates that have come anew. */
export class ConfigChanges {
  readonly #options: ConfigChangesOptions;
  #reloading: Promise<ReloadResult> | null = null;
  #reloadAgain = false;
  #last: Promise<unknown> = Promise.resolve();
  #inForce: InForce;
  readonly reloads = new ReloadCounts();
  /** When the last reload ended, and why it failed, if it did; `null` before the first. */
  lastReload: { readonly atMs: number; readonly problems: readonly string[] } | null = null;

  constructor(options: ConfigChangesOptions) {
    this.#options = options;
    this.#inForce = this.#loadedNow(options.loaded);
  }

  /** What is in force now. */
  get inForce(): InForce {
    return this.#inForce;
  }

  /** Says what a reload would come to: every worker looks at the configuration, and none takes it. */
  tryOut(): Promise<ReloadResult> {
    return this.inTurn(async () => {
      const { fleet, source, preview = source } = this.#options;
      const { generation } = fleet.current;
      const read = await this.#read(preview);
      if ("problems" in read) return { ok: false, problems: read.problems };
      const problem = await fleet.tryOut({ generation: generation + 1, config: read.next });
      const { changes, needsRestart } = read;
      return problem === null ? { ok: true, generation, changes, needsRestart } : { ok: false, problems: [problem] };
    });
  }

  /** Reads the configuration again and brings it into every worker, or says why not. Calls during a reload lead to one more. */
  reload(): Promise<ReloadResult> {
    if (this.#reloading !== null) {
      this.#reloadAgain = true;
      return this.#reloading;
    }
    this.#reloading = this.#reloadUntilCurrent().finally(() => this.#reloading = null);
    return this.#reloading;
  }

  /** Does `work` once no other change is under way. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }

  /** Brings a configuration into every worker and the admin address, or into none; answers why not, or `null`. */
  async bring(config: Config): Promise<string | null> {
    const { fleet, adjustAdmin } = this.#options;
    const problem = await fleet.reload({ generation: fleet.current.generation + 1, config });
    if (problem === null) adjustAdmin(config.admin);
    return problem;
  }

  async #reloadUntilCurrent(): Promise<ReloadResult> {
    let result: ReloadResult;
    do {
      this.#reloadAgain = false;
      result = await this.inTurn(() => this.reloads.count(() => this.#reloadOnce()));
    } while (this.#reloadAgain);
    return result;
  }

  async #reloadOnce(): Promise<ReloadResult> {
    const { logger: root, fleet, source } = this.#options;
    const logger = root.in("config");
    const before = fleet.current.config;
    const read = await this.#read(source, (warning) => logger.warn(warning));
    if ("problems" in read) return this.#failed(read.problems);
    const { next, loaded, changes, needsRestart } = read;
    const problem = await this.bring(next);
    if (problem !== null) return this.#failed([problem]);
    root.reconfigure(next.logging);
    if (logger.enabled("debug")) logger.debug("The new configuration differs", changedNames(before, next));
    for (const setting of needsRestart) logger.warn("A changed setting takes effect at the next start", { setting });
    this.#inForce = this.#loadedNow(loaded);
    this.#options.onReloaded();
    this.lastReload = { atMs: Date.now(), problems: [] };
    const { generation } = fleet.current;
    logger.info("Configuration reloaded", { generation, file: this.#options.configFile });
    return { ok: true, generation, changes, needsRestart };
  }

  /** Reads and checks the configuration, as far as that can be done without the workers. */
  async #read(
    source: () => Promise<LoadResult>,
    warn: (text: string) => void = () => {},
  ): Promise<Candidate | { readonly problems: readonly string[] }> {
    const { fleet, acme, config: started } = this.#options;
    const loaded = await source().catch((error: unknown) => messageOf(error));
    if (typeof loaded === "string") return { problems: [loaded] };
    if (!loaded.ok) return { problems: loaded.problems.map(formatLocated) };
    for (const warning of loaded.warnings) warn(formatLocated(warning));
    const { config } = loaded;
    const outOfReach = foldersOutOfReach({ ...started, dataDir: started.server.dataDir }, config);
    if (outOfReach.length > 0) return { problems: outOfReach.map(restartFor) };
    const before = fleet.current.config;
    const next = withStarted(started, await acme.complete(config));
    const problems = worseCertificates(before, next, Date.now());
    if (problems.length > 0) return { problems };
    const inWords = differenceInWords(this.#inForce.values, loaded.values);
    const changes = [...inWords, ...changedFiles(changedNames(before, next), inWords)];
    return { next, loaded, changes, needsRestart: changedAtRestart(started, config) };
  }

  #loadedNow({ values, placeOf }: LoadedFile): InForce {
    return { values, placeOf, file: this.#options.configFile, loadedAtMs: Date.now() };
  }

  #failed(problems: readonly string[]): ReloadResult {
    const { configFile } = this.#options;
    const logger = this.#options.logger.in("config");
    for (const problem of problems) logger.error(problem);
    logger.error("Configuration not reloaded: the one before stays in force", {
      file: configFile,
      problems: problems.length,
    });
    this.lastReload = { atMs: Date.now(), problems };
    return { ok: false, problems };
  }
}

/** Parts that are other ones although their keys are the same: a file that they name holds something else. */
function changedFiles({ pools, listeners, forward_proxies, others }: LogFields, told: readonly string[]): string[] {
  const changed = (names: LogFields[string]) =>
    String(names ?? "").split(" ").flatMap((name) => name.startsWith("~") ? [name.slice(1)] : []);
  const labels = [
    ...changed(pools).map((name) => `pool "${name}"`),
    ...changed(listeners).map((name) => `listener "${name}"`),
    ...changed(forward_proxies).map((name) => `forward proxy "${name}"`),
    ...changed(others),
  ];
  return labels.filter((label) => !told.some((line) => line.startsWith(label)))
    .map((label) => `${label}: a file that it names has changed`);
}

function restartFor(folder: string): string {
  return `A unix socket in ${folder} needs a restart: workers may write only where sockets were at the start`;
}

/** Which pools, listeners and other parts have come, gone or changed, by name: for the log, without what is in them. */
export function changedNames(before: Config, after: Config): LogFields {
  const { pools: poolsBefore, listeners: listenersBefore, forwardProxies: proxiesBefore, ...restBefore } = before;
  const { pools, listeners, forwardProxies, ...rest } = after;
  return {
    pools: changed(byName(poolsBefore), byName(pools)),
    listeners: changed(byName(listenersBefore), byName(listeners)),
    forward_proxies: changed(byName(proxiesBefore), byName(forwardProxies)),
    others: changed(texts(Object.entries(restBefore)), texts(Object.entries(rest))),
  };
}

function byName(parts: readonly { readonly name: string }[]): Map<string, string> {
  return texts(parts.map((part) => [part.name, part]));
}

function texts(entries: ReadonlyArray<readonly [name: string, value: unknown]>): Map<string, string> {
  return new Map(entries.map(([name, value]) => [name, JSON.stringify(value, plain)]));
}

/** JSON shows nothing of a set, a map or a pattern. */
function plain(_: string, value: unknown): unknown {
  if (value instanceof Set || value instanceof Map) return [...value];
  return value instanceof RegExp ? String(value) : value;
}

/** `+new -gone ~different`; `undefined`, so no field, where nothing has changed. */
function changed(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string | undefined {
  const signs = [...new Set([...before.keys(), ...after.keys()])].flatMap((name) => {
    const sign = !before.has(name) ? "+" : !after.has(name) ? "-" : before.get(name) === after.get(name) ? "" : "~";
    return sign === "" ? [] : [sign + name];
  });
  return signs.length === 0 ? undefined : signs.join(" ");
}
