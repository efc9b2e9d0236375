import { relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { checkReport } from "../lib/config/check.ts";
import { jsonSchema } from "../lib/config/json_schema.ts";
import { loadConfig, type LoadResult } from "../lib/config/load.ts";
import { formatLocated } from "../lib/config/located.ts";
import { portsInUse } from "../lib/config/ports.ts";
import { readText } from "../lib/config/read_text.ts";
import { balancerNames } from "../lib/pool/balancer_registry.ts";
import { upstreamTypeNames } from "../lib/upstream_type/registry.ts";
import { runGateway } from "../lib/workers/run_gateway.ts";
import manifest from "../deno.json" with { type: "json" };
import { adminApp } from "./admin.ts";

const USAGE = `Usher ${manifest.version}: a caching gateway, configured by one YAML file

usage: usher COMMAND [--config FILE]

  start     run the gateway (SIGHUP reloads, SIGTERM stops gracefully)
  check     say what is wrong with a configuration; exits with 0 or 1
              --skip-ports   the gateway that uses these ports is running
  schema    print the JSON Schema of the configuration
  health    ask the running gateway whether it is ready; exits with 0 or 1
  version   print the version

FILE is config.yaml unless it is given, else config.example.yaml.
`;

const NAMES = { types: upstreamTypeNames, strategies: balancerNames };

/** The command line's arguments. */
interface Arguments {
  readonly command: string;
  readonly config: string;
  readonly skipPorts: boolean;
}

/** Runs a command; answers the process's exit status. `workerUrl` is the module that workers start from. */
export async function commandLine(args: readonly string[], workerUrl: URL): Promise<number> {
  const parsed = parse(args);
  if (typeof parsed === "string") return fail(parsed);
  switch (parsed.command) {
    case "start":
      return await start(parsed, workerUrl);
    case "check":
      return await check(parsed);
    case "schema":
      return print(JSON.stringify(jsonSchema(NAMES), null, 2));
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
      return (request) => app.fetch(request);
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
  const { hostname, port } = result.config.admin.listen;
  const host = hostname === "0.0.0.0" ? "127.0.0.1" : hostname === "::" ? "[::1]" : hostname;
  const url = `http://${host}:${port}/ready`;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(3_000) });
    print(await response.text());
    return response.ok ? 0 : 1;
  } catch (error) {
    return fail(`No gateway answers at ${url}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function load(path: string): Promise<LoadResult> {
  return loadConfig(path, {
    ...NAMES,
    readTextFile: readText,
    env: (name) => Deno.env.get(name),
    cores: navigator.hardwareConcurrency,
    cwd: Deno.cwd(),
  });
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

/** The file that is used where none is named. */
function defaultConfig(command: string): string {
  if (!["start", "check", "health"].includes(command) || exists("config.yaml")) return "config.yaml";
  if (command === "start") {
    fail("There is no config.yaml: using config.example.yaml. Copy it to config.yaml and make it yours.");
  }
  if (exists("config.example.yaml")) return "config.example.yaml";
  // A compiled program carries the example along.
  return fileURLToPath(new URL("../config.example.yaml", import.meta.url));
}

/** `deno task` runs in the project's folder; a path that the user typed means the folder they typed it in. */
function typedPath(path: string): string {
  return resolve(Deno.env.get("INIT_CWD") ?? Deno.cwd(), path);
}

/** Below the working directory a short path reads better in messages. */
function shown(path: string): string {
  const short = relative(Deno.cwd(), path);
  return short.startsWith("..") ? path : short;
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

function print(text: string): number {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
  return 0;
}

function fail(text: string): number {
  Deno.stderr.writeSync(new TextEncoder().encode(`${text.trimEnd()}\n`));
  return 1;
}
