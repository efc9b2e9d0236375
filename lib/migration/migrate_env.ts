import { retype } from "../config/yaml/interpolate.ts";
import { formatLocated, type Located } from "../config/yaml/located.ts";
import { formatDurationMs, formatSizeBytes } from "../config/yaml/units.ts";
import type { Environments, ServiceEnvironment } from "./compose_file.ts";
import { readSeedSettings, type SeedSettings, type SeedType, type Setting } from "./seed_settings.ts";
import { seedVariables } from "./seed_variables.ts";

/** A configuration that was made of an environment. */
export interface Migration {
  /** The file's text. */
  readonly yaml: string;
  /** What could not be used, what did nothing before, what is gone; each with its place. */
  readonly warnings: readonly Located[];
}

/** A line of the file; `depth` counts steps of two spaces. */
interface Line {
  readonly depth: number;
  readonly text: string;
  readonly comment: string;
}

/** Says something about a variable that has no place in a file. */
type Warn = (path: string, message: string) => void;

/** A service with the names and the port that it gets here. */
interface Placed {
  readonly settings: SeedSettings;
  readonly pool: string;
  /** Its listeners by their prefixes. */
  readonly listeners: ReadonlyArray<readonly [name: string, prefix: string]>;
  readonly port: number;
  readonly portOrigin: string;
}

const KIB = 1024;
const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const DEFAULT_PORT = 6635;
const ADMIN_PORT = 6636;

/** What a stored response of each type takes, roughly. */
const ENTRY_BYTES: Readonly<Record<SeedType, number>> = {
  "tmdb-api": 32 * KIB,
  "tmdb-image": 256 * KIB,
  custom: 128 * KIB,
};

/** Sizes that an estimate stays between. */
const MEMORY_LIMITS = [64 * MIB, GIB] as const;
const DISK_LIMITS = [256 * MIB, 1024 * GIB] as const;

/** Where requests go if nothing usable was said. */
const USUAL_UPSTREAMS: Readonly<Record<SeedType, readonly string[]>> = {
  "tmdb-api": ["https://api.themoviedb.org", "https://api.tmdb.org"],
  "tmdb-image": ["https://image.tmdb.org"],
  custom: ["https://upstream.invalid"],
};

const PREFIXES: Readonly<Record<SeedType, ReadonlyArray<readonly [name: string, prefix: string]>>> = {
  "tmdb-api": [["api", "/3"], ["api-v4", "/4"]],
  "tmdb-image": [["images", "/t/p"]],
  custom: [["custom", "/"]],
};

/**
 * Makes a configuration of what the seed system was told, with a comment behind each value that says where it is from. It always
 * passes the check. Secrets are referred to, never copied. `source` names the environment in the file's first lines.
 */
export function migrateEnv({ services, problems }: Environments, source: string): Migration {
  const all = services.length === 0 ? [NO_SERVICE] : services;
  const found = [...problems];
  const warn = (path: string, message: string) => {
    found.push({ file: source, line: 0, column: 0, path, message });
  };
  const placed = place(all.map((service) => readSeedSettings(service, found)), warn);
  for (const { settings } of placed) noteUpstreams(settings, warn);
  // Services that share a part of a file would say the same of it.
  const warnings = [...new Map(found.map((one) => [formatLocated(one), one])).values()];
  const sections = [
    block("server:", serverLines(placed)),
    block("admin:", adminLines(placed)),
    block("cache:", cacheLines(placed)),
    block("pools:", placed.flatMap((one) => poolLines(one, placed))),
    block("listeners:", placed.flatMap(listenerLines)),
  ].filter((lines) => lines.length > 0);
  const text = [header(source, warnings), ...sections.map((lines) => lines.map(written).join("\n")), unset(all)];
  return { yaml: `${text.filter((part) => part !== "").join("\n\n")}\n`, warnings };
}

const NO_SERVICE: ServiceEnvironment = {
  ...{ name: null, image: null, variables: new Map(), published: new Map(), localPorts: new Set() },
};

