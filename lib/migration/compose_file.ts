import { resolve } from "node:path";
import { isAlias, isMap, isScalar, isSeq, type Node, type YAMLMap } from "yaml";
import type { Located } from "../config/yaml/located.ts";
import { type ParsedText, parseText } from "../config/yaml/parse.ts";
import { explainReadError } from "../config/yaml/read_text.ts";
import { parseDotenv } from "./dotenv.ts";
import { expandVariables } from "./expand_variables.ts";

/** A variable's value and where it was found. */
export interface PlacedValue {
  readonly value: string;
  readonly file: string;
  /** From 1; 0 where it has no place in a file. */
  readonly line: number;
  readonly column: number;
}

/** The environment of one service. */
export interface ServiceEnvironment {
  /** `null` where it is the only one, of a process or a `.env` file. */
  readonly name: string | null;
  readonly image: string | null;
  readonly variables: ReadonlyMap<string, PlacedValue>;
  /** Ports of the service by the ports of the host that lead to them. */
  readonly published: ReadonlyMap<number, number>;
  /** Ports of the host that only programs on it reach. */
  readonly localPorts: ReadonlySet<number>;
}

/** What an environment was read from, and what was wrong with it. */
export interface Environments {
  readonly services: readonly ServiceEnvironment[];
  readonly problems: readonly Located[];
}

/** What is taken from outside. */
export interface ComposeDependencies {
  /** Variables for `${…}`, and for names that are passed through. */
  readonly env: (name: string) => string | undefined;
  readonly readTextFile: (path: string) => Promise<string>;
}

const MAX_SERVICES = 100;
const MAX_ENV_FILES = 20;
const MAX_ALIASES = 20;
/** Pairs of mappings that are looked at, those that merges repeat included. */
const MAX_PAIRS = 500_000;

/** A Compose file's name in messages, and the folder that its paths start from. */
export interface ComposePlace {
  readonly label: string;
  readonly folder: string;
}

/**
 * Reads the environment of each service of a Docker Compose file: `environment:` as a mapping or a list, `env_file:`, `<<`, anchors
 * and `${…}`. A file that is no YAML has no services, and problems that say why.
 */
export async function readComposeFile(
  place: ComposePlace,
  text: string,
  deps: ComposeDependencies,
): Promise<Environments> {
  const parsed = parseText(text);
  if (!parsed.ok) {
    return { services: [], problems: parsed.problems.map((problem) => ({ file: place.label, path: "", ...problem })) };
  }
  const reader = new ComposeReader(place, parsed, deps);
  return { services: await reader.services(), problems: reader.problems };
}

class ComposeReader {
  readonly problems: Located[] = [];
  readonly #place: ComposePlace;
  readonly #parsed: ParsedText;
  readonly #deps: ComposeDependencies;
  #pairsLeft = MAX_PAIRS;

  constructor(place: ComposePlace, parsed: ParsedText, deps: ComposeDependencies) {
    this.#place = place;
    this.#parsed = parsed;
    this.#deps = deps;
  }

