import { overlaps, parseListenAddress } from "../../lib/config/addresses.ts";
import type { ListenAddress } from "../../lib/config/addresses.ts";
import type { Loaded } from "../../lib/config/load.ts";
import { formatLocated } from "../../lib/config/yaml/located.ts";
import type { PeerFigures } from "../../lib/server/peer_sight.ts";
import { portsInUse } from "../../lib/workers/supervisor/ports_in_use.ts";
import { adminAccess, askAdmin } from "./admin_client.ts";
import { notGateway } from "./running_gateway.ts";
import { print } from "./terminal.ts";

/** As much of `/status` as tells where a gateway listens. */
interface Listening {
  readonly pid?: number;
  readonly listeners?: readonly { readonly listen: string }[];
  readonly peers?: PeerFigures;
}

/** What the running gateway of a configuration says of its addresses. */
export interface HeldAddresses {
  readonly held: ListenAddress[];
  readonly hint: string[];
  /** Where its connections came from; `null` where it does not say. */
  readonly peers: PeerFigures | null;
}

const NOTHING_HELD: HeldAddresses = { held: [], hint: [], peers: null };

/**
 * Says which addresses of a sound configuration cannot be listened on; answers `check`'s exit status. Those that the running gateway
 * has are its own after a reload or restart too: it is the one that was started with this file, or that is at its admin address.
 */
export async function checkPorts(loaded: Loaded, config: string | undefined): Promise<number> {
  const busy = portsInUse(loaded.listening);
  if (busy.length === 0) return 0;
  const { held, hint } = await heldByGateway(config);
  const left = portsInUse(loaded.listening.filter(({ address }) => !held.some((own) => overlaps(own, address))));
  if (left.length === 0) return print("The ports in use are those of the gateway that runs");
  print([...left.map(formatLocated), ...hint].join("\n"));
  return 1;
}

/** Where the running gateway of a configuration listens; none, with a hint perhaps, where that cannot be told. */
export async function heldByGateway(config: string | undefined): Promise<HeldAddresses> {
  const access = await adminAccess({ config });
  try {
    const reply = await askAdmin(access, "GET /status");
    if (reply.status === 401) {
      const hint =
        `A gateway runs at ${access.url} and takes another token: which ports are its own cannot be told (--skip-ports)`;
      return { ...NOTHING_HELD, hint: [hint] };
    }
    if (!reply.ok) return NOTHING_HELD;
    const { peers = null } = reply.value as Listening;
    return { held: heldAddresses(access.url, reply.value).addresses, hint: [], peers };
  } catch {
    return NOTHING_HELD;
  }
}

/**
 * The process that `/status` tells of, and where it listens, its admin address first.
 *
 * @throws {Error} when what answered is no gateway
 */
export function heldAddresses(
  url: string,
  status: unknown,
): { readonly pid: number; readonly addresses: ListenAddress[] } {
  const { pid, listeners } = status as Listening;
  if (pid === undefined || listeners === undefined) throw new Error(notGateway(url, 200));
  return { pid, addresses: [new URL(url).host, ...listeners.map(({ listen }) => listen)].flatMap(addressOf) };
}

function addressOf(text: string): ListenAddress | [] {
  if (text.startsWith("unix:")) return { path: text.slice("unix:".length), mode: 0 };
  return parseListenAddress(text) ?? [];
}