/** Gives each service names and a port of its own where two would be in each other's way. */
function place(all: readonly SeedSettings[], warn: Warn): Placed[] {
  const claims = new Set<string>();
  const names = new Set<string>();
  return all.map((settings) => {
    const type = settings.type.value;
    const own = all.length === 1 ? type : ownName(settings.service ?? type, names);
    const prefixes = PREFIXES[type];
    const wanted = settings.port?.value ?? DEFAULT_PORT;
    let port = wanted;
    while (prefixes.some(([, prefix]) => claims.has(`${port}${prefix}`))) port = port === 65_535 ? 1024 : port + 1;
    for (const [, prefix] of prefixes) claims.add(`${port}${prefix}`);
    if (port !== wanted) {
      warn("PORT", `port ${wanted} is another service's: ${settings.service ?? "this one"} gets ${port}`);
    }
    return {
      settings,
      pool: own,
      listeners: prefixes.map(([name, prefix], index) =>
        [all.length === 1 ? name : index === 0 ? own : `${own}-v4`, prefix] as const
      ),
      port,
      portOrigin: port === wanted ? settings.port?.origin ?? "the default of PORT" : `${wanted} is another service's`,
    };
  });
}

/** A name that a pool may have, and no other has, not even as part of a variable's name. */
function ownName(text: string, taken: Set<string>): string {
  const base = text.replaceAll(/[^A-Za-z0-9_.-]/g, "-").replace(/^[^A-Za-z0-9]+/, "").slice(0, 50) || "service";
  let name = base;
  const isTaken = (wanted: string) => taken.has(variableSuffix(wanted)) || taken.has(variableSuffix(`${wanted}-v4`));
  for (let count = 2; isTaken(name); count++) name = `${base}-${count}`;
  taken.add(variableSuffix(name)).add(variableSuffix(`${name}-v4`));
  return name;
}

function variableSuffix(name: string): string {
  return name.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_");
}

function noteUpstreams({ type, upstreams, service }: SeedSettings, warn: Warn): void {
  if (upstreams !== null) return;
  const whose = service === null ? "" : ` (service ${service})`;
  const message = type.value === "custom"
    ? `names no upstream that can be used${whose}: replace ${USUAL_UPSTREAMS.custom[0]} by yours`
    : `names no upstream that can be used${whose}: TMDB's own are written down`;
  warn("UPSTREAM_SERVERS", message);
}

function serverLines(placed: readonly Placed[]): Line[] {
  const workers = placed.map(({ settings }) => settings.workers).filter((setting) => setting !== null);
  const most = workers.reduce<Setting<number> | null>((a, b) => a === null || b.value > a.value ? b : a, null);
  return most === null ? [] : [line(1, `workers: ${most.value}`, most.origin)];
}

/** The admin address gives way to clients'. */
function adminLines(placed: readonly Placed[]): Line[] {
  const ports = new Set(placed.map(({ port }) => port));
  if (!ports.has(ADMIN_PORT)) return [];
  let port = ADMIN_PORT;
  while (ports.has(port)) port++;
  return [line(1, `listen: 127.0.0.1:${port}`, `${ADMIN_PORT}, the default, is a listener's`)];
}

function cacheLines(placed: readonly Placed[]): Line[] {
  const cached = placed.filter(({ settings }) => settings.isCacheOff === null);
  return [
    ...estimate("memory", cached.map(({ settings }) => [settings, settings.memoryEntries]), MEMORY_LIMITS),
    ...estimate("disk", cached.map(({ settings }) => [settings, settings.diskEntries]), DISK_LIMITS),
  ];
}

/** A size in bytes for numbers of entries; nothing where none was given. */
function estimate(
  key: string,
  given: ReadonlyArray<readonly [SeedSettings, Setting<number> | null]>,
  [least, most]: readonly [number, number],
): Line[] {
  const told = given.flatMap(([{ type }, entries]) => entries === null ? [] : [{ type: type.value, entries }]);
  if (told.length === 0) return [];
  const bytes = told.reduce((sum, { type, entries }) => sum + entries.value * ENTRY_BYTES[type], 0);
  const bounded = Math.ceil(Math.min(most, Math.max(least, bytes)) / MIB) * MIB;
  const origin = told.map(({ type, entries }) => `${entries.origin} entries of ${formatSizeBytes(ENTRY_BYTES[type])}`);
  const within = `an estimate from ${formatSizeBytes(least)} to ${formatSizeBytes(most)}`;
  return [line(1, `${key}: ${formatSizeBytes(bounded)}`, `${origin.join(", ")}: ${within}`)];
}

