import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { join } from "node:path";
import { API_HOSTS, IMAGE_HOST } from "../../lib/clients/client_table.ts";
import { parseHostPattern, parseIpAddress } from "../../lib/config/addresses.ts";
import { issueAuthority, issueLeaf } from "../../lib/certificates/issue.ts";
import { keyPairOf, keyPem, newKeyPair } from "../../lib/certificates/key_pair.ts";
import { type Command, failed, Misuse, readArguments } from "./command.ts";
import { typedPath } from "./config_path.ts";
import { print } from "./terminal.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
/** Apple's systems take no more of an authority of one's own than 825 days, and browsers may take less. */
const LEAF_DAYS = 397;
const AUTHORITY_DAYS = 10 * 365;
const MAX_NAMES = 100;

/** The names of TMDB that clients have built in. */
const TMDB_NAMES = [...API_HOSTS, IMAGE_HOST];

const AUTHORITY_NAME = "Usher local authority";

/** Stands before the key of an authority: what it may vouch for. */
const NAMES_LINE = /^# For: (.*)$/m;

/** What is to be made. */
export interface CertsOrder {
  readonly directory: string;
  /** DNS names, `*.example.com` and IP addresses, in canonical form. */
  readonly names: readonly string[];
  readonly nowMs: number;
  /** Make another authority in the place of the one that is there. */
  readonly renewAuthority: boolean;
}

/** What was made. */
export interface MadeCerts {
  /** Whether clients have to be given the authority: it is new. */
  readonly isNewAuthority: boolean;
  readonly notAfterMs: number;
}

const USAGE = `usage: usher certs [--tmdb] [NAME…] [--out DIR] [--new-authority]

  Makes a certificate for names, of an authority of your own, which is made where it is not there: docs/tls.md. The names
  are host names, *.home.example and IP addresses.

  --tmdb              the names of TMDB that clients have built in
  --out, -o DIR       the folder that the files are in; tls by default
  --new-authority     make another authority, which clients have to be given
`;

/** `usher certs`: an authority of one's own, and a certificate for names. */
export const certsCommand: Command = {
  summary: "make an authority of your own and a certificate for names",
  usage: USAGE,
  async run(args) {
    const { values, positionals } = readArguments(args, {
      out: { type: "string", short: "o" },
      tmdb: { type: "boolean" },
      "new-authority": { type: "boolean" },
    }, MAX_NAMES);
    const names = [...new Set([...values.tmdb ? TMDB_NAMES : [], ...positionals.map(nameOf)])];
    if (names.length === 0) {
      throw new Misuse("Say for which names: certs --tmdb, or certs usher.lan 192.0.2.1 …, or both");
    }
    const directory = typedPath(values.out ?? "tls");
    const order = { directory, names, nowMs: Date.now(), renewAuthority: values["new-authority"] ?? false };
    try {
      return print(reportOf(order, await makeCerts(order)));
    } catch (error) {
      return failed(error);
    }
  },
};

/** @throws {Misuse} */
function nameOf(text: string): string {
  const name = parseIpAddress(text) ?? parseHostPattern(text);
  if (name === null || name.startsWith("[")) {
    throw new Misuse(`Found "${text}" expected a host name such as usher.lan or *.home.example, or an IP address`);
  }
  return name;
}

/**
 * Makes a certificate in `cert.pem` and its key in `key.pem`, signed by the authority in `ca.pem` and `ca.key`, which is made where it is
 * not there. That authority may vouch for the names that it was made for and for nothing else: whoever steals it can be nobody else.
 *
 * @throws {Error} where files cannot be read or written, or the authority that is there is not for these names; for the user to read
 */
