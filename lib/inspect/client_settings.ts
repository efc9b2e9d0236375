import { formatListenAddress, isUnix } from "../config/addresses.ts";
import type { Config } from "../config/config.ts";
import type { ListenerConfig } from "../config/listener.ts";

/** What to set in a client so that it asks this gateway. */
export interface ClientSetting {
  readonly client: string;
  /** Where; `null` for a client that has no setting and is led here by DNS. */
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
  /** For clients of TMDB; none where no listener serves its API under `/3`. */
  readonly clients: readonly ClientSetting[];
  readonly notes: readonly string[];
}

const HTTPS = "HTTPS with a certificate that it trusts";
const DNS = "TMDB's names have to lead here (DNS override), with a certificate that it trusts";

/** Settings by client, as docs/clients.md has them in full: `{base}` is a URL, `{name}` its host and port. */
const CLIENTS: ReadonlyArray<readonly [client: string, setting: string | null, value: string | null, needs: string]> = [
  ["Emby with StrmAssistant", "Alternative MovieDb API URL and image URL", "{base}", "both fields"],
  ["MoviePilot", "TMDB_API_DOMAIN and TMDB_IMAGE_DOMAIN", "{name}", HTTPS],
  ["emby-toolkit", "TMDB base URL", "{base}/3", "nothing"],
  ["TorrServer", "TMDB settings: API URL and image URL", "{base}", "nothing"],
  ["Lampa", "tmdb_proxy_api and tmdb_proxy_image", "{base}/3 and {base}", "HTTPS where its page is served so"],
  ["Jellyfin", null, null, DNS],
  ["Kodi", null, null, DNS],
  ["Seerr", null, null, DNS],
  ["curl and your own code", "the URL", "{base}/3/movie/550", "nothing"],
];

/**
 * What to set in clients so that they ask this gateway, which a browser reaches as `host`.
 *
 * @param host Without a port.
 */
export function clientSettings({ listeners, pools }: Config, host: string): ClientSettings {
  const open = listeners.filter(({ hosts, listen }) => hosts.length === 0 && !isUnix(listen));
  const api = open.find(({ prefix, pool }) =>
    prefix === "/3" && pools.some(({ name, type }) => name === pool && type === "tmdb-api")
  );
  const base = api === undefined ? null : originOf(api, host);
  const fill = (text: string) => text.replaceAll("{base}", base ?? "").replaceAll("{name}", nameIn(base ?? ""));
  const notes = [
    ...(isThisMachine(host) ? [`${host} is this machine alone: other machines need its name or address`] : []),
    ...(base === null ? ["No listener without `host` serves a pool of type tmdb-api under /3"] : []),
    ...(api?.auth == null ? [] : ["The listener is closed: clients need a token, see docs/access.md"]),
  ];
  return {
    host,
    base_urls: open.map((listener) => ({
      listener: listener.name,
      url: originOf(listener, host) + (listener.prefix === "/" ? "" : listener.prefix),
    })),
    clients: base === null ? [] : CLIENTS.map(([client, setting, value, needs]) => ({
      client,
      setting,
      value: value === null ? null : fill(value),
      needs,
    })),
    notes,
  };
}

function originOf({ listen, tls, publicUrl }: ListenerConfig, host: string): string {
  if (publicUrl !== null) return publicUrl.replace(/\/$/, "");
  const scheme = tls === null ? "http" : "https";
  if (isUnix(listen)) return `${scheme}://${host}`;
  // A listener at one address is reached there alone.
  const isAny = listen.hostname === "0.0.0.0" || listen.hostname === "::";
  const named = isAny ? host.replace(/^\[|\]$/g, "") : listen.hostname;
  return new URL(`${scheme}://${formatListenAddress({ hostname: named, port: listen.port })}`).origin;
}

function nameIn(base: string): string {
  return base.replace(/^https?:\/\//, "");
}

function isThisMachine(host: string): boolean {
  return host === "localhost" || host === "[::1]" || /^127\.[\d.]+$/.test(host);
}
