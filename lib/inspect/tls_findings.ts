import { X509Certificate } from "node:crypto";
import tls from "node:tls";
import { formatListenAddress } from "../config/addresses.ts";
import { lifetimeText, SOON_MS } from "../config/certificates.ts";
import type { Config } from "../config/config.ts";
import { servingAddress } from "../config/forward_proxies.ts";
import type { ListenerConfig } from "../config/listener.ts";
import type { CertificateConfig } from "../config/certificates.ts";
import type { TlsConfig } from "../config/tls.ts";
import type { Finding } from "./finding.ts";

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** The certificates of a configuration as clients will see them: their time, the way to an authority, and the names that are asked for. */
export function tlsFindings(config: Config, nowMs: number): Finding[] {
  const used = new Map<string, CertificateConfig>();
  for (const { certificates } of allTls(config)) {
    for (const certificate of certificates) used.set(certificate.certFile, certificate);
  }
  return [
    ...[...used.values()].flatMap((certificate) => [lifetime(certificate, nowMs), chain(certificate)]),
    ...hostFindings(config),
    ...proxyFindings(config),
  ];
}

function allTls({ admin, listeners }: Config): TlsConfig[] {
  return [admin.tls, ...listeners.map(({ tls }) => tls)].filter((one) => one !== null);
}

function lifetime({ certFile, notAfterMs }: CertificateConfig, nowMs: number): Finding {
  const check = "certificate";
  const leftMs = notAfterMs - nowMs;
  const text = `${certFile}: ${lifetimeText(notAfterMs, nowMs).replace(/: renew it$/, "")}`;
  if (leftMs <= 0) return { check, state: "fail", text, remedy: "renew it: every client refuses it" };
  if (leftMs < SOON_MS) {
    return { check, state: "warn", text, remedy: "renew it, and see why that was not done by itself" };
  }
  return { check, state: "ok", text, remedy: null };
}

/** Whether a client finds its way from a certificate to an authority, which takes all those between them. */
function chain({ certFile, cert }: CertificateConfig): Finding {
  const check = "chain";
  const links = (cert.match(CERTIFICATE) ?? []).map((pem) => new X509Certificate(pem));
  const broken = links.findIndex((link, index) => {
    const next = links[index + 1];
    return next !== undefined && !(link.checkIssued(next) && link.verify(next.publicKey));
  });
  if (broken >= 0) {
    return {
      check,
      state: "fail",
      text: `${certFile}: certificate ${broken + 2} of the file has not signed the one before it`,
      remedy: "put the certificate first, then the one that signed it, and so on",
    };
  }
  const last = links.at(-1)!;
  const isPublic = isPublicAuthority(last.issuer);
  if (isPublic) {
    return { check, state: "ok", text: `${certFile}: leads to ${nameOf(last.issuer)}`, remedy: null };
  }
  if (last.checkIssued(last)) {
    const text = `${certFile}: from an authority of your own, ${nameOf(last.subject)}`;
    return { check, state: "ok", text, remedy: "clients have to be given that authority: docs/tls.md" };
  }
  if (isPublic === null) {
    const text = `${certFile}: leads to ${nameOf(last.issuer)}; whether clients know that was not looked at`;
    return {
      check,
      state: "skip",
      text,
      remedy: "give --allow-sys, with which the built-in authorities can be read",
    };
  }
  return {
    check,
    state: "warn",
    text: `${certFile}: ends at ${nameOf(last.issuer)}, which is no authority that clients know`,
    remedy:
      "add the certificates between it and its authority (`fullchain.pem`); or, with an authority of your own, give clients that",
  };
}

/** Subjects of the authorities that the runtime knows, as it prints them. */
let authorities: ReadonlySet<string> | null = null;

/** `null` where the process may not know them. */
function isPublicAuthority(issuer: string): boolean | null {
  try {
    authorities ??= new Set(tls.rootCertificates.map((pem) => new X509Certificate(pem).subject));
    return authorities.has(issuer);
  } catch {
    return null;
  }
}

/** The name in a subject or an issuer, as the runtime prints it. */
export function nameOf(distinguished: string): string {
  return /(?:^|\n)CN=([^\n]+)/.exec(distinguished)?.[1] ?? /(?:^|\n)O=([^\n]+)/.exec(distinguished)?.[1] ??
    distinguished;
}

/** Hosts that listeners of an address answer for and none of its certificates names. */
function hostFindings({ listeners }: Config): Finding[] {
  const byAddress = Map.groupBy(listeners, ({ listen }) => formatListenAddress(listen));
  return [...byAddress].flatMap(([address, sharing]) => {
    const names = sharing.flatMap(({ tls }) => tls?.certificates ?? []).flatMap((one) => one.names);
    if (names.length === 0) return [];
    const missing = sharing.flatMap(({ hosts }: ListenerConfig) => hosts).filter((host) => !isNamed(host, names));
    if (missing.length === 0) return [];
    const text = `${address}: no certificate names ${[...new Set(missing)].join(", ")}`;
    return [{
      check: "names",
      state: "fail",
      text,
      remedy: "clients refuse it for these hosts: add one that names them",
    }];
  });
}

/** Whether tunnels of forward proxies end where a certificate names their host. */
function proxyFindings({ forwardProxies, listeners }: Config): Finding[] {
  const servers = listeners.map(({ listen, ...rest }) => ({ ...rest, address: listen }));
  return forwardProxies.map(({ name, hosts, others }) => {
    const missing = hosts.filter((host) => {
      const address = servingAddress(host, servers);
      const sharing = listeners.filter(({ listen }) =>
        address !== null && formatListenAddress(listen) === formatListenAddress(address)
      );
      const names = sharing.flatMap(({ tls }) => tls?.certificates ?? []).flatMap((one) => one.names);
      // Those that are fetched come later.
      return sharing.every(({ tls }) => tls?.acme == null) && !isNamed(host, names);
    });
    const check = "forward proxy";
    if (missing.length === 0) {
      const way = others.length === 0 ? "others are refused" : "others go through a tunnel";
      return { check, state: "ok", text: `${name}: serves ${hosts.join(", ")}; ${way}`, remedy: null };
    }
    const text = `${name}: no certificate names ${missing.join(", ")}`;
    const remedy = "clients refuse what they are shown: make one that names them (docs/tls.md, certs --tmdb)";
    return { check, state: "fail", text, remedy };
  });
}

function isNamed(host: string, names: readonly string[]): boolean {
  const dot = host.indexOf(".");
  return names.includes(host) || (dot > 0 && names.includes(`*${host.slice(dot)}`));
}
