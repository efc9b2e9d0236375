import { join } from "node:path";
import { type NfoSkip, readNfo } from "./nfo.ts";
import { type Title, TitleSet } from "./title.ts";

/** Why something in a library names no title, or was not looked at. */
export type LibrarySkip =
  | NfoSkip
  | "more than 1 MiB"
  | "no right to read it"
  | "too many folders above it"
  | "an id in its name, but neither a film nor seasons in it";

/** The titles of a media library. */
export interface Library {
  readonly titles: readonly Title[];
  /** `.nfo` files that were read. */
  readonly nfoFiles: number;
  /** Titles of which the folder's name alone tells. */
  readonly namedFolders: number;
  /** How often something was left out, and where first. */
  readonly skipped: ReadonlyMap<LibrarySkip, { readonly count: number; readonly first: string }>;
}

/** How a library is read. */
export interface LibraryOptions {
  /** Waited for after every 32 folders, where others have to get their turn; `null` for no pause. */
  readonly rest?: (() => Promise<void>) | null;
}

const FOLDERS_IN_A_STEP = 32;
/** Largest `.nfo` file that is read. */
const MAX_NFO_BYTES = 1_048_576;
const MAX_DEPTH = 12;
const MAX_ENTRIES = 5_000_000;

const TAG = /[{[]tmdb(?:id)?[-=]([1-9]\d{0,9})[;\]}]/i;
const SEASON_FOLDER = /^(?:(?:season|series|staffel|saison|temporada|stagione)[ ._-]*|s|第 ?)(\d{1,3})(?: ?季)?$/i;
const SPECIALS = /^specials$/i;
const EPISODE_FILE = /(?<![a-z\d])s(\d{1,3})[ ._-]?e\d/i;
const FILM_FILE = /\.(?:avi|iso|m2ts|m4v|mkv|mov|mp4|mpe?g|strm|ts|webm|wmv)$/i;

/**
 * Reads the titles of a library from its `.nfo` files and, where a folder has none with an id, from the folder's name
 * (`{tmdb-550}`, `[tmdbid-550]`, `[tmdbid=550]`). Links are followed, each folder is read once.
 *
 * @throws {Error} where the folder cannot be read, or holds more than any library; its message is for the operator
 */
export async function readLibrary(folder: string, { rest = null }: LibraryOptions = {}): Promise<Library> {
  const reader = new LibraryReader(rest);
  // One that is not there is a mistake; one below it may vanish.
  for await (const _ of Deno.readDir(folder)) break;
  await reader.visit(folder, folder, 0);
  return reader.result();
}

/** What a folder holds, by its names. */
interface Contents {
  readonly folders: string[];
  readonly nfoFiles: string[];
  readonly seasons: Set<number>;
  hasFilm: boolean;
}

class LibraryReader {
  readonly #titles = new TitleSet();
  readonly #skipped = new Map<LibrarySkip, { count: number; first: string }>();
  readonly #visited = new Set<string>();
  /** One byte more than a file may have. */
  readonly #buffer = new Uint8Array(MAX_NFO_BYTES + 1);
  #entries = 0;
  #nfoFiles = 0;
  #namedFolders = 0;
  readonly #rest: (() => Promise<void>) | null;

  constructor(rest: (() => Promise<void>) | null) {
    this.#rest = rest;
  }

