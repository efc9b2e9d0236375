import { formatListenAddress, isUnix } from "./addresses.ts";
import { type CertificateFiles, type CertificateReading, readCertificate } from "./certificates.ts";
import { listenAddressOf } from "./listen_sections.ts";
import { formatLocated, type Path } from "./located.ts";
import type { CertificateConfig } from "./tls_config.ts";
import type { TlsValues } from "./tls_sections.ts";
import type { DraftValues } from "./schema.ts";
import { isMapping, valueAt } from "./tree.ts";
import { elsewhere } from "./validate_addresses.ts";
import type { ValidationContext } from "./validation_context.ts";

type DraftListener = DraftValues["listeners"][number];

/** Certificates that are read at most. */
const MAX_CERTIFICATES = 1_000;

/** One certificate of a `tls`, with the places of its keys. */
interface Named {
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly path: Path;
}

/** The key of a certificate in the map that {@linkcode readCertificates} answers. */
export function certificateKey({ cert, key }: { readonly cert?: string; readonly key?: string }): string {
  return `${cert ?? ""}\0${key ?? ""}`;
}

/** The certificates of a `tls` in the order of the file. */
export function namedCertificates(tls: TlsValues): { cert?: string; key?: string }[] {
  const { cert, key, certificates = [] } = tls;
  return cert === undefined && key === undefined ? certificates : [{ cert, key }, ...certificates];
}

/** Checks what `tls` and `redirect_to_https` say, alone and together; what a listener says of its address holds for all that share it. */
export function validateTls(context: ValidationContext): void {
  const { values, original, problems } = context;
  const first = new Map<string, { listener: DraftListener; path: Path }>();
  for (const [index, listener] of values.listeners.entries()) {
    const path = original(["listeners", index]);
    validateForm(listener.tls, [...path, "tls"], context);
    validateAcme(listener, path, context);
    validateRedirect(listener, path, context);
    if (problems.has([...path, "listen"]) || problems.has([...path, "tls"])) continue;
    const address = listenAddressOf(listener.listen, context.cwd);
    if (address === null) continue;
    const key = formatListenAddress(address);
    const before = first.get(key);
    if (before === undefined) first.set(key, { listener, path });
    else validateAgreement(before, { listener, path }, context);
  }
  validateForm(values.admin.tls, ["admin", "tls"], context);
}

function validateForm(tls: TlsValues | undefined, path: Path, { problems }: ValidationContext): void {
  if (tls === undefined || problems.has(path)) return;
  const named = withPlaces(tls, path, problems.tree.root);
  if (named.length === 0 && tls.acme === undefined) {
    problems.expect(path, "a certificate: `cert` and `key`, a list of such pairs, or `acme`");
  }
  for (const one of named) {
    if ((one.cert === undefined) === (one.key === undefined)) continue;
    const [given, missing] = one.cert === undefined ? ["key", "cert"] : ["cert", "key"];
    problems.add([...one.path, missing!], `found ${given} alone expected ${missing} beside it`, { atKey: true });
  }
}

/** The authority asks every host on port 80 or 443, and no other way to prove a name is offered here. */
function validateAcme({ tls, host }: DraftListener, path: Path, { values, problems, cwd }: ValidationContext): void {
  const at = [...path, "tls", "acme"];
  if (tls?.acme === undefined || problems.has(at)) return;
  const hosts = tls.acme.hosts ?? host;
  const where = tls.acme.hosts === undefined ? at : [...at, "hosts"];
  if (hosts.length === 0) {
    problems.expect(where, "names in `hosts`, or the listener's `host`: a certificate is for names");
  }
  for (const name of hosts) {
    if (!name.startsWith("*.") && !/^[\d.]+$|:/.test(name) && name.includes(".")) continue;
    problems.add(
      where,
      `found ${JSON.stringify(name)} expected a public name: no certificate is to be had for it in this way`,
    );
  }
  const { eab } = tls.acme;
  for (const key of ["kid", "key"] as const) {
    if (eab === undefined || eab[key] !== undefined) continue;
    problems.add([...at, "eab", key], `found no ${key} expected both kid and key, as the authority gave them`, {
      atKey: true,
    });
  }
  const listens = (port: number, isTls: boolean) =>
    values.listeners.some((one) => {
      const address = (one.tls !== undefined) === isTls ? listenAddressOf(one.listen, cwd) : null;
      return address !== null && !isUnix(address) && address.port === port;
    });
  const { challenge } = tls.acme;
  const isReached = (challenge !== "tls-alpn-01" && listens(80, false)) ||
    (challenge !== "http-01" && listens(443, true));
  if (isReached || problems.has(at)) return;
  const missing = {
    "http-01": "no plain address has port 80",
    "tls-alpn-01": "no address with TLS has port 443",
    any: "no plain address has port 80, and none with TLS port 443",
  }[challenge ?? "any"];
  problems.warn(at, `${missing}: the authority asks there, so something has to pass its requests on`, { atKey: true });
}

