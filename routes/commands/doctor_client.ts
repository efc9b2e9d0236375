import { X509Certificate } from "node:crypto";
import { type Client, type Way, WAYS } from "../../lib/clients/client.ts";
import { CLIENT_WORDS, clientNamed } from "../../lib/clients/client_table.ts";
import { tokenProblem } from "../../lib/config/access.ts";
import { parseHostPattern, parseIpAddress } from "../../lib/config/addresses.ts";
import type { Loaded } from "../../lib/config/load.ts";
import { formatLocated } from "../../lib/config/yaml/located.ts";
import { type ClientDiagnoseOptions, type ClientDiagnosis, diagnoseClient } from "../../lib/inspect/diagnose_client.ts";
import { countsOf } from "../../lib/inspect/finding.ts";
import { readEnv } from "../../lib/workers/supervisor/environment.ts";
import { failed, Misuse, unknown } from "./command.ts";
import { typedPath } from "./config_path.ts";
import { findingLines, verdict } from "./finding_lines.ts";
import { print } from "./terminal.ts";
import { aligned, type Paint, painter } from "./text_layout.ts";

/** Flags of `doctor` that are for a client. */
export const CLIENT_OPTIONS = {
  client: { type: "string" },
  way: { type: "string" },
  host: { type: "string" },
  token: { type: "string" },
  ca: { type: "string" },
  "name-server": { type: "string" },
} as const;

type ClientFlags = { readonly [name in keyof typeof CLIENT_OPTIONS]?: string };

/** A client whose way in is to be looked at. */
export interface ClientOrder extends Omit<ClientDiagnoseOptions, "timeoutMs" | "authority"> {
  readonly client: Client;
  /** A file of PEM. */
  readonly authorityFile: string | null;
}

/** What the flags ask for; `null` without `--client`. @throws {Misuse} */
export function clientOrder(flags: ClientFlags): ClientOrder | null {
  const alone = (["way", "host", "token", "ca", "name-server"] as const).find((name) => flags[name] !== undefined);
  if (flags.client === undefined) {
    if (alone !== undefined) throw new Misuse(`--${alone} is for a client: give --client too`);
    return null;
  }
  const client = knownClient(flags.client);
  const nameServer = flags["name-server"] ?? null;
  if (nameServer !== null && parseIpAddress(nameServer) === null) {
    throw new Misuse(`--name-server wants an IP address, found "${nameServer}"`);
  }
  const token = flags.token ?? readEnv("USHER_CLIENT_TOKEN") ?? null;
  const problem = token === null ? null : tokenProblem(token);
  if (problem !== null) {
    throw new Misuse(`${flags.token === undefined ? "USHER_CLIENT_TOKEN" : "--token"} wants ${problem}`);
  }
  return {
    client,
    way: flags.way === undefined ? null : knownWay(flags.way, client),
    host: flags.host === undefined ? null : knownHost(flags.host),
    token,
    authorityFile: flags.ca ?? null,
    nameServer,
  };
}

/** The client of a word. @throws {Misuse} where there is none */
export function knownClient(text: string): Client {
  const client = clientNamed(text);
  if (client === undefined) {
    throw new Misuse(`${unknown("client", text, CLIENT_WORDS)}; there are ${CLIENT_WORDS.join(", ")}`);
  }
  return client;
}

/** A way that a client can take. @throws {Misuse} where it cannot */
export function knownWay(text: string, { name, ways }: Client): Way {
  const way = WAYS.find((one) => one === text);
  if (way === undefined) throw new Misuse(`${unknown("way", text, WAYS)}; there are ${WAYS.join(", ")}`);
  if (!ways.some((one) => one.way === way)) {
    const its = ways.map((one) => one.way).join(" or ");
    throw new Misuse(`${name} cannot go by ${way}${its === "" ? "" : `: say ${its}`}`);
  }
  return way;
}

/** A host name or an address. @throws {Misuse} where it is neither */
export function knownHost(text: string): string {
  const host = parseIpAddress(text) ?? parseHostPattern(text);
  if (host === null || host.startsWith("*")) {
    throw new Misuse(`--host wants a host name or an IP address, found "${text.slice(0, 100)}"`);
  }
  return host;
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** The PEM of authorities in a file. @throws {Error} where there is none, or one that cannot be read */
export async function readAuthority(path: string): Promise<string> {
  const pem = await Deno.readTextFile(typedPath(path));
  const certificates = pem.match(CERTIFICATE) ?? [];
  try {
    for (const certificate of certificates) new X509Certificate(certificate);
  } catch {
    throw new Error(`--ca wants a PEM file of certificates: ${path} holds one that cannot be read`);
  }
  if (certificates.length === 0) throw new Error(`--ca wants a PEM file of certificates: ${path} holds none`);
  return pem;
}

/** Looks at a client's way in, and prints what was found; answers the exit status. */
export async function doctorClient(
  loaded: Loaded,
  order: ClientOrder & { readonly timeoutMs: number; readonly json: boolean },
): Promise<number> {
  let authority: string | null = null;
  try {
    authority = order.authorityFile === null ? null : await readAuthority(order.authorityFile);
  } catch (error) {
    return failed(error);
  }
  const client = await diagnoseClient(loaded.config, order.client, { ...order, authority });
  const warnings = loaded.warnings.map(formatLocated);
  const counts = countsOf(client.findings);
  const summary = { ...counts, warn: counts.warn + warnings.length };
  const report = { file: loaded.file, warnings, client, summary };
  print(order.json ? JSON.stringify(report, null, 2) : clientReport(report));
  return summary.fail === 0 ? 0 : 1;
}

interface ClientReport {
  readonly file: string;
  readonly warnings: readonly string[];
  readonly client: ClientDiagnosis;
  readonly summary: ReturnType<typeof countsOf>;
}

function clientReport({ file, warnings, client, summary }: ClientReport, paint: Paint = painter()): string {
  const width = Math.max(...client.findings.map(({ check }) => check.length));
  return [
    ...warnings.flatMap((warning) => aligned([["warning:", warning]], 0)),
    `${file} is valid`,
    "",
    paint("strong", `The way of ${client.name}`),
    ...client.findings.flatMap((finding) => findingLines(finding, width, paint)),
    "",
    verdict(summary, paint),
  ].join("\n");
}
