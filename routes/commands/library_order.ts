import { type Library, readLibrary } from "../../lib/library/read_library.ts";
import { type Title, TitleSet, titlesIn } from "../../lib/library/title.ts";
import { CLIENT_NAMES, type ClientName, type ClientOrder, clientTargets } from "../../lib/clients/client_requests.ts";
import { Misuse, unknown } from "./command.ts";
import { shown, typedPath } from "./config_path.ts";
import { harmless } from "./text_layout.ts";

/** What the user said of the library. */
export interface LibraryFlags {
  readonly nfo?: string;
  readonly ids?: string;
  readonly client?: readonly string[];
  readonly language?: string;
}

/** What is to be fetched for a library, and what is said of it. */
export interface LibraryOrder extends ClientOrder {
  readonly targets: readonly string[];
  /** Lines for the user: what was found, and what was left out. */
  readonly said: readonly string[];
}

const MAX_LIST_BYTES = 8 * 1024 * 1024;

/**
 * Reads a library, and says what its clients will ask for.
 *
 * @throws {Misuse} on a client that is not known, and a language that is none
 * @throws {Error} where the library or the list cannot be read; its message is for the user
 */
export async function libraryOrder(flags: LibraryFlags): Promise<LibraryOrder> {
  const { nfo, ids, client = [] } = flags;
  const language = flags.language ?? null;
  const clients = [...new Set(client.map(clientOf))];
  if (language !== null && !/^[a-z]{2,3}(?:-[A-Za-z0-9]{2,4})?$/.test(language)) {
    throw new Misuse(`--language wants a code such as de or de-DE, found "${harmless(language.slice(0, 50))}"`);
  }
  const titles = new TitleSet();
  const library = nfo === undefined ? null : await readLibrary(typedPath(nfo));
  for (const title of [...library?.titles ?? [], ...await listed(ids)]) titles.add(title);
  const order = { titles: titles.list(), clients, language };
  const targets = order.titles.length === 0 ? [] : clientTargets(order);
  return { ...order, targets, said: [found(order.titles, library), ...leftOut(library)] };
}

function clientOf(name: string): ClientName {
  const client = CLIENT_NAMES.find((known) => known === name);
  if (client !== undefined) return client;
  throw new Misuse(`${unknown("client", name, CLIENT_NAMES)}; there are ${CLIENT_NAMES.join(", ")}`);
}

async function listed(ids: string | undefined): Promise<readonly Title[]> {
  if (ids === undefined) return [];
  const path = typedPath(ids);
  const { size } = await Deno.stat(path);
  if (size > MAX_LIST_BYTES) throw new Error(`${ids} is larger than ${MAX_LIST_BYTES} bytes`);
  return titlesIn(await Deno.readTextFile(path), ids);
}

function found(titles: readonly Title[], library: Library | null): string {
  const films = titles.filter(({ kind }) => kind === "movie").length;
  const seasons = titles.reduce((sum, title) => sum + title.seasons.length, 0);
  const where = library === null
    ? ""
    : `, from ${counted(library.nfoFiles, ".nfo file")} and the names of ${counted(library.namedFolders, "folder")}`;
  const shows = counted(titles.length - films, "show") + (seasons === 0 ? "" : ` with ${counted(seasons, "season")}`);
  return `${counted(titles.length, "title")}: ${counted(films, "film")} and ${shows}${where}`;
}

function leftOut(library: Library | null): string[] {
  return [...library?.skipped ?? []].map(([reason, { count, first }]) =>
    `Left out, ${reason}: ${count}, first ${harmless(shown(first))}`
  );
}

/** A number of things. */
export function counted(count: number, one: string): string {
  return `${count} ${one}${count === 1 ? "" : "s"}`;
}

/** Requests, and the time that they take at a rate. */
export function estimate(requests: number, perSecond: number): string {
  const seconds = Math.ceil(requests / perSecond);
  const time = seconds < 90
    ? `${seconds} s`
    : seconds < 5_400
    ? `${Math.round(seconds / 60)} min`
    : `${(seconds / 3_600).toFixed(1)} h`;
  return `${counted(requests, "request")}, at most ${
    Math.round(perSecond * 10) / 10
  } a second: ${time} and more, less what is fresh`;
}

/** Paths and bytes of a job, at most: those of an order. */
const MAX_PATHS = 10_000;
const MAX_BYTES = 900_000;

/** Targets in pieces that one order takes. */
export function pieces(targets: readonly string[]): string[][] {
  const all: string[][] = [];
  let bytes = Infinity;
  for (const target of targets) {
    // With the quotes and the comma.
    bytes += target.length + 3;
    if (bytes > MAX_BYTES || all.at(-1)!.length === MAX_PATHS) {
      all.push([]);
      bytes = target.length + 3;
    }
    all.at(-1)!.push(target);
  }
  return all;
}
