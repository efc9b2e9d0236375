import { API_HOSTS, IMAGE_HOST } from "../clients/client_table.ts";
import type { Way } from "../clients/client.ts";
import { formatListenAddress, isUnix, type TcpAddress } from "../config/addresses.ts";
import type { Config } from "../config/config.ts";
import { servingAddress } from "../config/forward_proxies.ts";
import type { ListenerConfig } from "../config/listener.ts";

/** A way by which clients reach TMDB's API through a configuration's listeners. */
export interface OpenWay {
  readonly way: Way;
  /** The listeners, or the forward proxy, that it leads to. */
  readonly through: readonly string[];
  /** What stands for `{base}`, `{name}`, `{proxy}` and `{prefix}` in the value that is set in a client. */
  readonly values: Readonly<Record<string, string>>;
  /** What a client asks for, without the path: of the API, and of pictures, `null` where no listener serves them. */
  readonly api: string;
  readonly images: string | null;
  /** Where connections go; `null` for where the name leads. */
  readonly address: TcpAddress | null;
  /** Where the forward proxy listens; `null` where it is none of those. */
  readonly proxy: TcpAddress | null;
  /** Whether clients need a token. */
  readonly needsToken: boolean;
}

/** The ways that are open, each once, as clients that know the machine as `host` take them. */
export function openWays(config: Config, host: string): OpenWay[] {
  return [baseUrl(config, host), httpsName(config), forwardProxy(config, host), ownNames(config), prefix(config, host)]
    .filter((one) => one !== null);
}

