import { apiCommand } from "./commands/api.ts";
import { checkReport } from "./commands/check_report.ts";
import { HeldEnvironment, readEnv } from "../lib/workers/supervisor/environment.ts";
import { ConfigSources } from "../lib/workers/supervisor/config_sources.ts";
import { configReference } from "./commands/config_reference.ts";
import { jsonSchema, partJsonSchema } from "../lib/config/json_schema.ts";
import { runGateway } from "../lib/workers/supervisor/run_gateway.ts";
import manifest from "../deno.json" with { type: "json" };
import { adminApp } from "./admin.ts";
import { adminUrl } from "./commands/admin_client.ts";
import { askedInstead, type Command, Misuse, misused, readArguments, unknown } from "./commands/command.ts";
import { certsCommand } from "./commands/certs.ts";
import { load } from "./commands/config_file.ts";
import { lookupCommand } from "./commands/lookup.ts";
import { configFile, STANDARD_INPUT } from "./commands/config_path.ts";
import { checkPorts } from "./commands/check_ports.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { explainCommand } from "./commands/explain.ts";
import { health } from "./commands/health.ts";
import { migrateEnvCommand } from "./commands/migrate_env.ts";
import { initCommand } from "./commands/init.ts";
import { mayBegin } from "./commands/permissions.ts";
import { predecessorOf } from "./commands/predecessor.ts";
import { prewarmCommand } from "./commands/prewarm.ts";
import { purgeCommand } from "./commands/purge.ts";
import { reloadCommand } from "./commands/reload.ts";
import { problemsCommand, slowCommand, topCommand } from "./commands/sight.ts";
import { statusCommand } from "./commands/status.ts";
import { checkNowCommand, drainCommand, undrainCommand } from "./commands/steer_upstream.ts";
import { stopCommand } from "./commands/stop.ts";
import { usageCommand } from "./commands/usage.ts";
import type { Beside } from "./dashboard/dashboard.ts";
import { exitStatus, print } from "./commands/terminal.ts";

const CONFIG_OPTION = { config: { type: "string", short: "c" } } as const;

const CONFIG_HELP =
  "--config, -c FILE   USHER_CONFIG or config.yaml by default, else config.example.yaml; - is standard input";

const start: Command = {
  summary: "run the gateway (SIGHUP reloads, SIGTERM stops gracefully)",
  usage: `usage: usher start [--config FILE] [--watch] [--take-over]

  Runs the gateway until SIGTERM or SIGINT. Exits with 0 after that, with 1 if it cannot start.

  ${CONFIG_HELP}
  --watch             reload when the configuration changes, or a file that it includes or names, as with server.watch
  --take-over         take the place of the gateway that runs with this configuration, without a gap: an upgrade. It stops
                      when this one is ready; if this one cannot start, it goes on
`,
  async run(args, workerUrl, beside) {
    const options = { ...CONFIG_OPTION, watch: { type: "boolean" }, "take-over": { type: "boolean" } } as const;
    const { config, watch = false, "take-over": takesOver = false } = readArguments(args, options).values;
    const file = configFile("start", config);
    const sources = new ConfigSources();
    const environment = new HeldEnvironment();
    const testHooks = readEnv("USHER_TEST_HOOKS") === "1";
    return await runGateway({
      version: manifest.version,
      configFile: file,
      isFromFile: file !== STANDARD_INPUT,
      watch,
      sources,
      source: async () => {
        const loaded = await load(file, { env: environment.get, sources });
        if (loaded.ok) environment.takeOut();
        return loaded;
      },
      preview: () => load(file, { env: environment.get }),
      workerUrl,
      adminHandler: (supervisor) => {
        const app = adminApp(supervisor, beside);
        return (request, { peer }) => app.fetch(request, { remote: peer });
      },
      testHooks,
      predecessor: takesOver ? () => predecessorOf(config) : undefined,
    });
  },
};

const check: Command = {
  summary: "say what is wrong with a configuration",
  usage: `usage: usher check [--config FILE] [--skip-ports]

  Prints every mistake with its place. Exits with 0 if there is none, else with 1.

  ${CONFIG_HELP}
  --skip-ports        do not look whether the ports are free; those of this gateway, if it runs, count as free
`,
  async run(args) {
    const { values } = readArguments(args, { ...CONFIG_OPTION, "skip-ports": { type: "boolean" } });
    const result = await load(configFile("check", values.config));
    print(checkReport(result));
    if (!result.ok) return 1;
    return values["skip-ports"] ? 0 : await checkPorts(result, values.config);
  },
};

const healthCommand: Command = {
  summary: "ask the running gateway whether it is ready",
  usage: `usage: usher health [--config FILE | --admin URL]

  Exits with 0 if it is ready, else with 1. The file as it is now does not matter.

  ${CONFIG_HELP}
`,
  run(args) {
    const { config, admin } = readArguments(args, { ...CONFIG_OPTION, admin: { type: "string" } }).values;
    return health({ config, admin: admin === undefined ? undefined : adminUrl(admin) });
  },
};