function validateRedirect(listener: DraftListener, path: Path, { problems, cwd }: ValidationContext): void {
  const at = [...path, "redirect_to_https"];
  if (!listener.redirect_to_https || problems.has(at)) return;
  const address = problems.has([...path, "listen"]) ? null : listenAddressOf(listener.listen, cwd);
  if (listener.tls !== undefined) problems.expect(at, "false beside `tls`: it is for a plain address");
  else if (address !== null && isUnix(address)) problems.expect(at, "false on a unix socket, which has no port");
}

function validateAgreement(
  first: { listener: DraftListener; path: Path },
  other: { listener: DraftListener; path: Path },
  context: ValidationContext,
): void {
  const { problems } = context;
  const where = (key: string) => `as ${elsewhere([...first.path, key], context)} says of the same address`;
  const [a, b] = [first.listener.tls, other.listener.tls];
  if ((a === undefined) !== (b === undefined)) {
    const message = b === undefined
      ? `found no tls expected it, ${where("tls")}: TLS is spoken on the whole address or not at all`
      : `found tls expected none, because ${elsewhere(first.path, context)} shares the address and has none`;
    return problems.add(b === undefined ? other.path : [...other.path, "tls"], message, { atKey: true });
  }
  for (const key of ["min_version", "http2"] as const) {
    if (a?.[key] === undefined || b?.[key] === undefined || a[key] === b[key]) continue;
    problems.expect([...other.path, "tls", key], `${JSON.stringify(a[key])}, ${where("tls")}`);
  }
  if (first.listener.redirect_to_https !== other.listener.redirect_to_https) {
    const at = [...other.path, "redirect_to_https"];
    if (!problems.has(at)) problems.expect(at, `${first.listener.redirect_to_https}, ${where("redirect_to_https")}`);
  }
}

/** Reads every certificate that the file names, and notes what is wrong with them. */
export async function readCertificates(
  context: ValidationContext,
  reading: CertificateReading,
): Promise<ReadonlyMap<string, CertificateConfig>> {
  const { problems } = context;
  const found = new Map<string, CertificateConfig>();
  for (const { cert, key, path } of allNamed(context).slice(0, MAX_CERTIFICATES)) {
    if (cert === undefined || key === undefined) continue;
    const place = formatLocated({ ...problems.locate(path), message: "" }).replace(/:? *$/, "");
    const files: CertificateFiles = { certFile: cert, keyFile: key, place };
    const result = await readCertificate(files, reading);
    if (!result.ok) {
      for (const { file, expected } of result.problems) problems.expect([...path, file], expected);
      continue;
    }
    for (const warning of result.warnings) problems.warn([...path, "cert"], warning);
    // One that is named twice stands at its first place.
    const named = certificateKey({ cert, key });
    if (!found.has(named)) found.set(named, result.certificate);
  }
  return found;
}

function allNamed({ values, original, problems }: ValidationContext): Named[] {
  const named = (tls: TlsValues | undefined, path: Path) =>
    tls === undefined || problems.has(path) ? [] : withPlaces(tls, path, problems.tree.root);
  return [
    ...named(values.admin.tls, ["admin", "tls"]),
    ...Object.entries(values.pools).flatMap(([pool, { upstreams = [] }]) =>
      upstreams.flatMap(({ cert, key }, index) =>
        cert === undefined ? [] : [{ cert, key, path: original(["pools", pool, "upstreams", index]) }]
      )
    ),
    ...values.listeners.flatMap(({ tls }, index) => named(tls, [...original(["listeners", index]), "tls"])),
  ];
}

/** The certificates of a `tls` with where each stands: in the mapping itself, in its list, or in a list in the mapping's place. */
function withPlaces(tls: TlsValues, path: Path, root: Parameters<typeof valueAt>[0]): Named[] {
  const { cert, key, certificates = [] } = tls;
  const list = isMapping(valueAt(root, path)) ? [...path, "certificates"] : path;
  const own = cert === undefined && key === undefined ? [] : [{ cert, key, path }];
  return [...own, ...certificates.map((one, index) => ({ cert: one.cert, key: one.key, path: [...list, index] }))];
}
