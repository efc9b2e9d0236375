import { dirname, join } from "node:path";
import { cleanApiKey } from "../../lib/config/api_keys.ts";
import { loadConfig } from "../../lib/config/load.ts";
import { messageOf } from "../../lib/errors.ts";
import { diagnose } from "../../lib/inspect/doctor.ts";
import { type Client, type Way, WAYS } from "../../lib/clients/client.ts";
import { CLIENT_WORDS } from "../../lib/clients/client_table.ts";
import { type Step, stepsFor, WAY_PORTS } from "../../lib/clients/steps.ts";
import { upstreamTypes } from "../../lib/upstream_type/registry.ts";
import { readEnv } from "../../lib/workers/supervisor/environment.ts";
import { coveringCerts, makeCerts } from "./certs.ts";
import { checkReport } from "./check_report.ts";
import { type Command, failed, Misuse, readArguments } from "./command.ts";
import { load } from "./config_file.ts";
import { shown, typedPath } from "./config_path.ts";
import { doctorReport } from "./doctor.ts";
import { knownClient, knownHost, knownWay } from "./doctor_client.ts";
import { certificateNames, initFile } from "./init_file.ts";
import { fail, print } from "./terminal.ts";

const KEY_VARIABLE = "TMDB_API_KEY";
/** The file that a key is put into, beside the configuration. */
const KEY_FILE = "tmdb_api_key";
const PLACEHOLDER_HOST = "usher.lan";
/** The folder of the certificate, beside the configuration. */
const TLS_FOLDER = "tls";
const DOCTOR = { pool: null, timeoutMs: 5_000 };

const USAGE =
  `usage: usher init [--client NAME] [--way WAY] [--key KEY] [--port N] [--host NAME] [--output FILE [--force]]
                  [--yes] [--skip-doctor]

  Asks for the client, a TMDB key and a port, writes a short configuration that passes \`check\`, makes the certificate that
  the client's way needs, runs \`doctor\`, and says what to do then. What is given is not asked for.

  --client NAME       ${CLIENT_WORDS.slice(0, 9).join(", ")},
                      ${CLIENT_WORDS.slice(9).join(", ")}
  --way WAY           ${WAYS.join(", ")}; the client's best, else: docs/clients.md
  --key KEY           a TMDB API key or read access token; it goes into the file ${KEY_FILE} beside the configuration, which
                      only this user can read. Without it ${KEY_VARIABLE} is used where it is set
  --port N            where clients ask; by the way ${[...new Set(Object.values(WAY_PORTS))].join(", ")}
  --host NAME         how clients know this machine; its address, or ${PLACEHOLDER_HOST} for a name with HTTPS
  --output, -o FILE   config.yaml by default; --force replaces what is there
  --yes               ask nothing: defaults for what is not given
  --skip-doctor       do not ask upstreams whether all is well
`;

/** What was said, or is not known yet. */
interface Given {
  readonly client: Client | null;
  readonly way: Way | null;
  readonly host: string | null;
  readonly key: string | null;
  readonly port: number | null;
  readonly output: string;
  readonly force: boolean;
  readonly runsDoctor: boolean;
}

/** `usher init`: makes a first configuration. */
export const initCommand: Command = {
  summary: "make a first configuration, and say what to set in the client",
  usage: USAGE,
  async run(args) {
    const { given, asks } = readOrder(args);
    const keyFile = join(dirname(given.output), KEY_FILE);
    if (isTaken(given.output, given)) return 1;
    try {
      const { client, way, key, port, host } = settled(asks ? askFor(given) : given);
      if (key !== null && isTaken(keyFile, given)) return 1;
      const keyReference = key !== null
        ? `\${file:${shown(keyFile)}}`
        : readEnv(KEY_VARIABLE)
        ? `\${${KEY_VARIABLE}}`
        : null;
      const tlsFolder = join(dirname(given.output), TLS_FOLDER);
      const made = await certificateFor(certificateNames({ way, host }), tlsFolder);
      const text = initFile({ client, way, port, host, tlsFolder: shown(tlsFolder), keyReference });
      await prove(text, { path: keyFile, key });
      if (key !== null) await writePrivate(keyFile, `${key}\n`);
      await writePrivate(given.output, text);
      const written = [given.output, ...key === null ? [] : [keyFile]].map(shown).join(" and ");
      print(`Wrote ${written}: only you can read them${made}`);
      return await goOn(
        given,
        stepsFor(client, way, {
          host,
          port,
          file: shown(given.output),
          tlsFolder: shown(tlsFolder),
        }),
      );
    } catch (error) {
      return failed(error);
    }
  },
};

