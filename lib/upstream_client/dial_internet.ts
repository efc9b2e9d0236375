import { plainAddress } from "../http/forwarded.ts";
import { isInternetAddress, isIpLiteral, isPublicName } from "./_address.ts";
import { connectTo, type Lookup, sharedLookup, systemLookup, unlessAborted } from "./_dial.ts";
import { UpstreamFailure } from "./transport.ts";

/** A place of the Internet that somebody else has named. */
export interface InternetPlace {
  /** Name or address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

/** What dialling takes from outside. */
export interface InternetDialOptions {
  /** @default the system's look-up */
  readonly lookup?: Lookup;
  /** Connects to one of these addresses. @default by TCP */
  readonly connect?: (addresses: readonly string[], port: number, signal: AbortSignal) => Promise<Deno.TcpConn>;
}

/** Opens a connection to a place of the Internet. */
export type InternetDial = (place: InternetPlace, signal: AbortSignal) => Promise<Deno.TcpConn>;

/**
 * Makes what opens connections to places of the Internet, and to no other: a name is looked up once, and exactly the addresses that were
 * checked are connected to. The addresses of this machine are none of them.
 *
 * @throws {UpstreamFailure} `resolve`, `refused_address` or `connect`; soon after the signal has aborted too
 */
export function internetDial({ lookup = systemLookup, connect = connectTo }: InternetDialOptions = {}): InternetDial {
  const shared = sharedLookup(lookup);
  return async ({ host, port }, signal) => {
    const addresses = await addressesOf(host, shared, signal);
    const socket = await connect(addresses, port, signal);
    const { localAddr, remoteAddr } = socket;
    if ("hostname" in localAddr && "hostname" in remoteAddr && isSame(localAddr.hostname, remoteAddr.hostname)) {
      socket.close();
      throw refused(`"${host}" is this machine`);
    }
    return socket;
  };
}

async function addressesOf(host: string, lookup: Lookup, signal: AbortSignal): Promise<string[]> {
  if (isIpLiteral(host)) {
    if (isInternetAddress(host)) return [host];
    throw refused(`"${host}" is no address of the Internet`);
  }
  if (!isPublicName(host)) throw refused(`"${host}" is no name of the public DNS`);
  const found = await lookedUp(host, lookup, signal);
  const allowed = found.filter(isInternetAddress);
  if (allowed.length > 0) return allowed;
  throw refused(`"${host}" has no address of the Internet`);
}

async function lookedUp(host: string, lookup: Lookup, signal: AbortSignal): Promise<string[]> {
  try {
    return await unlessAborted(signal, lookup(host));
  } catch (error) {
    throw new UpstreamFailure("resolve", `Cannot connect: name "${host}" not resolved`, false, { cause: error });
  }
}

function refused(what: string): UpstreamFailure {
  return new UpstreamFailure("refused_address", `Cannot connect: ${what}`, false);
}

/** An address of one socket, by either of its ends. */
function isSame(local: string, remote: string): boolean {
  return plainAddress(local) === plainAddress(remote);
}
