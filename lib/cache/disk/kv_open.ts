import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import type { Clock } from "../../clock.ts";
import type { StoreLog } from "../store.ts";
import { compactKvFile } from "./_kv_compact.ts";
import { beginKvFile, foreignKvFile, inspectKvFile, type KvFileVerdict } from "./kv_inspect.ts";
import { PRIVATE_FOLDER } from "./kv_privacy.ts";

/** Options of opening a KV file. */
export interface KvOpenOptions {
  readonly clock: Clock;
  readonly log: StoreLog;
  /**
   * How long an open may take: Deno KV waits without end for a file that another process has locked.
   * @default 10 seconds
   */
  readonly deadlineMs?: number;
}

/** A KV file as it was found, or why there is none. */
export interface PreparedKvFile {
  /** `null` where no file can be used: the gateway goes on with memory alone. */
  readonly path: string | null;
  /** The problem found; `null` where there was none. */
  readonly problem: string | null;
  /** Path that a file which cannot be used was renamed to. */
  readonly setAside: string | null;
}

/** Files that belong to a KV file. */
const COMPANIONS = ["-wal", "-shm"];
const DAMAGED = ".damaged";
const DEFAULT_DEADLINE_MS = 10_000;

/**
 * Makes a KV file ready, once, before any worker opens it: looks it over, puts a damaged one aside under a name with the time
 * (`cache.kv.corrupt-20260102T030405Z`; an older one of these is removed), one of another version of Usher under a name with its
 * layout (`cache.kv.layout-2`), and makes a new one in its place. A locked file, or one that this user may not write, belongs to
 * somebody else: it is left alone. Never throws: a problem that remains is logged and returned, and memory alone serves.
 */
export async function prepareKvFile(path: string, options: KvOpenOptions): Promise<PreparedKvFile> {
  const failed = await attempt(() => Deno.mkdir(dirname(path), { recursive: true, mode: PRIVATE_FOLDER }));
  const hindrance = foreignKvFile(path) ?? failed;
  if (hindrance !== null) return unusable(hindrance, options.log);
  const verdict = await isMarkedDamaged(path) ? damagedBefore : inspectKvFile(path);
  if (verdict.kind === "locked" || verdict.kind === "full") return unusable(verdict.problem, options.log);
  if (verdict.kind === "damaged") return await replace(path, verdict.problem, options);
  if (verdict.kind === "other_layout") return await replaceLayout(path, verdict, options);
  compactKvFile(path, options);
  const problem = await tryOut(path, options);
  if (problem === null) return { path, problem: null, setAside: null };
  return isTransient(problem) ? unusable(problem, options.log) : await replace(path, problem, options);
}

/** Opens a KV file that was made ready; `null`, with a warning, where that fails or takes too long. */
export async function openKvFile(path: string, options: KvOpenOptions): Promise<Deno.Kv | null> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const opening = Deno.openKv(path);
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(() => resolve("late"), options.deadlineMs ?? DEFAULT_DEADLINE_MS);
  });
  try {
    const opened = await Promise.race([opening, late]);
    if (opened !== "late") return opened;
    // It may still open one day: nobody would close it then.
    opening.then((kv) => kv.close(), () => {});
    options.log.warn("Cannot open the disk cache in time: serving from memory alone", { path });
  } catch (error) {
    options.log.warn("Cannot open the disk cache: serving from memory alone", { path, error: messageOf(error) });
  } finally {
    clearTimeout(timer);
  }
  return null;
}

/** Notes that a file turned out damaged while in use, so that the next start puts it aside. */
export function markDamaged(path: string): void {
  try {
    Deno.writeTextFileSync(markerOf(path), "damaged\n");
  } catch {
    // The note is a help, not a need: the next start finds out by itself.
  }
}

/** Whether what Deno KV threw says that the file itself is damaged. */
export function saysDamaged(error: unknown): boolean {
  return /malformed|not a database/.test(messageOf(error));
}

/** Free bytes of the disk that a file lies on; `null` where they cannot be told (`--allow-sys=statfs` is needed). */
export function freeBytesBeside(path: string): number | null {
  // Asked first: else Deno asks the terminal, and waits.
  if (Deno.permissions.querySync({ name: "sys", kind: "statfs" }).state !== "granted") return null;
  try {
    const { bavail, bsize } = statfsSync(dirname(path));
    return bavail * bsize;
  } catch {
    return null;
  }
}

