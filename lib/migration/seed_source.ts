import { dirname, join } from "node:path";
import { explainReadError, readText } from "../config/yaml/read_text.ts";
import { type Environments, readComposeFile, type ServiceEnvironment } from "./compose_file.ts";
import { parseDotenv } from "./dotenv.ts";
import { seedVariables, tellingVariables } from "./seed_variables.ts";

/** Where the seed's variables are to be read from. */
export interface SeedSource {
  /** How messages call it. */
  readonly label: string;
  /** The whole path of a file; `null` where the text came from elsewhere. */
  readonly file: string | null;
  /** What came from elsewhere. */
  readonly text?: string;
  /** Whose `.env` counts where there is no file. */
  readonly folder: string;
  /** Services of a Compose file; all that are the seed's where none is named. */
  readonly services: readonly string[];
}

/** The variables of a process. */
export type ProcessEnvironment = Readonly<Record<string, string>>;

/**
 * Reads the seed's variables from a process.
 *
 * @throws {Error} when there are none; its message is for the user
 */
export function readProcessEnvironment(env: ProcessEnvironment, label: string): Environments {
  const variables = Object.entries(env).map(([name, value]) =>
    [name, { value, file: label, line: 0, column: 0 }] as const
  );
  return single(new Map(variables), label);
}

/**
 * Reads the seed's variables from a Docker Compose file, which is one with a line `services:`, else from a `.env` file.
 *
 * @throws {Error} when it cannot be read or holds none of them; its message is for the user
 */
export async function readSeedSource(source: SeedSource, env: ProcessEnvironment): Promise<Environments> {
  const { label, file } = source;
  const text = source.text ?? await readText(file ?? "").catch((error) => {
    throw new Error(`Cannot read ${label}: ${explainReadError(error)}`);
  });
  if (/^\s*["']?services["']?\s*:/m.test(text)) return await compose(text, source, env);
  if (/\.ya?ml$/i.test(file ?? "")) throw new Error(`${label} has no \`services:\`: it is no Compose file`);
  const { variables, problems } = parseDotenv(text, (name) => env[name]);
  const placed = new Map([...variables].map(([name, value]) => [name, { file: label, ...value }]));
  return {
    ...single(placed, label),
    problems: problems.map((problem) => ({ file: label, path: "", ...problem })),
  };
}

/** One environment that belongs to no service. */
function single(variables: ServiceEnvironment["variables"], label: string): Environments {
  if (!seedVariables.some(({ name }) => variables.has(name))) {
    throw new Error(`Found none of the seed's variables in ${label}: expected some such as UPSTREAM_SERVERS`);
  }
  const service = { name: null, image: null, variables, published: new Map(), localPorts: new Set<number>() };
  return { services: [service], problems: [] };
}

async function compose(text: string, source: SeedSource, env: ProcessEnvironment): Promise<Environments> {
  const folder = source.file === null ? source.folder : dirname(source.file);
  // Compose takes values from a file of this name beside its own; what the shell says comes before it.
  const beside = parseDotenv(await readText(join(folder, ".env")).catch(() => ""), (name) => env[name]).variables;
  const { services, problems } = await readComposeFile({ label: source.label, folder }, text, {
    env: (name) => env[name] ?? beside.get(name)?.value,
    readTextFile: readText,
  });
  // A file that is no YAML has no services, and its problems say why.
  return { services: services.length === 0 ? unreadable(source.label, problems) : chosen(services, source), problems };
}

function unreadable(label: string, problems: Environments["problems"]): never {
  const said = problems.map(({ line, column, message }) => `${label}:${line}:${column}: ${message}`);
  throw new Error([`Cannot read the services of ${label}`, ...said].join("\n"));
}

/** The services that are the seed's: those that were named, else those that their variables or image give away. */
function chosen(services: readonly ServiceEnvironment[], { label, services: names }: SeedSource) {
  const missing = names.find((name) => !services.some((service) => service.name === name));
  if (missing !== undefined) throw new Error(`${label} has no service "${missing}"`);
  if (names.length > 0) return services.filter(({ name }) => names.includes(name ?? ""));
  const found = services.filter(({ image, variables }) =>
    tellingVariables.some((name) => variables.has(name)) || /(?:^|\/)(?:proxy-nest|tmdb-proxy)\b/.test(image ?? "")
  );
  if (found.length > 0) return found;
  throw new Error(`No service of ${label} sets ${tellingVariables.join(" or ")}: name it with --service`);
}
