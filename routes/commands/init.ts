import { dirname, join } from "node:path";
import { cleanApiKey } from "../../lib/config/api_keys.ts";
import { loadConfig } from "../../lib/config/load.ts";
import { messageOf } from "../../lib/errors.ts";
import { diagnose } from "../../lib/inspect/doctor.ts";
import { clientSettings } from "../../lib/inspect/client_settings.ts";
import type { Config } from "../../lib/config/config.ts";
import { upstreamTypes } from "../../lib/upstream_type/registry.ts";
import { readEnv } from "../../lib/workers/supervisor/environment.ts";
import { checkReport } from "./check_report.ts";
import { type Command, failed, Misuse, readArguments, unknown } from "./command.ts";
import { load } from "./config_file.ts";
import { shown, typedPath } from "./config_path.ts";
import { doctorReport } from "./doctor.ts";
import { INIT_CLIENTS, type InitClient, initFile } from "./init_file.ts";
import { fail, print } from "./terminal.ts";

const WORDS = INIT_CLIENTS.map(({ word }) => word);
const DEFAULT_PORT = 6635;
const KEY_VARIABLE = "TMDB_API_KEY";
/** The file that a key is put into, beside the configuration. */
const KEY_FILE = "tmdb_api_key";
const PLACEHOLDER_HOST = "usher.lan";
const DOCTOR = { pool: null, timeoutMs: 5_000 };

const USAGE =
  `usage: usher init [--client NAME] [--key KEY] [--port N] [--output FILE [--force]] [--yes] [--skip-doctor]

  Asks for the client, a TMDB key and a port, writes a short configuration that passes \`check\`, runs \`doctor\`, and says what
  to set in the client. What is given is not asked for.

  --client NAME       ${WORDS.join(", ")}
  --key KEY           a TMDB API key or read access token; it goes into the file ${KEY_FILE} beside the configuration, which
                      only this user can read. Without it ${KEY_VARIABLE} is used where it is set
  --port N            where clients ask; ${DEFAULT_PORT} by default
  --output, -o FILE   config.yaml by default; --force replaces what is there
  --yes               ask nothing: defaults for what is not given
  --skip-doctor       do not ask upstreams whether all is well
`;

/** What was said, or is not known yet. */
interface Given {
  readonly client: InitClient | null;
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
      const { client, key, port } = asks ? askFor(given) : given;
      if (key !== null && isTaken(keyFile, given)) return 1;
      const keyReference = key !== null
        ? `\${file:${shown(keyFile)}}`
        : readEnv(KEY_VARIABLE)
        ? `\${${KEY_VARIABLE}}`
        : null;
      const order = { client: client ?? INIT_CLIENTS.at(-1)!, port: port ?? DEFAULT_PORT, keyReference };
      const text = initFile(order);
      await prove(text, { path: keyFile, key });
      if (key !== null) await writePrivate(keyFile, `${key}\n`);
      await writePrivate(given.output, text);
      print(
        `Wrote ${[given.output, ...key === null ? [] : [keyFile]].map(shown).join(" and ")}: only you can read them`,
      );
      return await goOn(given, order.client);
    } catch (error) {
      return failed(error);
    }
  },
};

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
    key: { type: "string" },
    port: { type: "string" },
    output: { type: "string", short: "o" },
    force: { type: "boolean" },
    yes: { type: "boolean", short: "y" },
    "skip-doctor": { type: "boolean" },
  });
  const given = {
    client: values.client === undefined ? null : clientOf(values.client),
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

/** @throws {Misuse} */
function clientOf(text: string): InitClient {
  const word = text.trim().toLowerCase().replace(/^(?:jellyseerr|overseerr)$/, "seerr").replace(/^sonarr$/, "radarr");
  const client = INIT_CLIENTS.find((one) => one.word === word) ?? INIT_CLIENTS[Number(word) - 1];
  if (client === undefined) throw new Misuse(`${unknown("client", text, WORDS)}; there are ${WORDS.join(", ")}`);
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
    print(["Which client is it for?", ...WORDS.map((word, at) => `  ${at + 1}  ${word}`)].join("\n"));
  }
  const client = given.client ?? ask("Name or number [other]:", clientOf);
  const fromVariable = readEnv(KEY_VARIABLE) ? `${KEY_VARIABLE} as it is set` : "none: clients bring their own";
  const key = given.key ?? ask(`TMDB API key or read access token [${fromVariable}]:`, keyOf);
  const port = given.port ?? ask(`Port [${DEFAULT_PORT}]:`, portOf);
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
    readTextFile: () => Promise.resolve(key ?? ""),
    ownText: () => Promise.resolve(text),
    env: readEnv,
    cores: navigator.hardwareConcurrency,
    cwd: Deno.cwd(),
  });
  if (!result.ok) throw new Error(`What was made for ${shown(path)} does not pass the check:\n${checkReport(result)}`);
}