/** Bytes of a KV file's write-ahead log; 0 where there is none. */
export function logBytesBeside(path: string): number {
  try {
    return Deno.statSync(`${path}-wal`).size;
  } catch {
    return 0;
  }
}

const damagedBefore: KvFileVerdict = { kind: "damaged", problem: "was found damaged while in use" };

/** Another process holds the file (`in time`: opening waits for it), it is not this user's, or the disk is full: the file may be sound. */
function isTransient(problem: string): boolean {
  return /locked|busy|in time/.test(problem) || /disk is full|read-?only database/i.test(problem);
}

/** A file of another version is never misread: it is renamed, and can be used by that version again. */
async function replaceLayout(
  path: string,
  { layout, problem }: Extract<KvFileVerdict, { kind: "other_layout" }>,
  options: KvOpenOptions,
): Promise<PreparedKvFile> {
  const setAside = `${path}.layout-${layout}`;
  const failed = await attempt(async () => {
    await Deno.rename(path, setAside);
    for (const suffix of COMPANIONS) await attempt(() => Deno.rename(path + suffix, setAside + suffix));
  }) ?? await tryOut(path, options);
  if (failed !== null) return { ...unusable(`${problem}; ${failed}`, options.log), setAside };
  options.log.warn("Put the disk cache of another version aside and began a new one; the old file may be deleted", {
    problem,
    setAside,
  });
  return { path, problem, setAside };
}

async function replace(path: string, problem: string, options: KvOpenOptions): Promise<PreparedKvFile> {
  const setAside = await putAside(path, options.clock.now());
  if (setAside instanceof Error) return unusable(`${problem}; cannot be put aside: ${setAside.message}`, options.log);
  const again = await tryOut(path, options);
  if (again !== null) return { ...unusable(again, options.log), setAside };
  options.log.warn("Put a damaged disk cache aside and began a new one; the old file may be deleted", {
    problem,
    setAside,
  });
  return { path, problem, setAside };
}

/** No file can be used, and the log says why. */
export function unusable(problem: string, log: StoreLog): PreparedKvFile {
  log.warn("Cannot use the disk cache: serving from memory alone", { problem });
  return { path: null, problem, setAside: null };
}

/** Opens the file, writes and reads one row; returns the failure, or `null`. */
async function tryOut(path: string, options: KvOpenOptions): Promise<string | null> {
  let problem = await attempt(() => Promise.resolve(beginKvFile(path)));
  if (problem !== null) return problem;
  const log: StoreLog = { warn: (message, fields) => problem = String(fields?.error ?? `${message} in time`) };
  const kv = await openKvFile(path, { ...options, log });
  if (kv === null) return problem ?? "cannot be opened";
  const failed = await attempt(async () => {
    await kv.set(["n", "tried"], options.clock.now());
    await kv.get(["n", "tried"]);
  });
  kv.close();
  return failed;
}

async function putAside(path: string, nowMs: number): Promise<string | Error> {
  const aside = `${path}.corrupt-${new Date(nowMs).toISOString().replace(/[-:]|\.\d+/g, "")}`;
  try {
    await removeOlder(path);
    await Deno.rename(path, aside);
    for (const suffix of COMPANIONS) await attempt(() => Deno.remove(path + suffix));
    await attempt(() => Deno.remove(markerOf(path)));
    return aside;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** One damaged file is kept for a look at it; more would fill the disk. */
async function removeOlder(path: string): Promise<void> {
  const beginning = `${path}.corrupt-`;
  for await (const { name } of Deno.readDir(dirname(path))) {
    const older = `${dirname(path)}/${name}`;
    if (older.startsWith(beginning)) await Deno.remove(older, { recursive: true });
  }
}

function markerOf(path: string): string {
  return path + DAMAGED;
}

async function isMarkedDamaged(path: string): Promise<boolean> {
  return await attempt(() => Deno.stat(markerOf(path))) === null;
}

/** What work threw, in words; `null` where it did not. */
export async function attempt(work: () => Promise<unknown>): Promise<string | null> {
  try {
    await work();
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
