import type { z } from "zod";
import { CHALLENGE_TYPES } from "../certificates/acme_client.ts";
import { type Addressed, formatListenAddress, isUnix } from "./addresses.ts";
import { certificateKey, type NamedCertificate, type NamedFiles } from "./certificates.ts";
import { filePath, hostPattern } from "./http_scalars.ts";
import { plainValue } from "./yaml/interpolate.ts";
import type { Path } from "./yaml/located.ts";
import type { Problems } from "./yaml/problems.ts";
import { choice, flag, line, scalar, text, Unusable } from "./yaml/scalars.ts";
import { asMapping, distinct, type Frozen, list, section, short } from "./yaml/section.ts";
import { isMapping } from "./yaml/tree.ts";

/** The oldest version of TLS; YAML reads it as a number where it stands without quotes. */
function tlsVersion() {
  const expected = new Unusable('"1.2" or "1.3": older versions can be broken', ["1.2", "1.3"]);
  return scalar<"1.2" | "1.3">({
    title: "TLS version",
    json: { enum: ["1.2", "1.3", 1.2, 1.3] },
    expected,
    interpolated: "text",
    read: (value) => String(value) === "1.2" ? "1.2" : String(value) === "1.3" ? "1.3" : expected,
  });
}

const CERT =
  "PEM file of the certificate, and behind it those between it and its authority; relative to the working directory.";
const KEY = "PEM file of its private key, which nobody else may be able to read.";

const certificateSection = section({
  cert: filePath().optional().describe(CERT),
  key: filePath().optional().describe(KEY),
});

const LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory";

const externalAccountSection = section({
  kid: text({ title: "text", pattern: /^[\x21-\x7e]+$/, maxLength: 512, expected: "the key's identifier" }).optional()
    .describe(
      "Identifier of the key, as the authority gave it.",
    ),
  key: text({ title: "secret", pattern: /^[A-Za-z0-9_-]+$/, maxLength: 512, expected: "a key in base64url" }).optional()
    .describe(
      "The key itself, in base64url: a secret.",
    ),
});