function poolLines(one: Placed, placed: readonly Placed[]): Line[] {
  const { settings, pool } = one;
  const { type, upstreams } = settings;
  const urls = upstreams?.value ?? USUAL_UPSTREAMS[type.value];
  const isMadeUp = upstreams === null && type.value === "custom";
  return [
    line(1, `${scalar(pool)}:`),
    line(2, `type: ${type.value}`, type.origin),
    ...keyLines(one, placed),
    line(2, "upstreams:", upstreams?.origin ?? (isMadeUp ? "REPLACE THIS: none was given" : "none was given")),
    ...urls.map((url) => line(3, `- ${scalar(url)}`)),
    ...timeLines(settings),
    ...block(
      "weights:",
      [
        value(3, "base_weight_multiplier", settings.baseMultiplier),
        value(3, "dynamic_weight_multiplier", settings.dynamicMultiplier),
        value(3, "alpha_initial", settings.alphaInitial),
        value(3, "alpha_adjustment_step", settings.alphaStep),
      ].flat(),
      2,
    ),
    ...block("outliers:", outlierLines(settings.unhealthyMs), 2),
    ...block("retry:", value(3, "attempts", settings.attempts), 2),
    ...block("health:", [
      ...testLines(settings.testTarget),
      ...duration(3, "interval", settings.checkIntervalMs),
      ...value(3, "max_failures", settings.maxErrors),
    ], 2),
  ];
}

/** A reference to the key. Services with keys of their own refer to variables of their own. */
function keyLines({ settings: { apiKey, service }, pool }: Placed, placed: readonly Placed[]): Line[] {
  if (apiKey === null) return [];
  if (!apiKey.isUsable) {
    return [
      line(2, '#api_keys: ["${TMDB_API_KEY:-}"]', "TMDB_API_KEY was no key of TMDB: mend it, then switch this on"),
    ];
  }
  const keys = new Set(placed.flatMap(({ settings }) => settings.apiKey?.isUsable ? [settings.apiKey.text] : []));
  const name = keys.size <= 1 ? "TMDB_API_KEY" : `TMDB_API_KEY_${variableSuffix(pool)}`;
  const what = keys.size <= 1
    ? "not copied: have it in the environment"
    : `set it to TMDB_API_KEY of service ${service}`;
  return [line(2, `api_keys: ["\${${name}:-}"]`, what)];
}

/** A try's time; the time of all tries where the default would cut them short. */
function timeLines({ requestTimeoutMs, attempts }: SeedSettings): Line[] {
  if (requestTimeoutMs === null) return [];
  const totalMs = Math.min(3_600_000, requestTimeoutMs.value * (attempts?.value ?? 3));
  return block("timeouts:", [
    ...duration(3, "first_byte", requestTimeoutMs),
    ...(totalMs <= 30_000 ? [] : [line(3, `total: ${formatDurationMs(totalMs)}`, "room for all tries")]),
  ], 2);
}

function outlierLines(unhealthyMs: Setting<number> | null): Line[] {
  const lines = duration(3, "ejection_time", unhealthyMs);
  if (unhealthyMs === null || unhealthyMs.value <= 300_000) return lines;
  return [
    ...lines,
    line(3, `max_ejection_time: ${formatDurationMs(unhealthyMs.value)}`, "never shorter than the first"),
  ];
}

function testLines(target: Setting<string> | null): Line[] {
  if (target === null) return [];
  return [
    line(3, "method: HEAD"),
    line(3, `path: ${scalar(target.value)}`, target.origin),
    line(3, "status: [200-299, 429]", "a limited upstream is not a broken one"),
  ];
}

