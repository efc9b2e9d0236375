import { formatListenAddress, isUnix } from "../config/addresses.ts";
import type { Config } from "../config/config.ts";
import type { ListenerConfig } from "../config/listener.ts";
import type { TlsConfig } from "../config/tls.ts";
import type { ListenFacts } from "../request/snapshot.ts";
import { TlsFront } from "../server/tls_identity.ts";

const HTTPS_PORT = 443;

/**
 * What TLS is spoken with at an address, of what its listeners say; `null` where it is plain.
 *
 * @throws {Error} where a certificate or a key cannot be read
 */
export function compileTls(parts: readonly (TlsConfig | null)[]): TlsFront | null {
  const said = parts.filter((part) => part !== null);
  if (said.length === 0) return null;
  return new TlsFront({
    identities: [...new Set(said.flatMap(({ certificates }) => certificates))],
    minVersion: said.find(({ minVersion }) => minVersion !== null)?.minVersion ?? "1.2",
    http2: said.find(({ http2 }) => http2 !== null)?.http2 ?? true,
  });
}

/**
 * How each address of a configuration is listened on, by its name.
 *
 * @throws {Error} as {@linkcode compileTls} does
 */
export function compileListens(config: Config): Map<string, ListenFacts> {
  const byAddress = Map.groupBy(config.listeners, ({ listen }) => formatListenAddress(listen));
  const port = httpsPort(config);
  return new Map([...byAddress].map(([address, listeners]) => [address, factsOf(listeners, port)]));
}

/** What is said of an address is the same for all its listeners, but for the certificates, which add up. */
function factsOf(listeners: readonly ListenerConfig[], port: number): ListenFacts {
  const [{ listen, proxyProtocol, redirectToHttps }] = listeners as readonly [ListenerConfig];
  return {
    unix: isUnix(listen) ? listen : null,
    proxyProtocol,
    tls: compileTls(listeners.map(({ tls }) => tls)),
    httpsPort: redirectToHttps ? port : null,
    proxy: null,
  };
}

/** Where `https` is to be had: at the one TLS address, else at the usual port, which another program may serve. */
function httpsPort({ listeners }: Config): number {
  const ports = new Set(listeners.flatMap(({ listen, tls }) => tls === null || isUnix(listen) ? [] : listen.port));
  const [only] = ports;
  return ports.size === 1 && only !== undefined ? only : HTTPS_PORT;
}
