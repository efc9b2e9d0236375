import { dirname, join } from "node:path";

/** What a running gateway leaves for the commands that speak to it. It imports next to nothing: a health check reads it often. */
export interface RunRecord {
  readonly pid: number;
  /** Absolute path of the configuration file that it was started with. */
  readonly config: string;
  /** URL of its admin address, as reached from this machine. */
  readonly admin: string;
  /** File of the certificate that it shows there, absolute; `null` where it is plain. */
  readonly certificateFile: string | null;
  /** Opens the admin address to every user who may read the record, also after the configured token has changed. */
  readonly key: string;
}

/** A record is a few hundred bytes; a path may be long. */
const MAX_RECORD_BYTES = 16 * 1024;
/** Records that are looked at for an address: one user runs few gateways. */
const MAX_RECORDS = 200;

/**
 * Folders where a user's records may lie, the first that can be written to is used: `USHER_RUN_DIR` alone where it is set, else the
 * folder of the user's session, else the user's cache. All of them are the user's own, so nobody else can put a record there.
 */
export function recordFolders(env: (name: string) => string | undefined): string[] {
  const given = env("USHER_RUN_DIR");
  if (given) return [given];
  const [session, cache, home, local] = ["XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "HOME", "LOCALAPPDATA"].map(env);
  return [session, cache || (home && join(home, ".cache")), local].flatMap((base) => base ? [join(base, "usher")] : []);
}

/**
 * Writes a record into the first of the folders that takes it, for this user alone; answers what removes it. `null` where none can be
 * written to: then commands go by the configuration file.
 */
export async function writeRunRecord(record: RunRecord, folders: readonly string[]): Promise<(() => void) | null> {
  const text = JSON.stringify(record);
  for (const folder of folders) {
    // Asked first: without the permission Deno would ask the terminal, and wait.
    if (Deno.permissions.querySync({ name: "write", path: folder }).state !== "granted") continue;
    const path = await recordPath(folder, record.config);
    const fresh = `${path}.${record.pid}`;
    try {
      await Deno.mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await Deno.remove(fresh).catch(() => {});
      await Deno.writeTextFile(fresh, text, { createNew: true, mode: 0o600 });
      await Deno.rename(fresh, path);
      await removeStale(folder, path);
      return () => removeOwn(path, text);
    } catch {
      // The next one, if there is one.
    }
  }
  return null;
}

/** The records of the gateways that were started with a configuration file, one a folder at most. They may have ended since. */
export async function readRunRecords(config: string, folders: readonly string[]): Promise<RunRecord[]> {
  const records = await Promise.all(folders.map(async (folder) => await readRecord(await recordPath(folder, config))));
  return records.filter((record) => record?.config === config) as RunRecord[];
}

/** The records of all gateways of this user that note a certain admin address. They may have ended since. */
export async function runRecordsAt(admin: string, folders: readonly string[]): Promise<RunRecord[]> {
  const records = await Promise.all(folders.flatMap(recordsIn).map(readRecord));
  return records.filter((record) => record?.admin === admin) as RunRecord[];
}

/** Paths of the records in a folder. */
function recordsIn(folder: string): string[] {
  try {
    const names = [...Deno.readDirSync(folder)].map(({ name }) => name);
    const records = names.filter((name) => /^gateway-[0-9a-f]{16}\.json$/.test(name));
    return records.slice(0, MAX_RECORDS).map((name) => join(folder, name));
  } catch {
    return [];
  }
}

/** Removes what gateways that were killed have left, where the folder of their configuration is gone too. */
async function removeStale(folder: string, own: string): Promise<void> {
  for (const path of recordsIn(folder).filter((path) => path !== own)) {
    const record = await readRecord(path);
    if (record !== null && !await isThere(dirname(record.config))) await Deno.remove(path).catch(() => {});
  }
}

/** Whether there is something at a path, as far as can be told. */
async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, (error) => !(error instanceof Deno.errors.NotFound));
}

async function readRecord(path: string): Promise<RunRecord | null> {
  try {
    if ((await Deno.stat(path)).size > MAX_RECORD_BYTES) return null;
    const record: unknown = JSON.parse(await Deno.readTextFile(path));
    return isRecord(record) ? record : null;
  } catch {
    return null;
  }
}

async function recordPath(folder: string, config: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(config));
  return join(folder, `gateway-${new Uint8Array(digest, 0, 8).toHex()}.json`);
}

/** Another gateway may have been started with the same file since. */
function removeOwn(path: string, text: string): void {
  try {
    if (Deno.readTextFileSync(path) === text) Deno.removeSync(path);
  } catch {
    // It is gone already.
  }
}

function isRecord(value: unknown): value is RunRecord {
  const { pid, config, admin, certificateFile, key } = (value ?? {}) as Record<string, unknown>;
  return Number.isInteger(pid) && typeof config === "string" && typeof key === "string" &&
    typeof admin === "string" && /^https?:\/\/[\w.:[\]-]+$/.test(admin) &&
    (certificateFile === null || typeof certificateFile === "string");
}
