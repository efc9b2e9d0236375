import type { AcmeConfig, TlsConfig } from "./tls_config.ts";
import type { TlsValues } from "./tls_sections.ts";
import type { NamedFiles } from "./authorities.ts";
import { certificateKey, namedCertificates } from "./validate_tls.ts";

/** `tls` of an address with what its files hold; `null` where there is none. `hosts` are those that a fetched certificate is for by default. */
export function buildTls(
  tls: TlsValues | undefined,
  { certificates, authorities }: NamedFiles,
  hosts: readonly string[] = [],
): TlsConfig | null {
  if (tls === undefined) return null;
  return {
    certificates: namedCertificates(tls).flatMap((named) => certificates.get(certificateKey(named)) ?? []),
    minVersion: tls.min_version ?? null,
    http2: tls.http2 ?? null,
    acme: buildAcme(tls.acme, authorities, hosts),
  };
}

function buildAcme(
  acme: TlsValues["acme"],
  authorities: NamedFiles["authorities"],
  hosts: readonly string[],
): AcmeConfig | null {
  if (acme === undefined) return null;
  const { kid, key } = acme.eab ?? {};
  return {
    hosts: [...new Set(acme.hosts ?? hosts)].sort(),
    directory: acme.directory,
    email: acme.email ?? null,
    challenge: acme.challenge ?? null,
    ca: acme.ca === undefined ? null : authorities.get(acme.ca) ?? null,
    externalAccount: kid === undefined || key === undefined ? null : { kid, key },
  };
}
