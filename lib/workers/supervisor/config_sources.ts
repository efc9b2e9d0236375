import type { LoadDependencies } from "../../config/load.ts";

/** Files and folders that are kept in mind at most. */
const MAX_SOURCES = 5_000;

/** What of loading reads files. */
type Reading = Pick<LoadDependencies, "readTextFile" | "listFolder">;

/**
 * Everything that a configuration was read from: its file, those that it includes or names, the folders that it includes. Each is noted
 * as it was before it was read, also where that failed: what changes while it is read has changed.
 */
export class ConfigSources {
  #stamps = new Map<string, string>();
  #folders = new Set<string>();

  /** Forgets everything: the configuration is read anew. Answers how its files are read so that they are noted. */
  noting({ readTextFile, listFolder }: Required<Reading>): Required<Reading> {
    this.#stamps = new Map();
    this.#folders = new Set();
    return {
      readTextFile: async (path) => {
        await this.#note(path, fileStamp);
        return await readTextFile(path);
      },
      listFolder: async (path) => {
        await this.#note(path, folderStamp);
        return await listFolder(path);
      },
    };
  }

  async #note(path: string, stampOf: (path: string) => Promise<string>): Promise<void> {
    const stamps = this.#stamps;
    if (stamps.has(path) || stamps.size >= MAX_SOURCES) return;
    stamps.set(path, "");
    if (stampOf === folderStamp) this.#folders.add(path);
    stamps.set(path, await stampOf(path));
  }

  /** Whether something is not any more as it was when it was read. */
  async haveChanged(): Promise<boolean> {
    const before = [...this.#stamps.values()].join("\n");
    return before !== await this.now();
  }

  /** How everything is now, as one text that is the same as long as nothing changes. */
  async now(): Promise<string> {
    const [folders, paths] = [this.#folders, [...this.#stamps.keys()]];
    const stamps = await Promise.all(paths.map((path) => folders.has(path) ? folderStamp(path) : fileStamp(path)));
    return stamps.join("\n");
  }
}

/** Tells a file that was changed, one whose permissions were, and another one in its place, also behind a link that was swapped. */
async function fileStamp(path: string): Promise<string> {
  try {
    const { mtime, size, ino, dev, mode, uid, gid } = await Deno.stat(path);
    return [await Deno.realPath(path), mtime?.getTime(), size, ino, dev, mode, uid, gid].join();
  } catch (error) {
    return error instanceof Error ? error.name : "unknown";
  }
}

/** Tells a folder whose names have changed; those of editors do not count. */
async function folderStamp(path: string): Promise<string> {
  try {
    const names: string[] = [];
    for await (const { name } of Deno.readDir(path)) if (!/^\.|~$/.test(name)) names.push(name);
    return JSON.stringify(names.sort());
  } catch (error) {
    return error instanceof Error ? error.name : "unknown";
  }
}
