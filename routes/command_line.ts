import { parseArgs } from "node:util";
import { checkReport } from "../lib/config/check.ts";
import { configReference } from "../lib/config/reference.ts";
import { jsonSchema } from "../lib/config/json_schema.ts";
import { formatLocated } from "../lib/config/located.ts";
import { portsInUse } from "../lib/config/ports.ts";
import { runGateway } from "../lib/workers/run_gateway.ts";
import manifest from "../deno.json" with { type: "json" };
import { adminApp } from "./admin.ts";
import { adminCertificate, adminFetch, adminUrl } from "../lib/workers/admin_fetch.ts";
import { certsCommand } from "./commands/certs.ts";
import { defaultConfig, load, NAMES, shown, typedPath } from "./commands/config_file.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { explainCommand } from "./commands/explain.ts";
import { migrateEnvCommand } from "./commands/migrate_env.ts";
import { prewarmCommand } from "./commands/prewarm.ts";
import { purgeCommand } from "./commands/purge.ts";
import { fail, print } from "./commands/terminal.ts";

const USAGE = `Usher ${manifest.version}: a caching gateway, configured by one YAML file

usage: usher COMMAND [--config FILE]

  start     run the gateway (SIGHUP reloads, SIGTERM stops gracefully)
  check     say what is wrong with a configuration; exits with 0 or 1
              --skip-ports   the gateway that uses these ports is running
  schema    print the JSON Schema of the configuration
  reference print the reference of the configuration, as in docs/config.md
  purge     remove stored responses of the running gateway, or mark them stale
              --url U | --prefix P | --glob G | --tag T | --listener L | --all   what to purge
              --hard         remove: without it they are stale, and validated at their next use
              --admin URL --token T   where the gateway is, if the configuration does not say
  prewarm   have the running gateway fetch paths into its cache, behind real requests
              --listener L [PATH…] [--file F]   what to fetch; as configured where neither is given
              --concurrency N --rate N --no-wait --admin URL --token T
  explain   say what the gateway would do with a request, without sending anything: explain URL
              --method M  -H 'Name: value'  --json
  migrate-env [FILE | - | --from-env]   make a configuration of the seed system's environment: docs/migrating.md
              --service NAME --output FILE --force
  doctor    check every upstream and this machine, and say what to do; exits with 0 or 1
              --pool NAME  --timeout 5s  --json
  certs     make an authority of your own and a certificate for names: certs --tmdb | NAME…
              --out DIR   tls unless it is given; --new-authority
  health    ask the running gateway whether it is ready; exits with 0 or 1
  version   print the version

FILE is config.yaml unless it is given, else config.example.yaml.
`;

/** The command line's arguments. */
interface Arguments {
  readonly command: string;
  readonly config: string;
  readonly skipPorts: boolean;
}

/** Runs a command; answers the process's exit status. `workerUrl` is the module that workers start from. */
export async function commandLine(args: readonly string[], workerUrl: URL): Promise<number> {
  if (args[0] === "purge") return await purgeCommand(args.slice(1));
  if (args[0] === "prewarm") return await prewarmCommand(args.slice(1));
  if (args[0] === "migrate-env") return await migrateEnvCommand(args.slice(1));
  if (args[0] === "certs") return await certsCommand(args.slice(1));
  if (args[0] === "doctor") return await doctorCommand(args.slice(1));
  if (args[0] === "explain") return await explainCommand(args.slice(1));
  const parsed = parse(args);
  if (typeof parsed === "string") return fail(parsed);
  switch (parsed.command) {
    case "start":
      return await start(parsed, workerUrl);
    case "check":
      return await check(parsed);
    case "schema":
      return print(JSON.stringify(jsonSchema(NAMES), null, 2));
    case "reference":
      return print(configReference(NAMES));
    case "health":
      return await health(parsed);
    case "version":
      return print(manifest.version);
    case "help":
      return print(USAGE.trimEnd());
    default:
      return fail(`There is no command "${parsed.command}"\n\n${USAGE}`);
  }
}

async function start({ config }: Arguments, workerUrl: URL): Promise<number> {
  return await runGateway({
    version: manifest.version,
    configFile: config,
    source: () => load(config),
    workerUrl,
    adminHandler: (supervisor) => {
      const app = adminApp(supervisor);
      return (request, { peer }) => app.fetch(request, { remote: peer });
    },
    testHooks: Deno.env.get("USHER_TEST_HOOKS") === "1",
  });
}

async function check({ config, skipPorts }: Arguments): Promise<number> {
  const result = await load(config);
  print(checkReport(result));
  if (!result.ok) return 1;
  const busy = skipPorts ? [] : portsInUse(result.listening).map(formatLocated);
  if (busy.length === 0) return 0;
  print([...busy, "Use --skip-ports if the gateway that listens there is this one"].join("\n"));
  return 1;
}

async function health({ config }: Arguments): Promise<number> {
  const result = await load(config);
  if (!result.ok) return fail(checkReport(result));
  const { admin } = result.config;
  const url = `${adminUrl(admin)}/ready`;
  const certificate = adminCertificate(admin);
  try {
    const asked = { method: "GET", headers: {}, body: undefined, timeoutMs: 3_000, certificate };
    const { ok, text } = await adminFetch(url, asked);
    print(text);
    return ok ? 0 : 1;
  } catch (error) {
    return fail(`No gateway answers at ${url}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function parse(args: readonly string[]): Arguments | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        config: { type: "string", short: "c" },
        "skip-ports": { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
    if (positionals.length > 1) return `Unexpected argument "${positionals[1]}"\n\n${USAGE}`;
    const command = values.help ? "help" : positionals[0] ?? "help";
    return {
      command,
      config: values.config === undefined ? defaultConfig(command) : shown(typedPath(values.config)),
      skipPorts: values["skip-ports"] ?? false,
    };
  } catch (error) {
    return `${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`;
  }
}