/** What was not said is the default. @throws {Misuse} where the client cannot be led here */
function settled(given: Given) {
  const client = given.client ?? knownClient(CLIENT_WORDS.at(-1)!);
  const way = given.way ?? client.ways[0]?.way;
  if (way === undefined) throw new Misuse(`${client.name} ${client.needs}`);
  // A certificate is for a name: an address may become another one.
  const host = given.host ?? (way === "https-name" ? PLACEHOLDER_HOST : ownAddress() ?? PLACEHOLDER_HOST);
  return { ...given, client, way, host, port: given.port ?? WAY_PORTS[way] };
}

/** Has a certificate for names, unless there is one already; says so. */
async function certificateFor(names: readonly string[], directory: string): Promise<string> {
  if (names.length === 0) return "";
  const folder = shown(directory);
  if (await coveringCerts(directory, names)) return `; ${folder}/cert.pem is for these names already`;
  askToWrite(directory);
  if (!isThere(dirname(directory))) throw new Error(`Cannot write ${folder}: there is no such folder`);
  await makeCerts({ directory, names, nowMs: Date.now(), renewAuthority: false });
  return `; made ${folder}/cert.pem and its authority, ${folder}/ca.pem`;
}

/** Whether a file is there that is not to be replaced; says so. */
function isTaken(path: string, { force }: Given): boolean {
  if (force || !isThere(path)) return false;
  fail(`${shown(path)} is there already: give another --output, or --force to replace it`);
  return true;
}

/** Whether something has this name, a link that leads nowhere included. */
function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** @throws {Misuse} */
function readOrder(args: readonly string[]): { given: Given; asks: boolean } {
  const { values } = readArguments(args, {
    client: { type: "string" },
    way: { type: "string" },
    host: { type: "string" },
    key: { type: "string" },
    port: { type: "string" },
    output: { type: "string", short: "o" },
    force: { type: "boolean" },
    yes: { type: "boolean", short: "y" },
    "skip-doctor": { type: "boolean" },
  });
  const client = values.client === undefined ? null : clientOf(values.client);
  if (values.way !== undefined && client === null) throw new Misuse("--way is for a client: give --client too");
  const given = {
    client,
    way: values.way === undefined ? null : knownWay(values.way, client!),
    host: values.host === undefined ? null : knownHost(values.host),
    key: values.key === undefined ? null : keyOf(values.key),
    port: values.port === undefined ? null : portOf(values.port),
    output: typedPath(values.output ?? "config.yaml"),
    force: values.force ?? false,
    runsDoctor: values["skip-doctor"] !== true,
  };
  const asks = values.yes !== true;
  if (asks && !Deno.stdin.isTerminal()) {
    throw new Misuse("There is no terminal to ask on: say --yes, with --client, --key and --port as they are to be");
  }
  return { given, asks };
}

/** By its word or its number in the list. @throws {Misuse} where there is none, or it cannot be led here */
function clientOf(text: string): Client {
  const client = knownClient(CLIENT_WORDS[Number(text) - 1] ?? text);
  if (client.ways.length === 0) throw new Misuse(`${client.name} ${client.needs}`);
  return client;
}

/** @throws {Misuse}, which does not repeat it */
function keyOf(text: string): string {
  const key = cleanApiKey(text);
  const form = upstreamTypes.traits("tmdb-api")?.keyForm;
  if (form?.isKey(key) === false) throw new Misuse(`The key is not one of TMDB: expected ${form.expected}`);
  return key;
}

/** @throws {Misuse} */
function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text.trim()) ? Number(text) : 0;
  if (port < 1 || port > 65_535) {
    throw new Misuse(`--port wants a number from 1 to 65535, found "${text.slice(0, 20)}"`);
  }
  return port;
}

