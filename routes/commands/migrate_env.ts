import { checkReport } from "./check_report.ts";
import { loadConfig } from "../../lib/config/load.ts";
import { formatLocated } from "../../lib/config/yaml/located.ts";
import { migrateEnv } from "../../lib/migration/migrate_env.ts";
import { readProcessEnvironment, readSeedSource } from "../../lib/migration/seed_source.ts";
import { type Command, failed, Misuse, readArguments } from "./command.ts";
import { shown, typedPath } from "./config_path.ts";
import { fail, print } from "./terminal.ts";

const USAGE = `usage: usher migrate-env [FILE | - | --from-env] [--service NAME] [--output FILE [--force]]

  FILE        a .env file or a Docker Compose file of the seed system; - or nothing reads standard input
  --from-env  the environment of this process
  --service   only this service of a Compose file; may be given several times
  --output    write the configuration to a file instead of standard output; --force replaces one that is there
`;

const MAX_INPUT_BYTES = 4 * 1024 ** 2;

/** What was asked for. */
interface Order {
  readonly file: string | null;
  readonly fromEnv: boolean;
  readonly services: readonly string[];
  readonly output: string | null;
  readonly force: boolean;
}

/** `usher migrate-env`: makes a configuration of the seed system's environment variables; warnings go to standard error. */
export const migrateEnvCommand: Command = {
  summary: "make a configuration of the seed system's environment: docs/migrating.md",
  usage: USAGE,
  async run(args) {
    const order = readOrder(args);
    try {
      const label = order.fromEnv ? "environment" : order.file === null ? "standard input" : called(order.file);
      const { yaml, warnings } = migrateEnv(await read(order, label), label);
      for (const warning of warnings) fail(`warning: ${formatLocated(warning)}`);
      await prove(yaml);
      return order.output === null ? print(yaml.trimEnd()) : await write(order.output, yaml, order.force);
    } catch (error) {
      return failed(error);
    }
  },
};

/** @throws {Misuse} */
function readOrder(args: readonly string[]): Order {
  const { values, positionals } = readArguments(args, {
    "from-env": { type: "boolean" },
    service: { type: "string", multiple: true },
    output: { type: "string", short: "o" },
    force: { type: "boolean" },
  }, 1);
  const fromEnv = values["from-env"] ?? false;
  if (fromEnv && positionals.length > 0) throw new Misuse("Give one source: a file, or --from-env");
  const [file = "-"] = positionals;
  return {
    file: fromEnv || file === "-" ? null : typedPath(file),
    fromEnv,
    services: values.service ?? [],
    output: values.output === undefined ? null : typedPath(values.output),
    force: values.force ?? false,
  };
}

async function read({ file, fromEnv, services }: Order, label: string) {
  const env = Deno.env.toObject();
  if (fromEnv) return readProcessEnvironment(env, label);
  const text = file === null ? await standardInput() : undefined;
  return await readSeedSource({ label, file, text, folder: typedPath("."), services }, env);
}

async function standardInput(): Promise<string> {
  if (Deno.stdin.isTerminal()) throw new Misuse("Nothing to read");
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of Deno.stdin.readable) {
    bytes += chunk.length;
    if (bytes > MAX_INPUT_BYTES) throw new Error(`Standard input is larger than ${MAX_INPUT_BYTES / 1024 ** 2}MiB`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** @throws {Error} when the configuration does not pass the check, with the variables as they are now */
async function prove(yaml: string): Promise<void> {
  const result = await loadConfig("the configuration", {
    readTextFile: () => Promise.resolve(yaml),
    env: (name) => Deno.env.get(name),
    cores: navigator.hardwareConcurrency,
    cwd: Deno.cwd(),
  });
  if (!result.ok) throw new Error(`What was made does not pass the check:\n${checkReport(result)}`);
}

async function write(file: string, yaml: string, force: boolean): Promise<number> {
  // Asked first: without the permission Deno would ask the terminal, and wait.
  if (Deno.permissions.querySync({ name: "write", path: file }).state !== "granted") {
    return fail(`Cannot write ${called(file)}: Deno was not given --allow-write, \`deno task migrate-env\` gives it`);
  }
  try {
    await Deno.writeTextFile(file, yaml, { createNew: !force });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    return fail(`${called(file)} is there already: give another name, or --force to replace it`);
  }
  fail(`Wrote ${called(file)}. Next: deno task check --config ${called(file)}`);
  return 0;
}

/** A path in a message; the working directory itself has no shorter one. */
function called(path: string): string {
  return shown(path) || ".";
}