/** Every command by its name, in the order of `usher help`. */
const COMMANDS: Readonly<Record<string, Command>> = {
  init: initCommand,
  start,
  check,
  health: healthCommand,
  status: statusCommand,
  problems: problemsCommand,
  slow: slowCommand,
  top: topCommand,
  reload: reloadCommand,
  stop: stopCommand,
  usage: usageCommand,
  purge: purgeCommand,
  prewarm: prewarmCommand,
  lookup: lookupCommand,
  drain: drainCommand,
  undrain: undrainCommand,
  "check-now": checkNowCommand,
  api: apiCommand,
  explain: explainCommand,
  doctor: doctorCommand,
  certs: certsCommand,
  "migrate-env": migrateEnvCommand,
  schema: {
    summary: "print the JSON Schema of the configuration, or of an included file",
    usage: `usage: usher schema [--part]

  Prints the JSON Schema of the configuration, for editors.

  --part              of a file that the configuration includes
`,
    run(args) {
      const { part } = readArguments(args, { part: { type: "boolean" } }).values;
      return print(JSON.stringify(part ? partJsonSchema() : jsonSchema(), null, 2));
    },
  },
  reference: printer(
    "reference",
    "print the reference of the configuration, as in docs/config.md",
    configReference,
  ),
  version: printer("version", "print the version", () => manifest.version),
  help: {
    summary: "say how a command is called: help COMMAND",
    usage: "usage: usher help [COMMAND]\n",
    run: (args) => help(args),
  },
};

/** A command without options that prints something. */
function printer(name: string, summary: string, text: () => string): Command {
  return {
    summary,
    usage: `usage: usher ${name}\n\n  Prints ${summary.slice("print ".length)}.\n`,
    run(args) {
      readArguments(args, {});
      return print(text());
    },
  };
}

/** What `usher help` prints. */
function overview(): string {
  const names = Object.keys(COMMANDS);
  const width = Math.max(...names.map((name) => name.length));
  return `Usher ${manifest.version}: a caching gateway, configured by one YAML file

usage: usher COMMAND [--config FILE]

${names.map((name) => `  ${name.padEnd(width)}  ${COMMANDS[name]!.summary}`).join("\n")}

FILE is config.yaml unless it is given, else config.example.yaml; - is standard input. usher COMMAND --help says more.
Exit status: 0 done, 1 not done or something is wrong, 2 a command line that cannot be understood.
`;
}

function help(args: readonly string[]): number {
  const [name] = readArguments(args, {}, 1).positionals;
  if (name === undefined) return print(overview().trimEnd());
  const command = commandOf(name);
  if (command === null) throw new Misuse(unknown("command", name, Object.keys(COMMANDS)));
  return print(command.usage.trimEnd());
}

function commandOf(name: string): Command | null {
  return Object.hasOwn(COMMANDS, name) ? COMMANDS[name]! : null;
}

/** Runs a command, as {@linkcode Command} says; answers the process's exit status. */
export async function commandLine(args: readonly string[], workerUrl: URL, beside?: Beside): Promise<number> {
  return exitStatus(await perform(args, workerUrl, beside));
}

async function perform(args: readonly string[], workerUrl: URL, beside?: Beside): Promise<number> {
  const [first = "help", ...rest] = commandFirst(args);
  const named = commandOf(first);
  // Without a command there may be only what is asked for in place of one.
  const asked = named === null && !first.startsWith("-") ? null : askedInstead(named === null ? args : rest);
  if (asked === "version") return print(manifest.version);
  if (asked === "help") return print((named === null ? overview() : named.usage).trimEnd());
  if (named === null) {
    if (/^(?:--config|-c$)/.test(first)) return misused("Say which command", overview());
    const kind = first.startsWith("-") ? "option" : "command";
    const known = kind === "option" ? ["--help", "--version"] : Object.keys(COMMANDS);
    return misused(unknown(kind, first, known), overview());
  }
  if (!mayBegin(first, rest)) return 1;
  try {
    return await named.run(rest, workerUrl, beside);
  } catch (error) {
    if (error instanceof Misuse) return misused(error.message, named.usage);
    throw error;
  }
}

/** The arguments with the command before a `--config FILE` that stands before it. */
function commandFirst(args: readonly string[]): readonly string[] {
  const count = /^(?:--config|-c)$/.test(args[0] ?? "") ? 2 : /^(?:--config=|-c.)/.test(args[0] ?? "") ? 1 : 0;
  return args.length > count ? [args[count]!, ...args.slice(0, count), ...args.slice(count + 1)] : args;
}