/** Asks for what was not given, each until the answer can be used; nothing is the default. */
function askFor(given: Given): Given {
  if (given.client === null) {
    print(["Which client is it for?", ...CLIENT_WORDS.map((word, at) => `  ${at + 1}  ${word}`)].join("\n"));
  }
  const client = given.client ?? ask(`Name or number [${CLIENT_WORDS.at(-1)}]:`, clientOf);
  const fromVariable = readEnv(KEY_VARIABLE) ? `${KEY_VARIABLE} as it is set` : "none: clients bring their own";
  const key = given.key ?? ask(`TMDB API key or read access token [${fromVariable}]:`, keyOf);
  const { port: usual } = settled({ ...given, client });
  const port = given.port ?? ask(`Port [${usual}]:`, portOf);
  return { ...given, client, key, port };
}

/** What was answered; `null` for nothing. */
function ask<T>(question: string, read: (text: string) => T): T | null {
  for (;;) {
    const answer = prompt(question)?.trim() ?? "";
    if (answer === "") return null;
    try {
      return read(answer);
    } catch (error) {
      if (!(error instanceof Misuse)) throw error;
      print(error.message);
    }
  }
}

/** @throws {Error} when the configuration does not pass the check */
async function prove(
  text: string,
  { path, key }: { readonly path: string; readonly key: string | null },
): Promise<void> {
  const result = await loadConfig("the configuration", {
    readTextFile: (file) =>
      key !== null && [path, shown(path)].includes(file) ? Promise.resolve(key) : Deno.readTextFile(file),
    ownText: () => Promise.resolve(text),
    env: readEnv,
    cores: navigator.hardwareConcurrency,
    cwd: Deno.cwd(),
  });
  if (!result.ok) throw new Error(`What was made for ${shown(path)} does not pass the check:\n${checkReport(result)}`);
}

/** Asked first: without the permission Deno would ask the terminal, and wait. @throws {Error} */
function askToWrite(path: string): void {
  if (Deno.permissions.querySync({ name: "write", path }).state === "granted") return;
  throw new Error(`Cannot write ${shown(path)}: Deno was not given --allow-write, \`deno task init\` gives it`);
}

/** Writes a file that only this user can read, at once or not at all. */
async function writePrivate(path: string, text: string): Promise<void> {
  askToWrite(path);
  const beside = `${path}.new`;
  await Deno.remove(beside).catch(() => {});
  try {
    await Deno.writeTextFile(beside, text, { createNew: true, mode: 0o600 });
    await Deno.rename(beside, path);
  } catch (error) {
    await Deno.remove(beside).catch(() => {});
    throw new Error(`Cannot write ${shown(path)}: ${unwritable(error)}`);
  }
}

function unwritable(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such folder";
  if (error instanceof Deno.errors.PermissionDenied) return "this user may not write there";
  if (error instanceof Deno.errors.IsADirectory) return "it is a folder";
  return messageOf(error);
}

/** Looks whether all is well, and says what is left to be done. */
async function goOn({ output, runsDoctor }: Given, steps: readonly Step[]): Promise<number> {
  const loaded = await load(shown(output));
  if (!loaded.ok) return fail(checkReport(loaded));
  print(runsDoctor ? doctorReport(await diagnose(loaded, DOCTOR)) : checkReport(loaded));
  const lines = steps.map(({ say, command }, index) =>
    `  ${index + 1}. ${say}${command === null ? "" : `: ${command}`}`
  );
  return print(["", "Next:", ...lines].join("\n"));
}

/** The address of this machine in its network, as far as it may be read; names of containers' bridges do not count. */
function ownAddress(): string | null {
  if (Deno.permissions.querySync({ name: "sys", kind: "networkInterfaces" }).state !== "granted") return null;
  const found = Deno.networkInterfaces().find(({ family, address, name }) =>
    family === "IPv4" && !/^(?:127|169\.254)\./.test(address) && !/^(?:docker|br-|veth|virbr|cni|flannel)/.test(name)
  );
  return found?.address ?? null;
}