/** A value with what stands in its braces filled in. */
export function filled(value: string, { values }: Pick<OpenWay, "values">): string {
  return value.replaceAll(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
}

/** Where a listener is reached: its public URL, or its address, by the name that clients know the machine by. */
export function originOf({ listen, tls, publicUrl }: ListenerConfig, host: string): string {
  if (publicUrl !== null) return publicUrl.replace(/\/$/, "");
  const scheme = tls === null ? "http" : "https";
  if (isUnix(listen)) return `${scheme}://${host}`;
  return new URL(`${scheme}://${formatListenAddress({ hostname: hostAt(listen, host), port: listen.port })}`).origin;
}

/** A listener at one address is reached there alone. */
function hostAt(listen: TcpAddress, host: string): string {
  const isAny = listen.hostname === "0.0.0.0" || listen.hostname === "::";
  return isAny ? host.replace(/^\[|\]$/g, "") : listen.hostname;
}

/** Listeners of a type of pool under a prefix, which the root serves too. */
function serving({ listeners, pools }: Config, type: string, prefix: string): ListenerConfig[] {
  return listeners.filter((listener) =>
    [prefix, "/"].includes(listener.prefix) && !listener.redirectToHttps &&
    pools.some((pool) => pool.name === listener.pool && pool.type === type)
  );
}

function isOpen({ hosts, listen }: ListenerConfig): boolean {
  return hosts.length === 0 && !isUnix(listen);
}

function addressOf({ listen }: ListenerConfig): TcpAddress | null {
  return isUnix(listen) ? null : listen;
}

function baseUrl(config: Config, host: string): OpenWay | null {
  const api = serving(config, "tmdb-api", "/3").find(isOpen);
  if (api === undefined) return null;
  const base = originOf(api, host);
  const images = serving(config, "tmdb-image", "/t/p").filter(isOpen);
  const near = images.find((one) => originOf(one, host) === base) ?? images[0];
  return {
    way: "base-url",
    through: [api.name, ...near === undefined ? [] : [near.name]],
    values: { base, name: base.replace(/^https?:\/\//, "") },
    api: base,
    images: near === undefined ? null : originOf(near, host),
    address: api.publicUrl === null ? addressOf(api) : null,
    proxy: null,
    needsToken: api.auth !== null,
  };
}

/** The name of a listener that clients reach by HTTPS, at itself or at a program before it. */
function publicName({ publicUrl, tls, hosts }: ListenerConfig): string | null {
  if (publicUrl !== null) return publicUrl.startsWith("https:") ? new URL(publicUrl).host : null;
  const named = [...hosts, ...tls?.acme?.hosts ?? [], ...(tls?.certificates ?? []).flatMap(({ names }) => names)];
  const isTmdb = (name: string) => name === IMAGE_HOST || (API_HOSTS as readonly string[]).includes(name);
  return tls === null ? null : named.find((name) => !name.startsWith("*") && !isTmdb(name)) ?? null;
}

function httpsName(config: Config): OpenWay | null {
  for (const api of serving(config, "tmdb-api", "/3")) {
    const name = publicName(api);
    if (name === null) continue;
    const port = api.publicUrl === null && !isUnix(api.listen) && api.listen.port !== 443 ? `:${api.listen.port}` : "";
    const full = name + port;
    const images = serving(config, "tmdb-image", "/t/p").find((one) => publicName(one) === name);
    return {
      way: "https-name",
      through: [api.name, ...images === undefined ? [] : [images.name]],
      values: { name: full, base: `https://${full}` },
      api: `https://${full}`,
      images: images === undefined ? null : `https://${full}`,
      // Before a plain listener stands another program.
      address: api.tls === null ? null : addressOf(api),
      proxy: null,
      needsToken: api.auth !== null,
    };
  }
  return null;
}

function ofHost(listeners: readonly ListenerConfig[], host: string): ListenerConfig | undefined {
  return listeners.find(({ hosts, tls, listen }) => hosts.includes(host) && tls !== null && !isUnix(listen));
}

function ownNames(config: Config): OpenWay | null {
  const api = ofHost(serving(config, "tmdb-api", "/3"), API_HOSTS[0]);
  // A port that no name leads to is for a forward proxy alone.
  if (api === undefined || addressOf(api)?.port !== 443 && config.forwardProxies.length > 0) return null;
  const images = ofHost(serving(config, "tmdb-image", "/t/p"), IMAGE_HOST);
  return {
    way: "dns",
    through: [api.name, ...images === undefined ? [] : [images.name]],
    values: {},
    api: `https://${API_HOSTS[0]}`,
    images: images === undefined ? null : `https://${IMAGE_HOST}`,
    address: addressOf(api),
    proxy: null,
    needsToken: api.auth !== null,
  };
}

function forwardProxy({ forwardProxies, listeners }: Config, host: string): OpenWay | null {
  const proxy = forwardProxies.find(({ hosts }) => hosts.includes(API_HOSTS[0]));
  if (proxy === undefined) return null;
  const servers = listeners.map(({ hosts, tls, listen }) => ({ hosts, tls, address: listen }));
  const { hostname, port } = { ...proxy.listen, hostname: hostAt(proxy.listen, host) };
  const token = proxy.tokenHash === null ? "" : "usher:TOKEN@";
  return {
    way: "proxy",
    through: [proxy.name],
    values: { proxy: `http://${token}${formatListenAddress({ hostname, port })}` },
    api: `https://${API_HOSTS[0]}`,
    images: proxy.hosts.includes(IMAGE_HOST) ? `https://${IMAGE_HOST}` : null,
    address: servingAddress(API_HOSTS[0], servers),
    proxy: proxy.listen,
    needsToken: proxy.tokenHash !== null,
  };
}

const API_PREFIX = /^(.*\/)https?:\/\/api\.(?:themoviedb|tmdb)\.org$/;
const IMAGE_PREFIX = /\/https?:\/\/image\.tmdb\.org$/;

function prefix({ listeners }: Config, host: string): OpenWay | null {
  const open = listeners.filter((one) => isOpen(one) && one.stripPrefix);
  const api = open.find((one) => API_PREFIX.test(one.prefix));
  const images = open.find((one) => IMAGE_PREFIX.test(one.prefix));
  if (api === undefined) return null;
  const origin = originOf(api, host);
  return {
    way: "prefix",
    through: [api.name, ...images === undefined ? [] : [images.name]],
    values: { prefix: origin + API_PREFIX.exec(api.prefix)![1]! },
    api: origin + api.prefix,
    images: images === undefined ? null : originOf(images, host) + images.prefix,
    address: api.publicUrl === null ? addressOf(api) : null,
    proxy: null,
    needsToken: api.auth !== null,
  };
}