export async function makeCerts({ directory, names, nowMs, renewAuthority }: CertsOrder): Promise<MadeCerts> {
  await Deno.mkdir(directory, { recursive: true });
  const path = (name: string) => join(directory, name);
  const known = renewAuthority ? null : await textOf(path("ca.key"));
  const authorityKeys = known === null ? await newKeyPair() : await keyPairOf(known);
  if (known === null) {
    const cert = await issueAuthority({
      name: AUTHORITY_NAME,
      keys: authorityKeys,
      names,
      nowMs,
      notAfterMs: nowMs + AUTHORITY_DAYS * DAY_MS,
    });
    await writeSecret(path("ca.key"), `# For: ${names.join(" ")}\n${await keyPem(authorityKeys)}`);
    await Deno.writeTextFile(path("ca.pem"), cert);
  } else {
    checkCovered(names, NAMES_LINE.exec(known)?.[1]?.split(" ") ?? [], path("ca.key"));
  }
  const keys = await newKeyPair();
  const notAfterMs = nowMs + LEAF_DAYS * DAY_MS;
  const authority = { name: AUTHORITY_NAME, keys: authorityKeys };
  const leaf = await issueLeaf({ names, keys, authority, nowMs, notAfterMs });
  await writeSecret(path("key.pem"), await keyPem(keys));
  await Deno.writeTextFile(path("cert.pem"), leaf + await Deno.readTextFile(path("ca.pem")));
  return { isNewAuthority: known === null, notAfterMs };
}

/** Whether a certificate is there that names all of these and has time left. */
export async function coveringCerts(directory: string, names: readonly string[]): Promise<boolean> {
  const text = await textOf(join(directory, "cert.pem"));
  if (text === null || await textOf(join(directory, "key.pem")) === null) return false;
  const certificate = new X509Certificate(text);
  return Date.parse(certificate.validTo) > Date.now() + 30 * DAY_MS &&
    names.every((name) => (isIP(name) ? certificate.checkIP(name) : certificate.checkHost(name)) !== undefined);
}

/** An authority vouches for its names and for what is below them. */
function checkCovered(names: readonly string[], allowed: readonly string[], file: string): void {
  const isCovered = (name: string) => {
    const bare = name.replace(/^\*\./, "");
    return allowed.some((one) => {
      const base = one.replace(/^\*\./, "");
      return bare === base || bare.endsWith(`.${base}`);
    });
  };
  const missing = names.filter((name) => !isCovered(name));
  if (missing.length === 0) return;
  throw new Error(
    `The authority in ${file} is for ${allowed.join(", ")} alone, not for ${missing.join(", ")}: ` +
      "give another folder with --out, or replace it with --new-authority, and give clients the new ca.pem",
  );
}

/** `null` where the file is not there. */
async function textOf(path: string): Promise<string | null> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** Written beside first: a key is never there in part, nor readable by others. */
async function writeSecret(path: string, text: string): Promise<void> {
  const beside = `${path}.new`;
  await Deno.writeTextFile(beside, text, { mode: 0o600 });
  await Deno.chmod(beside, 0o600);
  await Deno.rename(beside, path);
}

function reportOf({ directory, names }: CertsOrder, { isNewAuthority, notAfterMs }: MadeCerts): string {
  const path = (name: string) => join(directory, name);
  const until = new Date(notAfterMs).toISOString().slice(0, 10);
  return `Made a certificate for ${
    names.join(", ")
  }, until ${until}. Run this again before that; a gateway that runs takes it.

In the configuration:

    tls: { cert: ${path("cert.pem")}, key: ${path("key.pem")} }

${
    isNewAuthority
      ? `Give clients the authority, ${path("ca.pem")}`
      : "Clients that know the authority need nothing new. Others"
  }:

    Debian, Ubuntu   cp ca.pem /usr/local/share/ca-certificates/usher.crt && update-ca-certificates
    Fedora, RHEL     cp ca.pem /etc/pki/ca-trust/source/anchors/usher.pem && update-ca-trust
    Alpine           cp ca.pem /usr/local/share/ca-certificates/usher.crt && update-ca-certificates
    Windows          certutil -addstore Root ca.pem (as administrator)
    Node (Seerr)     NODE_EXTRA_CA_CERTS=/path/to/ca.pem
    Python, Kodi     SSL_CERT_FILE or REQUESTS_CA_BUNDLE with a bundle that ca.pem is added to
    Java             keytool -importcert -cacerts -alias usher -file ca.pem

Keep ${path("ca.key")} to yourself. docs/tls.md says more, and docs/clients.md what each client needs.`;
}