/** Writes a file that only this user can read, at once or not at all. */
async function writePrivate(path: string, text: string): Promise<void> {
  // Asked first: without the permission Deno would ask the terminal, and wait.
  if (Deno.permissions.querySync({ name: "write", path }).state !== "granted") {
    throw new Error(`Cannot write ${shown(path)}: Deno was not given --allow-write, \`deno task init\` gives it`);
  }
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
async function goOn({ output, runsDoctor }: Given, client: InitClient): Promise<number> {
  const loaded = await load(shown(output));
  if (!loaded.ok) return fail(checkReport(loaded));
  const isWell = runsDoctor ? doctorReport(await diagnose(loaded, DOCTOR)) : checkReport(loaded);
  print(isWell);
  return print(["", "Next:", ...numbered(steps(loaded.config, client, shown(output)))].join("\n"));
}

/** What is left to be done, in order. */
function steps(config: Config, client: InitClient, file: string): string[] {
  const host = ownAddress() ?? PLACEHOLDER_HOST;
  const start = `deno task start${file === "config.yaml" ? "" : ` --config ${file}`}`;
  const settings = clientSettings(config, host);
  const row = settings.clients.find(({ client: name }) => name === client.name);
  const place = host === PLACEHOLDER_HOST ? ` (${host} stands for this machine's name or address)` : "";
  const [here] = clientSettings(config, "127.0.0.1").base_urls;
  if (client.way === "dns") {
    return [
      "deno task certs --tmdb, and switch on the last lines of the file",
      start,
      `Have the name server that ${client.name} asks answer TMDB's names with the address of this machine`,
      "Where this machine asks that name server too, pin TMDB's addresses with `resolve`: docs/clients.md",
      `Give ${client.name} tls/ca.pem to trust: docs/clients.md has the place for it`,
    ];
  }
  return [
    `${start}, and try it: curl ${here!.url}/configuration`,
    ...(row?.setting ? [`In ${client.name}: ${row.setting} = ${row.value}${place}; needs ${row.needs}`] : []),
    ...(client.way === "https" ? ["Put a name with HTTPS before it: docs/clients.md, A public name with HTTPS"] : []),
    "What else clients need: docs/clients.md",
  ];
}

function numbered(lines: readonly string[]): string[] {
  return lines.map((line, index) => `  ${index + 1}. ${line}`);
}

/** The address of this machine in its network, as far as it may be read; names of containers' bridges do not count. */
function ownAddress(): string | null {
  if (Deno.permissions.querySync({ name: "sys", kind: "networkInterfaces" }).state !== "granted") return null;
  const found = Deno.networkInterfaces().find(({ family, address, name }) =>
    family === "IPv4" && !/^(?:127|169\.254)\./.test(address) && !/^(?:docker|br-|veth|virbr|cni|flannel)/.test(name)
  );
  return found?.address ?? null;
}
