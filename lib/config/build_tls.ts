import type { TlsConfig } from "./tls_config.ts";
import type { TlsValues } from "./tls_sections.ts";
import type { NamedFiles } from "./validate.ts";
import { certificateKey, namedCertificates } from "./validate_tls.ts";

/** `tls` of an address with what its files hold; `null` where there is none. */
export function buildTls(
  tls: TlsValues | undefined,
  { certificates }: Pick<NamedFiles, "certificates">,
): TlsConfig | null {
  if (tls === undefined) return null;
  return {
    certificates: namedCertificates(tls).flatMap((named) => certificates.get(certificateKey(named)) ?? []),
    minVersion: tls.min_version ?? null,
    http2: tls.http2 ?? null,
  };
}