  result(): Library {
    const [nfoFiles, namedFolders] = [this.#nfoFiles, this.#namedFolders];
    return { titles: this.#titles.list(), nfoFiles, namedFolders, skipped: this.#skipped };
  }

  async visit(folder: string, name: string, depth: number): Promise<void> {
    if (depth > MAX_DEPTH) return this.#skip("too many folders above it", folder);
    const contents = await this.#contentsOf(folder);
    if (contents === null) return;
    if (this.#rest !== null && this.#visited.size % FOLDERS_IN_A_STEP === 0) await this.#rest();
    await this.#readTitle(folder, name, contents);
    for (const below of contents.folders) await this.visit(join(folder, below), below, depth + 1);
  }

  /** `null` for a folder that was visited before, by another way, or cannot be. */
  async #contentsOf(folder: string): Promise<Contents | null> {
    const contents: Contents = { folders: [], nfoFiles: [], seasons: new Set(), hasFilm: false };
    try {
      const place = await Deno.realPath(folder);
      if (this.#visited.has(place)) return null;
      this.#visited.add(place);
      for await (const entry of Deno.readDir(folder)) {
        if (++this.#entries > MAX_ENTRIES) throw new TooLarge(`There are more than ${MAX_ENTRIES} files and folders`);
        // Of the system, and of a NAS.
        if (!/^[.@#]/.test(entry.name)) note(contents, entry.name, await kindOf(folder, entry));
      }
    } catch (error) {
      if (error instanceof TooLarge) throw error;
      this.#skip("no right to read it", folder);
      return null;
    }
    // The order of a file system is nobody's.
    contents.folders.sort();
    contents.nfoFiles.sort();
    return contents;
  }

  async #readTitle(folder: string, name: string, { nfoFiles, seasons, hasFilm }: Contents): Promise<void> {
    const readings: FileReading[] = [];
    for (const file of nfoFiles) readings.push(await this.#readFile(join(folder, file)));
    this.#nfoFiles += nfoFiles.length;
    const found = readings.flatMap(({ title }) => title ?? []);
    for (const title of found) this.#titles.add({ ...title, seasons: title.kind === "tv" ? [...seasons] : [] });
    const id = found.length > 0 ? undefined : TAG.exec(name)?.[1];
    const kind = seasons.size > 0 || nfoFiles.includes("tvshow.nfo") ? "tv" : hasFilm ? "movie" : null;
    if (id !== undefined && kind !== null) {
      this.#namedFolders++;
      return this.#titles.add({ kind, id: Number(id), seasons: [...seasons] });
    }
    for (const [index, { skipped }] of readings.entries()) {
      if (skipped !== null) this.#skip(skipped, join(folder, nfoFiles[index]!));
    }
    if (id !== undefined) this.#skip("an id in its name, but neither a film nor seasons in it", folder);
  }

  async #readFile(path: string): Promise<FileReading> {
    try {
      using file = await Deno.open(path);
      let length = 0;
      for (let read: number | null = 0; read !== null && length < this.#buffer.length; length += read ?? 0) {
        read = await file.read(this.#buffer.subarray(length));
      }
      if (length > MAX_NFO_BYTES) return { title: null, skipped: "more than 1 MiB" };
      return readNfo(new TextDecoder().decode(this.#buffer.subarray(0, length)));
    } catch {
      return { title: null, skipped: "no right to read it" };
    }
  }

  #skip(reason: LibrarySkip, path: string): void {
    const skipped = this.#skipped.get(reason);
    if (skipped === undefined) this.#skipped.set(reason, { count: 1, first: path });
    else skipped.count++;
  }
}

class TooLarge extends Error {}

type EntryKind = "folder" | "file" | "other";

async function kindOf(folder: string, entry: Deno.DirEntry): Promise<EntryKind> {
  if (entry.isDirectory) return "folder";
  if (entry.isFile) return "file";
  if (!entry.isSymlink) return "other";
  const info = await Deno.stat(join(folder, entry.name)).catch(() => null);
  return info?.isDirectory ? "folder" : info?.isFile ? "file" : "other";
}

function note(contents: Contents, name: string, kind: EntryKind): void {
  if (kind === "other") return;
  const season = kind === "folder" ? seasonOf(name) : EPISODE_FILE.exec(name)?.[1];
  if (season !== undefined) contents.seasons.add(Number(season));
  if (kind === "folder") contents.folders.push(name);
  else if (/\.nfo$/i.test(name)) contents.nfoFiles.push(name);
  else if (FILM_FILE.test(name)) contents.hasFilm = true;
}

function seasonOf(folder: string): string | undefined {
  return SPECIALS.test(folder) ? "0" : SEASON_FOLDER.exec(folder)?.[1];
}

type FileReading = ReturnType<typeof readNfo> | { readonly title: null; readonly skipped: LibrarySkip };
