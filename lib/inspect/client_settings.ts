import { type Client, type Way, WAY_WORDS } from "../clients/client.ts";
import { CLIENTS } from "../clients/client_table.ts";
import { isUnix } from "../config/addresses.ts";
import type { Config } from "../config/config.ts";
import { filled, type OpenWay, openWays, originOf } from "./open_ways.ts";

/** What to set in a client so that it asks this gateway. */
export interface ClientSetting {
  readonly client: string;
  /** Its word on the command line, and the name of its page in docs/clients/. */
  readonly word: string;
  /** The way that it takes here; `null` where none of its ways is open. */
  readonly way: Way | null;
  /** Where; `null` where there is nothing to set. */
  readonly setting: string | null;
  /** What, ready to be copied; `null` where there is nothing to set. */
  readonly value: string | null;
  /** What else that client needs. */
  readonly needs: string;
}

/** What clients are pointed at. */
export interface ClientSettings {
  /** The name that stands in the values. */
  readonly host: string;
  /** Where each listener is reached that serves any host. */
  readonly base_urls: ReadonlyArray<{ readonly listener: string; readonly url: string }>;
  /** For clients of TMDB; none where no way is open to its API. */
  readonly clients: readonly ClientSetting[];
  readonly notes: readonly string[];
}

/**
 * What to set in clients so that they ask this gateway, which a browser reaches as `host`.
 *
 * @param host Without a port.
 */
export function clientSettings(config: Config, host: string): ClientSettings {
  const open = config.listeners.filter(({ hosts, listen }) => hosts.length === 0 && !isUnix(listen));
  const ways = openWays(config, host);
  const notes = [
    ...(isThisMachine(host) ? [`${host} is this machine alone: other machines need its name or address`] : []),
    ...(ways.length === 0
      ? ["No listener serves a pool of type tmdb-api under /3: by any host, by TMDB's names, or by a forward proxy"]
      : []),
    ...(ways.some(({ needsToken }) => needsToken) ? ["A way is closed: clients need a token, see docs/access.md"] : []),
  ];
  return {
    host,
    base_urls: open.map((listener) => ({
      listener: listener.name,
      url: originOf(listener, host) + (listener.prefix === "/" ? "" : listener.prefix),
    })),
    clients: ways.length === 0 ? [] : CLIENTS.map((client) => settingOf(client, ways)),
    notes,
  };
}

function settingOf(client: Client, open: readonly OpenWay[]): ClientSetting {
  const { name, word, needs, ways } = client;
  for (const { way, setting, value } of ways) {
    const found = open.find((one) => one.way === way);
    if (found === undefined) continue;
    const ready = value === null ? null : filled(value, found);
    const beside = way === "dns" ? `its name server leads TMDB's names here; ${needs}` : needs;
    return { client: name, word, way, setting, value: ready, needs: beside };
  }
  const closed = ways.length === 0
    ? needs
    : `${ways.map(({ way }) => WAY_WORDS[way].title).join(", or ")}: not open here, see docs/clients/${word}.md`;
  return { client: name, word, way: null, setting: null, value: null, needs: closed };
}

function isThisMachine(host: string): boolean {
  return host === "localhost" || host === "[::1]" || /^127\.[\d.]+$/.test(host);
}
