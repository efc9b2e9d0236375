import type { z } from "zod";
import type { EngineAddress, EngineOptions, EnginePlace } from "../cluster/engine_options.ts";
import { parseHostField } from "./addresses.ts";
import { certificateKey, type NamedFiles } from "./certificates.ts";
import { filePath } from "./http_scalars.ts";
import { checkPair } from "./tls.ts";
import { plainValue } from "./yaml/interpolate.ts";
import type { Path } from "./yaml/located.ts";
import type { Problems } from "./yaml/problems.ts";
import { flag, integer, line, parsed, scalar, Unusable } from "./yaml/scalars.ts";
import { type Frozen, isScalar, list, section, short } from "./yaml/section.ts";

const PORT = 6_379;
const SENTINEL_PORT = 26_379;
const MAX_ADDRESSES = 32;
const MAX_DATABASE = 15;
const MAX_SECRET = 1_024;

/** Where an engine is, as its URL says. */
interface EngineUrl {
  readonly isTls: boolean;
  readonly user: string | null;
  readonly address: EngineAddress;
  readonly database: number;
}

/** A secret that has to come from outside of the file, of so many characters at least. */
export function outerSecret(minLength: number) {
  const expected = new Unusable(`\${file:/path} or \${NAME}, and a text of at least ${minLength} characters in it`);
  return scalar<string>({
    title: "secret",
    json: { type: "string" },
    expected,
    interpolated: "text",
    read: (value, source) =>
      source !== null && typeof value === "string" && value.length >= minLength && value.length <= MAX_SECRET
        ? value
        : expected,
  });
}

function engineAddress() {
  return parsed({
    title: "host",
    expected: "a host, with a port where it is not the usual one, such as valkey.lan:6379",
    parse: (text) => addressOf(text, PORT) === null ? null : text,
  });
}

/** A host and its port; `null` where a text is none. */
function addressOf(text: string, defaultPort: number): EngineAddress | null {
  const match = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(parseHostField(text) ?? "");
  if (match === null) return null;
  return { host: match[1]!.replaceAll(/[[\]]/g, ""), port: Number(match[2] ?? defaultPort) };
}

function engineUrl() {
  return parsed({
    title: "URL",
    expected: "a URL such as redis://valkey.lan:6379/0, or rediss:// for TLS; its password belongs in `password`",
    pattern: "^rediss?://",
    parse: (text) => urlParts(text) === null ? null : text,
  });
}

