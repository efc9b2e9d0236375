import { dirname } from "node:path";
import { formatListenAddress, isUnix, type ListenAddress, type UnixAddress } from "../../config/addresses.ts";
import type { ListeningPlace } from "../../config/load.ts";
import type { Located } from "../../config/yaml/located.ts";

const NOT_ALLOWED = "an address that Deno may listen on (--allow-net)";

/** What keeps an address from being listened on; `null` where nothing does. */
function bindProblem(address: ListenAddress, reusePort: boolean): string | null {
  if (isUnix(address)) return socketProblem(address);
  // Asked first: on a terminal Deno asks for the permission, and waits.
  const { state } = Deno.permissions.querySync({ name: "net", host: formatListenAddress(address) });
  if (state !== "granted") return NOT_ALLOWED;
  try {
    Deno.listen({ hostname: address.hostname, port: address.port, reusePort }).close();
    return null;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return "a free port: another process listens on it";
    if (error instanceof Deno.errors.AddrNotAvailable) return "an address of this machine";
    if (error instanceof Deno.errors.NotCapable) return NOT_ALLOWED;
    if (error instanceof Deno.errors.PermissionDenied) {
      return "a port that this user may listen on (most often 1024 or more)";
    }
    return "an address that can be listened on";
  }
}

/**
 * What keeps the file of a unix socket from being made. It is not tried: that would leave a file. A socket that is there already is
 * one of a gateway that runs, or what one has left that did not end well; the start takes the latter away.
 */
function socketProblem({ path }: UnixAddress): string | null {
  const folder = statOf(dirname(path));
  if (folder === "missing" || (folder !== null && !folder.isDirectory)) return "a path in a folder that exists";
  const file = statOf(path);
  // Where the system does not say that it is a socket, it says nothing of the kind about any file.
  const isOther = file !== null && file !== "missing" && file.isSocket === false;
  return isOther ? "a path where no other file is" : null;
}

/** `null` where the process may not know. */
function statOf(path: string): Deno.FileInfo | "missing" | null {
  try {
    return Deno.statSync(path);
  } catch (error) {
    return error instanceof Deno.errors.NotFound ? "missing" : null;
  }
}

/**
 * Tries to listen on every address for a moment, and says which cannot be had. `held` are addresses that this process
 * listens on already (at a reload): they are not tried. With `reusePort` an address may be shared with another gateway of this user.
 */
export function portsInUse(
  places: readonly ListeningPlace[],
  held: readonly ListenAddress[] = [],
  reusePort = false,
): Located[] {
  const skip = new Set(held.map(formatListenAddress));
  return places.filter(({ address }) => !skip.has(formatListenAddress(address))).flatMap((place) => {
    const problem = bindProblem(place.address, reusePort);
    const { file, line, column, path } = place;
    return problem === null ? [] : [{ file, line, column, path, message: `found ${place.found} expected ${problem}` }];
  });
}