function listenerLines({ settings, pool, listeners, port, portOrigin }: Placed): Line[] {
  return listeners.flatMap(([name, prefix]) => [
    line(1, `- name: ${scalar(name)}`),
    line(2, `listen: 0.0.0.0:${port}`, portOrigin),
    line(2, `prefix: ${prefix}`),
    line(2, `pool: ${scalar(pool)}`),
    ...block("cache:", storingLines(settings), 2),
  ]);
}

/** There a response was as old as the tier that kept it longest allowed. */
function storingLines({ isCacheOff, memoryTtlMs, diskTtlMs, type }: SeedSettings): Line[] {
  if (isCacheOff !== null) return [line(3, "mode: off", isCacheOff.origin)];
  const longest = [diskTtlMs, memoryTtlMs].filter((setting) => setting !== null)
    .reduce<Setting<number> | null>((a, b) => a === null || b.value > a.value ? b : a, null);
  if (longest === null) return [];
  const usual = type.value === "custom" ? "what the origin says" : "times of each kind of path";
  return [
    ...(type.value === "custom" ? [line(3, "mode: ttl", "the rule counts, not what the origin says")] : []),
    line(3, "rules:", `without them: ${usual}`),
    ...(type.value === "tmdb-api" ? [line(4, "- { path: /3/**/changes }", "kept for seconds, as it has to be")] : []),
    line(4, `- { status: 200, ttl: ${formatDurationMs(longest.value)} }`, longest.origin),
  ];
}

/** A key with what is below it; nothing where nothing is. */
function block(key: string, below: readonly Line[], depth = 0): Line[] {
  return below.length === 0 ? [] : [line(depth, key), ...below];
}

function value(depth: number, key: string, setting: Setting<number> | null): Line[] {
  return setting === null ? [] : [line(depth, `${key}: ${setting.value}`, setting.origin)];
}

function duration(depth: number, key: string, setting: Setting<number> | null): Line[] {
  return setting === null ? [] : [line(depth, `${key}: ${formatDurationMs(setting.value)}`, setting.origin)];
}

function line(depth: number, text: string, comment = ""): Line {
  return { depth, text, comment };
}

function written({ depth, text, comment }: Line): string {
  return `${"  ".repeat(depth)}${text}${comment === "" ? "" : ` # ${oneLine(comment)}`}`;
}

/** A text as a YAML scalar; what would be put in (`${`) is escaped. */
function scalar(text: string): string {
  const escaped = text.replaceAll("${", () => "$${");
  const isPlain = /^[A-Za-z0-9/][\w./:~%-]*$/.test(escaped) && !escaped.endsWith(":") && retype(escaped) === escaped;
  return isPlain ? escaped : JSON.stringify(escaped);
}

/** A comment ends with its line, so what stands in it must not end one. */
function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028\u2029]/gu, " ");
}

function header(source: string, warnings: readonly Located[]): string {
  const lines = [
    "yaml-language-server: $schema=./config.schema.json",
    "",
    `Made by \`usher migrate-env\` from ${source}. What stands behind a value is the variable that it comes from;`,
    "docs/migrating.md has all of them, config.example.yaml has every key. Look it over, then: deno task check --config FILE",
    ...(warnings.length === 0 ? [] : ["", "Worth knowing:"]),
    ...warnings.map((warning) => `- ${formatLocated(warning)}`),
  ];
  return lines.map((text) => `# ${oneLine(text)}`.trimEnd()).join("\n");
}

/** What was not set, with what the seed's README shows for it, so that differences come as no surprise. */
function unset(services: readonly ServiceEnvironment[]): string {
  const missing = seedVariables.filter(({ name, key }) =>
    key !== null && services.every(({ variables }) => !variables.has(name))
  );
  if (missing.length === 0) return "";
  const named = missing.map(({ name, usual }) => usual === "" ? name : `${name} (${usual})`);
  return ["# Not set, so at the gateway's own default; in brackets the value of the seed's README:", ...wrapped(named)]
    .join("\n");
}

function wrapped(words: readonly string[]): string[] {
  const lines = ["#"];
  for (const [index, word] of words.entries()) {
    const text = ` ${word}${index === words.length - 1 ? "" : ","}`;
    if (lines.at(-1)!.length + text.length > 118) lines.push("#");
    lines[lines.length - 1] += text;
  }
  return lines;
}
