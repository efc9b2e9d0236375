/** Bytes of a file that are read at most: a configuration, a secret or a list of authorities is far smaller. */
export const MAX_FILE_BYTES = 4 * 1024 ** 2;

/** A file that cannot be used as text; the message says why, without the file's name. */
export class UnusableFile extends Error {
  override readonly name = "UnusableFile";
}

/** Everything up to the limit, and one byte more where there is more. */
async function readBytes(file: Deno.FsFile): Promise<Uint8Array> {
  const bytes = new Uint8Array(MAX_FILE_BYTES + 1);
  let length = 0;
  while (length < bytes.length) {
    const count = await file.read(bytes.subarray(length));
    if (count === null) break;
    length += count;
  }
  return bytes.subarray(0, length);
}

/**
 * The text of a file, at most {@linkcode MAX_FILE_BYTES} of it.
 *
 * @throws {UnusableFile} where it is too large or not UTF-8
 * @throws {Deno.errors.NotFound} and the other errors of opening and reading a file
 */
export async function readText(path: string): Promise<string> {
  // Asked first: on a terminal Deno asks for the permission, and waits.
  if (Deno.permissions.querySync({ name: "read", path }).state !== "granted") throw new Deno.errors.NotCapable(path);
  // Opening one would wait for whoever writes to it, for ever; what a shell opened for this process is there.
  if (!/^\/(?:dev|proc)\//.test(path) && (await Deno.stat(path)).isFifo) throw new UnusableFile("it is a pipe");
  using file = await Deno.open(path);
  const bytes = await readBytes(file);
  if (bytes.length > MAX_FILE_BYTES) throw new UnusableFile(`it is larger than ${MAX_FILE_BYTES / 1024 ** 2}MiB`);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new UnusableFile("it is not UTF-8 text");
  }
}

/** Permission bits of a file, of what a link leads to; `null` where the system has none. */
export async function fileMode(path: string): Promise<number | null> {
  return (await Deno.stat(path)).mode;
}

/** A name in a folder. */
export interface FolderEntry {
  readonly name: string;
  /** Of what a link leads to. */
  readonly isDirectory: boolean;
}

/** Names in a folder that are read at most. */
const MAX_ENTRIES = 10_000;

/**
 * What is in a folder, the first 10,000 names.
 *
 * @throws {Deno.errors.NotFound} and the other errors of reading a folder
 */
export async function listFolder(path: string): Promise<FolderEntry[]> {
  if (Deno.permissions.querySync({ name: "read", path }).state !== "granted") throw new Deno.errors.NotCapable(path);
  const entries: FolderEntry[] = [];
  for await (const { name, isDirectory, isSymlink } of Deno.readDir(path)) {
    entries.push({ name, isDirectory: isSymlink ? await isFolder(`${path}/${name}`) : isDirectory });
    if (entries.length === MAX_ENTRIES) break;
  }
  return entries;
}

/** What keeps a folder from being read, as the end of a sentence; `null` for nothing. Its names are not read through. */
export async function folderProblem(path: string): Promise<string | null> {
  if (Deno.permissions.querySync({ name: "read", path }).state !== "granted") {
    return "Deno was not given the permission to read it (--allow-read)";
  }
  try {
    for await (const _ of Deno.readDir(path)) break;
    return null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "there is no such folder";
    if (error instanceof Deno.errors.PermissionDenied) return "this user may not read it";
    return error instanceof Deno.errors.NotADirectory ? "it is no folder" : "it cannot be read";
  }
}

/** A link that leads nowhere is no folder: reading it says what is wrong. */
async function isFolder(path: string): Promise<boolean> {
  return await Deno.stat(path).then((found) => found.isDirectory, () => false);
}

/** What kept a file from being read, and what to do, for the end of a sentence about the file. */
export function explainReadError(error: unknown): string {
  if (error instanceof UnusableFile) return error.message;
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  if (error instanceof Deno.errors.IsADirectory) return "it is a directory";
  if (error instanceof Deno.errors.NotCapable) return "Deno was not given the permission to read it (--allow-read)";
  if (error instanceof Deno.errors.PermissionDenied) return "this user may not read it";
  return "it cannot be read";
}