/** The parts of an engine's URL; `null` where a text is none. */
function urlParts(text: string): EngineUrl | null {
  const match = /^(rediss?):\/\/(?:([^/?#@:]*)@)?([^/?#@]+)(?:\/(\d{0,2}))?$/i.exec(text);
  const address = match === null ? null : addressOf(match[3]!, PORT);
  const database = Number(match?.[4] || 0);
  const user = decoded(match?.[2] ?? "");
  if (match === null || address === null || user === null || database > MAX_DATABASE) return null;
  return { isTls: match[1]!.toLowerCase() === "rediss", user: user || null, address, database };
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

const engineSection = section({
  url: engineUrl().optional().describe("One server: `redis://` or `rediss://` (TLS), user, host, port and database."),
  sentinels: list(engineAddress(), MAX_ADDRESSES).optional().describe(
    "Sentinels that know which server is the primary; port 26379 unless another is given.",
  ),
  name: line("name", 255).optional().describe("What the sentinels call the primary; required with them."),
  nodes: list(engineAddress(), MAX_ADDRESSES).optional().describe(
    "Some nodes of a cluster, which name the others. A list in the place of the mapping is short for it.",
  ),
  user: line("name", 255).optional().describe("User (ACL) beside `sentinels` or `nodes`; in a `url` it stands there."),
  database: integer(0, MAX_DATABASE).prefault(0).describe("Database beside `sentinels`; a cluster has only one."),
  tls: flag().prefault(false).describe("Speak TLS with `sentinels` or `nodes`; in a `url` its scheme says so."),
  sentinel_user: line("name", 255).optional().describe("User that the sentinels know."),
  sentinel_password: outerSecret(1).optional().describe("Password that the sentinels ask for."),
});

const SHORTHAND = {
  anyOf: [{ type: "string", pattern: "^rediss?://|\\$\\{" }, { type: "array", items: { type: "string" } }],
};

/** `engine:`, a URL, a list of nodes or a mapping. */
export function engineKey() {
  return short(engineSection, SHORTHAND, (value) => {
    if (isScalar(value)) return { url: value };
    const plain = plainValue(value);
    return Array.isArray(plain) ? { nodes: plain } : plain;
  });
}

/** Keys that say how an engine is reached, beside `engine` itself. */
export const engineAccessKeys = {
  password: outerSecret(1).optional().describe("Password of its user; from `${file:…}` or `${NAME}` only."),
  ca: filePath().optional().describe(
    "PEM file of the authorities that its certificate may be from; default: those built in.",
  ),
  cert: filePath().optional().describe("PEM file of a client certificate, where it asks for one."),
  key: filePath().optional().describe("PEM file of its private key, which nobody else may be able to read."),
};

/** An engine and how it is reached, as the file has it. */
export interface EngineValues {
  readonly engine?: z.output<typeof engineSection> | undefined;
  readonly password?: string | undefined;
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** Checks an engine; `at` is the section that it stands in. */
export function checkEngine(values: EngineValues, at: Path, problems: Problems): void {
  const { engine } = values;
  checkPair(values, at, problems);
  if (engine === undefined || problems.has([...at, "engine"])) return;
  const path = [...at, "engine"];
  const places = (["url", "sentinels", "nodes"] as const).filter((key) => engine[key] !== undefined);
  if (places.length !== 1) return problems.expect(path, "one of `url`, `sentinels` and `nodes`");
  for (const key of ["sentinels", "nodes"] as const) {
    if (engine[key]?.length === 0) problems.expect([...path, key], "at least one address");
  }
  if (engine.sentinels !== undefined && engine.name === undefined) {
    problems.expect([...path, "name"], "what the sentinels call the primary");
  }
  if (engine.nodes !== undefined && engine.database !== 0) problems.expect([...path, "database"], "0 beside `nodes`");
  if (engine.url !== undefined && (engine.user !== undefined || engine.database !== 0 || engine.tls)) {
    problems.expect(path, "user, database and TLS in the `url` itself");
  }
  const isTls = partsOf(engine)?.isTls ?? engine.tls;
  const unused = (["ca", "cert"] as const).find((key) => values[key] !== undefined);
  if (!isTls && unused !== undefined) problems.warn([...at, unused], "it has no effect: TLS is not spoken (rediss://)");
}

/** The files that an engine names, to be read. */
export function engineFiles({ ca, cert, key }: EngineValues, at: Path) {
  return {
    authorities: ca === undefined ? [] : [{ file: ca, path: [...at, "ca"] }],
    certificates: cert === undefined ? [] : [{ cert, key, path: at }],
  };
}

/** An engine, with what the files hold that it names; its passwords and key are secrets. */
export function engineOf(values: EngineValues, files: NamedFiles): EngineOptions | null {
  const { engine, password = null, ca, cert, key } = values;
  if (engine === undefined) return null;
  const own = cert === undefined || key === undefined
    ? undefined
    : files.certificates.get(certificateKey({ cert, key }));
  const tls = {
    ca: ca === undefined ? null : files.authorities.get(ca) ?? null,
    cert: own?.cert ?? null,
    key: own?.key ?? null,
  };
  const parts = partsOf(engine);
  return {
    place: placeOf(engine),
    user: parts?.user ?? engine.user ?? null,
    password,
    tls: parts?.isTls ?? engine.tls ? tls : null,
  };
}

type EngineSection = z.output<typeof engineSection>;

function partsOf({ url }: EngineSection): EngineUrl | null {
  return url === undefined ? null : urlParts(url);
}

function placeOf(engine: EngineSection): EnginePlace {
  const { sentinels, nodes = [], database } = engine;
  const parts = partsOf(engine);
  const all = (texts: readonly string[], port: number) => texts.map((text) => addressOf(text, port)!);
  if (parts !== null) return { kind: "server", address: parts.address, database: parts.database };
  if (sentinels === undefined) return { kind: "nodes", addresses: all(nodes, PORT) };
  return {
    kind: "sentinels",
    addresses: all(sentinels, SENTINEL_PORT),
    primary: engine.name ?? "",
    database,
    sentinelUser: engine.sentinel_user ?? null,
    sentinelPassword: engine.sentinel_password ?? null,
  };
}

/** An engine and how it is reached. */
export interface EngineConfig extends Frozen<EngineOptions> {}
