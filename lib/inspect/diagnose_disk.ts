import { messageOf } from "../errors.ts";
import { dirname, join, relative } from "node:path";
import { foreignKvFile, inspectKvFile } from "../cache/disk/kv_inspect.ts";
import { freeBytesBeside, openKvFile } from "../cache/disk/kv_open.ts";
import { systemClock } from "../clock.ts";
import type { Config } from "../config/config.ts";
import { type Finding, shownSize } from "./finding.ts";

/** What looking at the disk takes. */
export interface DiskOptions {
  /** For opening the KV file. */
  readonly timeoutMs: number;
  /** Whether a gateway with this configuration runs now: its file is left alone then. */
  readonly isRunning: boolean;
}

const NAME = "usher.kv";

/** Looks at `server.data_dir`, the KV file in it and the room beside it. What it writes it removes again. */
export async function diagnoseDisk(config: Config, options: DiskOptions): Promise<Finding[]> {
  const { dataDir } = config.server;
  const folder = await folderFinding(dataDir);
  const isUsable = folder.state === "ok" && await isFolder(dataDir);
  const file = isUsable ? await fileFinding(join(dataDir, NAME), options) : null;
  return [folder, ...(file === null ? [] : [file]), await roomFinding(config)];
}

/** Whether the folder can be written to. */
async function folderFinding(dataDir: string): Promise<Finding> {
  const check = "data_dir";
  const shown = shownPath(dataDir);
  const { state } = await Deno.permissions.query({ name: "write", path: dataDir });
  if (state !== "granted") {
    const remedy = `give the gateway and this command --allow-write=${shown}, as \`deno task\` does`;
    return { check, state: "warn", text: `${shown}: this process was not allowed to write there`, remedy };
  }
  try {
    await Deno.remove(await Deno.makeTempFile({ dir: dataDir, prefix: ".usher-doctor-" }));
    return { check, state: "ok", text: `${shown} can be written to`, remedy: null };
  } catch (error) {
    const remedy = "give it to the user that the gateway runs as, or set another `server.data_dir`";
    if (!(error instanceof Deno.errors.NotFound) || await exists(dataDir)) {
      return { check, state: "fail", text: `${shown} cannot be written to: ${messageOf(error)}`, remedy };
    }
    const foreign = foreignKvFile(join(dataDir, NAME));
    if (foreign !== null) return { check, state: "fail", text: `${shown} cannot be made: ${foreign}`, remedy };
    return { check, state: "ok", text: `${shown} is not there yet: the start makes it`, remedy: null };
  }
}

/** A path as it reads best: from the working directory, where it lies below that. */
function shownPath(path: string): string {
  const short = relative(Deno.cwd(), path);
  return short === "" || short.startsWith("..") ? path : `./${short}`;
}

/** Whether the file can be opened, as the start will do. */
async function fileFinding(path: string, { timeoutMs, isRunning }: DiskOptions): Promise<Finding> {
  const check = "kv";
  if (!await exists(path)) return { check, state: "ok", text: `no ${NAME} yet: the start makes it`, remedy: null };
  if (isRunning) return { check, state: "ok", text: `${NAME} is in use by the gateway that runs`, remedy: null };
  const foreign = foreignKvFile(path);
  if (foreign !== null) {
    const remedy = "the gateway would serve from memory alone: give the file to the user that it runs as";
    return { check, state: "warn", text: foreign, remedy };
  }
  const verdict = inspectKvFile(path);
  if (verdict.kind === "sound") return await openingFinding(path, timeoutMs);
  const text = `${NAME}: ${verdict.problem}`;
  if (verdict.kind === "locked") {
    return {
      check,
      state: "warn",
      text,
      remedy: "another process has it: stop that one, or give this gateway a `server.data_dir` of its own",
    };
  }
  if (verdict.kind === "full") return { check, state: "fail", text, remedy: "make room on the disk" };
  return { check, state: "warn", text, remedy: "nothing to do: the start puts it aside and begins a new one" };
}

async function openingFinding(path: string, deadlineMs: number): Promise<Finding> {
  const check = "kv";
  let problem = `did not open within ${deadlineMs} ms`;
  const log = {
    warn: (_: string, fields?: Readonly<Record<string, unknown>>) => problem = String(fields?.["error"] ?? problem),
  };
  const kv = await openKvFile(path, { clock: systemClock, log, deadlineMs });
  kv?.close();
  if (kv !== null) return { check, state: "ok", text: `${NAME} opens`, remedy: null };
  return {
    check,
    state: "fail",
    text: `${NAME}: ${problem}`,
    remedy: "without it the gateway serves from memory alone: move the file away",
  };
}

/** Whether the disk has room for what the cache may take. */
async function roomFinding({ cache, server: { dataDir } }: Config): Promise<Finding> {
  const check = "disk";
  if (cache.diskBytes === 0) {
    return { check, state: "ok", text: "the disk tier is off (`cache.disk: 0`)", remedy: null };
  }
  const freeBytes = freeBytesBeside(join(await nearestFolder(dataDir), NAME));
  if (freeBytes === null) {
    return { check, state: "skip", text: "free space is not known (--allow-sys=statfs)", remedy: null };
  }
  const heldBytes = await sizeOf(join(dataDir, NAME));
  const wantedBytes = Math.max(0, cache.diskBytes - heldBytes);
  const text = `${shownSize(freeBytes)} free, \`cache.disk\` ${shownSize(cache.diskBytes)} with ${
    shownSize(heldBytes)
  } in use`;
  if (freeBytes < cache.minFreeDiskBytes) {
    const least = shownSize(cache.minFreeDiskBytes);
    return {
      check,
      state: "fail",
      text,
      remedy: `nothing is stored with less than ${least} free (\`cache.min_free_disk\`): make room`,
    };
  }
  if (freeBytes - cache.minFreeDiskBytes >= wantedBytes) return { check, state: "ok", text, remedy: null };
  const most = shownSize(freeBytes - cache.minFreeDiskBytes + heldBytes);
  return {
    check,
    state: "warn",
    text,
    remedy: `the disk would fill up first: lower \`cache.disk\` to ${most} or less`,
  };
}

async function nearestFolder(path: string): Promise<string> {
  for (let folder = path; folder !== dirname(folder); folder = dirname(folder)) {
    if (await isFolder(folder)) return folder;
  }
  return dirname(path);
}

async function isFolder(path: string): Promise<boolean> {
  return await Deno.stat(path).then(({ isDirectory }) => isDirectory, () => false);
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

async function sizeOf(path: string): Promise<number> {
  return await Deno.stat(path).then(({ size }) => size, () => 0);
}