const acmeSection = section({
  email: line("address").optional().describe("Where the authority may write to when something is wrong."),
  directory: text({
    title: "URL",
    pattern: /^https:\/\/[^\s#]+$/,
    maxLength: 2000,
    expected: "a URL that begins with https://",
  }).prefault(LETS_ENCRYPT).describe("The authority's directory (RFC 8555); Let's Encrypt unless another is given."),
  hosts: list(hostPattern(), 100).optional().describe(
    "Names to fetch one certificate for; default: the listener's `host`. The authority asks each of them, see `challenge`.",
  ),
  challenge: choice(CHALLENGE_TYPES).optional().describe(
    "How the authority asks: `http-01` over plain HTTP on port 80, `tls-alpn-01` in a TLS handshake on port 443; default: `tls-alpn-01` where a listener with TLS has port 443 and no plain one port 80, else `http-01`.",
  ),
  ca: filePath().optional().describe(
    "PEM file of authorities that the directory's own certificate may be from, beside the built-in ones.",
  ),
  eab: asMapping(externalAccountSection).optional().describe(
    "Ties the account to one at the authority, where it asks for that.",
  ),
});

const tlsShape = {
  cert: filePath().optional().describe(CERT),
  key: filePath().optional().describe(KEY),
  certificates: list(asMapping(certificateSection), 100).optional().describe(
    "Several of them: the name that a client asks for decides, first exact, then `*.example.com`; else the first. A list in the place of the mapping is short for it.",
  ),
  min_version: tlsVersion().optional().meta({
    description: "Clients that speak only older versions are refused; one for all listeners of an address.",
    usual: "1.2",
  }),
  http2: flag().optional().meta({
    description: "Agree on HTTP/2 with clients that offer it; one for all listeners of an address.",
    usual: true,
  }),
};

const tlsSection = section({
  ...tlsShape,
  acme: asMapping(acmeSection).optional().describe(
    "Fetch a certificate from an authority and renew it by itself, beside those named here or alone; kept in `data_dir`.",
  ),
});

const LIST = {
  type: "array",
  title: "list of `{ cert, key }`",
  items: {
    type: "object",
    properties: { cert: { type: "string", description: CERT }, key: { type: "string", description: KEY } },
  },
};

/** `tls:` of a listener. */
export function tlsKey() {
  return short(tlsSection, LIST, fromList).optional();
}

/** `tls:` of the admin address, for which nothing is fetched. */
export function adminTlsKey() {
  return short(section(tlsShape), LIST, fromList).optional();
}

/** A list stands for its certificates. */
function fromList(value: unknown): unknown {
  const plain = plainValue(value);
  return Array.isArray(plain) ? { certificates: plain } : plain;
}

type AcmeValues = z.output<typeof acmeSection>;

/** `tls:` as the file has it; that of the admin address has no `acme`. */
export type TlsValues = z.output<typeof tlsSection>;

/** `tls` of an address with what its files hold; `null` where there is none. `hosts` are those that a fetched certificate is for by default. */
export function tlsOf(tls: TlsValues | undefined, files: NamedFiles, hosts: readonly string[] = []) {
  if (tls === undefined) return null;
  return {
    certificates: certificatesIn(tls).flatMap((named) => files.certificates.get(certificateKey(named)) ?? []),
    minVersion: tls.min_version ?? null,
    http2: tls.http2 ?? null,
    /** `null` where nothing is fetched. */
    acme: tls.acme === undefined ? null : acmeOf(tls.acme, files, hosts),
  };
}

/** `tls:` of an address. */
export interface TlsConfig extends Frozen<NonNullable<ReturnType<typeof tlsOf>>> {}

function acmeOf({ eab, ...acme }: AcmeValues, { authorities }: NamedFiles, hosts: readonly string[]) {
  const { kid, key } = eab ?? {};
  return {
    /** Exact names, at least one. */
    hosts: distinct(acme.hosts ?? hosts).sort(),
    directory: acme.directory,
    email: acme.email ?? null,
    /** `null` leaves it to the ports that are listened on. */
    challenge: acme.challenge ?? null,
    /** PEM text; `ca` in the file is a path. */
    ca: acme.ca === undefined ? null : authorities.get(acme.ca) ?? null,
    /** Its key is a secret. */
    externalAccount: kid === undefined || key === undefined ? null : { kid, key },
  };
}

/** `acme:` of `tls`: a certificate that is fetched (RFC 8555). */
export interface AcmeConfig extends Frozen<ReturnType<typeof acmeOf>> {}

/** The certificates of a `tls` in the order of the file. */
function certificatesIn({ cert, key, certificates = [] }: TlsValues): { cert?: string; key?: string }[] {
  return cert === undefined && key === undefined ? certificates : [{ cert, key }, ...certificates];
}

/** The certificates of a `tls` with where each stands: in the mapping itself, in its list, or in a list in the mapping's place. */
export function namedCertificates(tls: TlsValues | undefined, path: Path, problems: Problems): NamedCertificate[] {
  if (tls === undefined || problems.has(path)) return [];
  const { cert, key, certificates = [] } = tls;
  const list = isMapping(problems.valueAt(path)) ? [...path, "certificates"] : path;
  const own = cert === undefined && key === undefined ? [] : [{ cert, key, path }];
  return [...own, ...certificates.map((one, index) => ({ cert: one.cert, key: one.key, path: [...list, index] }))];
}

/** Checks what `tls` says; `path` is where. */
export function checkTls(tls: TlsValues | undefined, path: Path, problems: Problems): void {
  if (tls === undefined || problems.has(path)) return;
  const named = namedCertificates(tls, path, problems);
  if (named.length === 0 && tls.acme === undefined) {
    problems.expect(path, "a certificate: `cert` and `key`, a list of such pairs, or `acme`");
  }
  for (const one of named) checkPair(one, one.path, problems);
}

/** A certificate is of use with its key alone. */
export function checkPair({ cert, key }: { cert?: string; key?: string }, path: Path, problems: Problems): void {
  if ((cert === undefined) === (key === undefined)) return;
  const [given, missing] = cert === undefined ? ["key", "cert"] : ["cert", "key"];
  problems.atKey([...path, missing!], `found ${given} alone expected ${missing} beside it`);
}

/** What a listener says of TLS. */
interface TlsListener {
  readonly tls?: TlsValues | undefined;
  readonly host: readonly string[];
  readonly redirect_to_https: boolean;
}

/** Checks what listeners say of TLS, alone and together: what one says of its address holds for all that share it. */
export function checkListenersTls(all: readonly Addressed<TlsListener>[], problems: Problems): void {
  const listens = (port: number, isTls: boolean) =>
    all.some(({ listener: { tls }, address }) =>
      (tls !== undefined) === isTls && address !== null && !isUnix(address) && address.port === port
    );
  const ports = { hasPlain80: listens(80, false), hasTls443: listens(443, true) };
  const first = new Map<string, Addressed<TlsListener>>();
  for (const one of all) {
    const { listener, path, address } = one;
    checkTls(listener.tls, [...path, "tls"], problems);
    checkAcme(listener, [...path, "tls", "acme"], problems, ports);
    checkRedirect(one, problems);
    if (address === null || problems.has([...path, "listen"]) || problems.has([...path, "tls"])) continue;
    const key = formatListenAddress(address);
    const before = first.get(key);
    if (before === undefined) first.set(key, one);
    else checkAgreement(before, one, problems);
  }
}

/** Ports that authorities ask on. */
interface AskedPorts {
  readonly hasPlain80: boolean;
  readonly hasTls443: boolean;
}

/** The authority asks every host on port 80 or 443; no other way to prove a name is offered here. */
function checkAcme({ tls, host }: TlsListener, at: Path, problems: Problems, ports: AskedPorts): void {
  if (tls?.acme === undefined || problems.has(at)) return;
  const hosts = tls.acme.hosts ?? host;
  const where = tls.acme.hosts === undefined ? at : [...at, "hosts"];
  if (hosts.length === 0) {
    problems.expect(where, "names in `hosts`, or the listener's `host`: a certificate is for names");
  }
  for (const name of hosts) {
    if (!name.startsWith("*.") && !/^[\d.]+$|:/.test(name) && name.includes(".")) continue;
    const found = JSON.stringify(name);
    problems.add(where, `found ${found} expected a public name: no certificate is to be had for it in this way`);
  }
  for (const key of ["kid", "key"] as const) {
    if (tls.acme.eab === undefined || tls.acme.eab[key] !== undefined) continue;
    problems.atKey([...at, "eab", key], `found no ${key} expected both kid and key, as the authority gave them`);
  }
  const missing = missingPort(tls.acme.challenge, ports);
  if (missing === null || problems.has(at)) return;
  const because = "the authority asks there, so something has to pass its requests on";
  problems.warn(at, `${missing}: ${because}`, { atKey: true });
}

/** Where the authority would ask and nobody listens; `null` where somebody does. */
function missingPort(challenge: AcmeValues["challenge"], { hasPlain80, hasTls443 }: AskedPorts): string | null {
  if (challenge === "http-01") return hasPlain80 ? null : "no plain address has port 80";
  if (challenge === "tls-alpn-01") return hasTls443 ? null : "no address with TLS has port 443";
  return hasPlain80 || hasTls443 ? null : "no plain address has port 80, and none with TLS port 443";
}

function checkRedirect({ listener, path, address }: Addressed<TlsListener>, problems: Problems): void {
  const at = [...path, "redirect_to_https"];
  if (!listener.redirect_to_https || problems.has(at)) return;
  if (listener.tls !== undefined) problems.expect(at, "false beside `tls`: it is for a plain address");
  else if (address !== null && isUnix(address) && !problems.has([...path, "listen"])) {
    problems.expect(at, "false on a unix socket, which has no port");
  }
}

function checkAgreement(first: Addressed<TlsListener>, other: Addressed<TlsListener>, problems: Problems): void {
  const where = (key: string) => `as ${problems.elsewhere([...first.path, key])} says of the same address`;
  const [a, b] = [first.listener.tls, other.listener.tls];
  if (a !== undefined && b === undefined) {
    const because = "TLS is spoken on the whole address or not at all";
    return problems.atKey(other.path, `found no tls expected it, ${where("tls")}: ${because}`);
  }
  if (a === undefined && b !== undefined) {
    const because = `because ${problems.elsewhere(first.path)} shares the address and has none`;
    return problems.atKey([...other.path, "tls"], `found tls expected none, ${because}`);
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