  async services(): Promise<ServiceEnvironment[]> {
    const root = this.#map(this.#parsed.contents);
    const services = this.#map(root === null ? undefined : this.#entry(root, "services"));
    if (services === null) {
      this.#problem(this.#parsed.contents, "", "found no services expected a mapping `services:` of a compose file");
      return [];
    }
    if (root !== null && this.#entry(root, "include") !== undefined) {
      this.#problem(root, "include", "found another file to include: give that file itself, it is not read");
    }
    const found: ServiceEnvironment[] = [];
    for (const { key, value } of services.items.slice(0, MAX_SERVICES)) {
      const name = isScalar(key) ? String(key.value) : "";
      const service = this.#map(value as Node | null);
      if (service !== null) found.push(await this.#service(name, service));
    }
    return found;
  }

  async #service(name: string, service: YAMLMap): Promise<ServiceEnvironment> {
    if (this.#entry(service, "extends") !== undefined) {
      this.#problem(
        service,
        `services.${name}.extends`,
        "found another service to extend: its environment is not read",
      );
    }
    const variables = new Map<string, PlacedValue>();
    await this.#envFiles(service, variables);
    this.#environment(this.#resolved(this.#entry(service, "environment")), variables);
    return {
      name,
      image: this.#text(this.#entry(service, "image")),
      variables,
      ...this.#ports(this.#entry(service, "ports")),
    };
  }

  async #envFiles(service: YAMLMap, into: Map<string, PlacedValue>): Promise<void> {
    const given = this.#resolved(this.#entry(service, "env_file"));
    const items = isSeq(given) ? given.items.slice(0, MAX_ENV_FILES) as Node[] : given === undefined ? [] : [given];
    for (const item of items) {
      const map = this.#map(item);
      const path = this.#text(map === null ? item : this.#entry(map, "path"));
      const isOptional = map !== null && this.#text(this.#entry(map, "required")) === "false";
      if (path !== null) await this.#envFile(path, { item, isOptional, into });
    }
  }

  async #envFile(
    path: string,
    { item, isOptional, into }: { item: Node; isOptional: boolean; into: Map<string, PlacedValue> },
  ): Promise<void> {
    try {
      const text = await this.#deps.readTextFile(resolve(this.#place.folder, path));
      const { variables, problems } = parseDotenv(text, this.#deps.env);
      for (const [name, value] of variables) into.set(name, { file: path, ...value });
      this.problems.push(...problems.map((problem) => ({ file: path, path: "", ...problem })));
    } catch (error) {
      if (!isOptional) this.#problem(item, "env_file", `cannot read ${path}: ${explainReadError(error)}`);
    }
  }

  #environment(given: Node | undefined, into: Map<string, PlacedValue>): void {
    if (isMap(given)) {
      for (const [key, value] of this.#entries(given)) {
        this.#variable({ name: key, node: value, into }, this.#text(value ?? undefined));
      }
    }
    if (!isSeq(given)) return;
    for (const item of given.items as Node[]) {
      const text = this.#raw(item);
      if (text === null) continue;
      const equals = text.indexOf("=");
      const name = (equals < 0 ? text : text.slice(0, equals)).trim();
      this.#variable({ name, node: item, into }, equals < 0 ? null : this.#expand(text.slice(equals + 1), item));
    }
  }

  /** A name without a value is passed on from the environment that Compose runs in. */
  #variable(
    { name, node, into }: { name: string; node: Node | null; into: Map<string, PlacedValue> },
    value: string | null,
  ): void {
    const passed = value ?? this.#deps.env(name);
    if (passed !== undefined) into.set(name, { file: this.#place.label, ...this.#position(node), value: passed });
  }

  #ports(given: Node | undefined): Pick<ServiceEnvironment, "published" | "localPorts"> {
    const published = new Map<number, number>();
    const localPorts = new Set<number>();
    const list = this.#resolved(given);
    for (const item of isSeq(list) ? list.items as Node[] : []) {
      const map = this.#map(item);
      const text = map === null
        ? this.#text(item)
        : ["host_ip", "published", "target"].map((name) => this.#text(this.#entry(map, name)) ?? "").join(":");
      const match = /(?:^|:)(\d{1,5}):(\d{1,5})(?:\/tcp)?$/.exec(text ?? "");
      if (match === null) continue;
      published.set(Number(match[2]), Number(match[1]));
      if (/^(?:127\.|\[?::1\]?:|localhost:)/.test(text!)) localPorts.add(Number(match[1]));
    }
    return { published, localPorts };
  }

  /** The pairs of a mapping, those that are merged into it (`<<`) included; its own come out on top. */
  #entries(map: YAMLMap, depth = 0): Map<string, Node | null> {
    const merged = new Map<string, Node | null>();
    const own = new Map<string, Node | null>();
    for (const { key, value } of map.items) {
      // Mappings that merge mappings that merge mappings may stand for more than any memory holds.
      if (!isScalar(key) || this.#pairsLeft-- <= 0) continue;
      if (key.source !== "<<") own.set(String(key.value), value as Node | null);
      else for (const [name, node] of this.#merged(value as Node | null, depth)) merged.set(name, node);
    }
    return new Map([...merged, ...own]);
  }

  /** The pairs that a merge brings; the first of several mappings comes out on top. */
  #merged(value: Node | null, depth: number): Map<string, Node | null> {
    const source = this.#resolved(value ?? undefined);
    const sources = isSeq(source) ? source.items.toReversed() as Node[] : [source];
    const merged = new Map<string, Node | null>();
    for (const each of sources) {
      const from = this.#map(each);
      if (from === null || depth >= MAX_ALIASES || this.#pairsLeft <= 0) continue;
      for (const [name, node] of this.#entries(from, depth + 1)) merged.set(name, node);
    }
    return merged;
  }

  #entry(map: YAMLMap, name: string): Node | undefined {
    return this.#entries(map).get(name) ?? undefined;
  }

  #map(node: Node | null | undefined): YAMLMap | null {
    const found = this.#resolved(node ?? undefined);
    return isMap(found) ? found : null;
  }

  /** What an alias leads to. */
  #resolved(node: Node | undefined): Node | undefined {
    let found = node;
    for (let step = 0; step < MAX_ALIASES && isAlias(found); step++) found = this.#parsed.target(found);
    return isAlias(found) ? undefined : found;
  }

  /** A scalar's text with its variables put in; `null` where it is empty or none. */
  #text(node: Node | undefined): string | null {
    const text = this.#raw(node);
    return text === null ? null : this.#expand(text, node!);
  }

  #raw(node: Node | undefined): string | null {
    const found = this.#resolved(node);
    if (!isScalar(found) || found.value === null) return null;
    // As it is written: 0.50 and 1e3 are texts to a process.
    return typeof found.value === "string" ? found.value : found.source ?? String(found.value);
  }

  #expand(text: string, node: Node): string {
    const problem = (message: string) => this.#problem(node, "", message);
    return expandVariables(text, { get: this.#deps.env, problem });
  }

  #problem(node: Node | null, path: string, message: string): void {
    this.problems.push({ file: this.#place.label, ...this.#position(node), path, message });
  }

  #position(node: Node | null): { line: number; column: number } {
    return node?.range ? this.#parsed.position(node.range[0]) : { line: 0, column: 0 };
  }
}
