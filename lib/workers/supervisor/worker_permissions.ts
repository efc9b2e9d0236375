import { dirname } from "node:path";
import { isUnix } from "../../config/addresses.ts";
import type { Config } from "../../config/config.ts";

/** Kinds of workers, as their permissions differ. */
export type PermittedRole = "serving" | "health" | "image";

/** What the permissions of workers depend on. */
export interface WrittenPlaces extends Pick<Config, "listeners"> {
  /** `server.data_dir` as it was at the start: a reload does not change it. */
  readonly dataDir: string;
}

/**
 * What a worker may do: no more than its work needs, even if the process may do more. It writes in `server.data_dir`, a serving worker
 * also in the folders of its unix sockets; it starts no program and sees no environment. Only the image worker loads native code,
 * and `sharp` reads the environment. What the process itself was not given stays out, since asking for it would be an error.
 */
export function workerPermissions(role: PermittedRole, places: WrittenPlaces): Deno.PermissionOptionsObject {
  const folders = writtenFolders(role, places).filter((path) => isGranted({ name: "write", path }));
  return {
    net: "inherit",
    read: "inherit",
    import: "inherit",
    write: folders.length === 0 ? false : folders,
    env: role === "image" ? "inherit" : false,
    sys: isGranted({ name: "sys", kind: "statfs" }) ? ["statfs"] : false,
    run: false,
    ffi: role === "image" ? "inherit" : false,
  };
}

/**
 * Folders that the listeners of `next` need and that workers started for `started` may not write in: permissions cannot be widened
 * while a worker runs. None where the process itself may not write there, as then a restart would not help.
 */
export function foldersOutOfReach(started: WrittenPlaces, next: Pick<Config, "listeners">): string[] {
  const known = writtenFolders("serving", started);
  const wanted = writtenFolders("serving", { dataDir: started.dataDir, listeners: next.listeners });
  return wanted.filter((path) => !known.some((folder) => isBelow(path, folder)) && isGranted({ name: "write", path }));
}

function writtenFolders(role: PermittedRole, { dataDir, listeners }: WrittenPlaces): string[] {
  if (role === "image") return [];
  const sockets = role === "health"
    ? []
    : listeners.flatMap(({ listen }) => isUnix(listen) ? [dirname(listen.path)] : []);
  return [...new Set([dataDir, ...sockets])];
}

function isBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith("/") ? folder : `${folder}/`);
}

function isGranted(permission: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(permission).state === "granted";
}
