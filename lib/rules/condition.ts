import { carefulText } from "../http/careful_path.ts";
import { addressMatcher } from "../http/forwarded.ts";
import { type PathGlob, pathGlob } from "../pattern/path_glob.ts";
import { type TextGlob, textGlob } from "../pattern/text_glob.ts";
import type { RuledRequest } from "../request/ruling.ts";

/** Conditions on a request for a rule to apply; `null` and an empty list set none. */
export interface RuleCondition {
  /** Glob over the careful reading of the path. */
  readonly path: string | null;
  readonly methods: readonly string[];
  /** Names, decoded, and globs over values; `!` before one says that no value may match. */
  readonly query: ReadonlyArray<readonly [name: string, value: string]>;
  /** Names in lower case, and globs over values, whatever the case of letters; `!` as above. */
  readonly fields: ReadonlyArray<readonly [name: string, value: string]>;
  /** CIDR blocks of clients; one with `!` before it must not contain the client. */
  readonly clients: readonly string[];
  readonly scheme: "http" | "https" | null;
}

/** A request, with its parsed query and client, computed once for all rules. */
export class Facts {
  readonly request: RuledRequest;
  /** The path as read by `carefulPath`. */
  readonly path: string;
  #parameters: ReadonlyMap<string, readonly string[]> | null = null;
  #client: string | null = null;

  constructor(request: RuledRequest, path: string) {
    this.request = request;
    this.path = path;
  }

  /** Address of the client. */
  get client(): string {
    return this.#client ??= this.request.client;
  }

  /** The value of a field; `null` where the request does not have it. */
  field(name: string): string | null {
    if (name !== "host") return this.request.header(name);
    return this.request.authority === "" ? null : this.request.authority;
  }

  /** The values of a parameter, decoded; none where the query does not have it. */
  parameter(name: string): readonly string[] {
    if (this.request.query === "") return NONE;
    return (this.#parameters ??= parametersOf(this.request.query)).get(name) ?? NONE;
  }
}

const NONE: readonly string[] = [];

function parametersOf(query: string): ReadonlyMap<string, readonly string[]> {
  const parameters = new Map<string, string[]>();
  for (const pair of query.split("&")) {
    const equals = pair.indexOf("=");
    const name = decodedParameter(equals < 0 ? pair : pair.slice(0, equals));
    const value = equals < 0 ? "" : decodedParameter(pair.slice(equals + 1));
    const known = parameters.get(name);
    if (known === undefined) parameters.set(name, [value]);
    else known.push(value);
  }
  return parameters;
}

/** Decodes a name or value of a query as a server does: broken escapes stay, and bytes that are no UTF-8 are replaced. */
export function decodedParameter(text: string): string {
  if (!text.includes("%") && !text.includes("+")) return text;
  const spaced = text.replaceAll("+", " ");
  try {
    return decodeURIComponent(spaced);
  } catch {
    const bytes = spaced.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
    return new TextDecoder().decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)));
  }
}

/** Why a condition does not hold, in the words of the configuration; `null` where it holds. */
export type Unmet = string | null;

/** The conditions of one rule, compiled. */
export class Condition {
  readonly path: PathGlob | null;
  /** Name of a field that the request must have, in lower case; `null` where there is none. */
  readonly neededField: string | null;
  /** A query parameter must be there. */
  readonly needsQuery: boolean;
  /** It has a condition on the client's address. */
  readonly hasClients: boolean;
  readonly #options: RuleCondition;
  readonly #fields: readonly ValueTest[];
  readonly #needed: ValueTest | null;
  readonly #query: readonly ValueTest[];
  readonly #isClient: (address: string) => boolean;

  constructor(options: RuleCondition) {
    this.#options = options;
    this.path = options.path === null ? null : pathGlob(carefulText(options.path));
    this.#fields = options.fields.map(([name, value]) => valueTest(name, value.toLowerCase()));
    this.#query = options.query.map(([name, value]) => valueTest(name, value));
    this.#needed = this.#fields.find(({ isNegated }) => !isNegated) ?? null;
    this.neededField = this.#needed?.name ?? null;
    this.needsQuery = this.#query.some(({ isNegated }) => !isNegated);
    this.hasClients = options.clients.length > 0;
    this.#isClient = clientTest(options.clients);
  }

  /** Whether all conditions hold but the path's, which {@linkcode RuleIndex} has checked. Cheap tests come first. */
  holds(facts: Facts): boolean {
    const { scheme } = this.#options;
    const { request } = facts;
    if (!this.isForMethod(request.method)) return false;
    if (scheme !== null && scheme !== request.publicScheme) return false;
    return this.isFieldMet(facts) && this.isQueryMet(facts) && this.isClientMet(facts);
  }

  /** Whether it is for requests of a method. */
  isForMethod(method: string): boolean {
    const { methods } = this.#options;
    return methods.length === 0 || methods.includes(method);
  }

  /** Whether its conditions on fields hold. */
  isFieldMet(facts: Facts): boolean {
    for (const test of this.#fields) if (!isFieldMet(test, facts)) return false;
    return true;
  }

  /** Whether its condition on {@linkcode neededField} holds. */
  isNeededFieldMet(facts: Facts): boolean {
    return isFieldMet(this.#needed!, facts);
  }

  /** Names of the fields that it has conditions on, where its method and path fit the request. */
  fieldsAsked({ request, path }: Facts): readonly string[] {
    if (this.#fields.length === 0 || !this.isForMethod(request.method)) return NONE;
    return this.path === null || this.path.test(path) ? this.#fields.map(({ name }) => name) : NONE;
  }

  /** Whether its conditions on the query hold. */
  isQueryMet(facts: Facts): boolean {
    for (const test of this.#query) if (!isParameterMet(test, facts)) return false;
    return true;
  }

  /** Whether its condition on the client's address holds. */
  isClientMet(facts: Facts): boolean {
    return !this.hasClients || this.#isClient(facts.client);
  }

  /** The first condition that does not hold, in words. */
  unmet(facts: Facts): Unmet {
    const { methods, scheme, path, fields, query, clients } = this.#options;
    const { request } = facts;
    if (!this.isForMethod(request.method)) return `method is not ${methods.join(", ")}`;
    if (scheme !== null && scheme !== request.publicScheme) return `scheme is not ${scheme}`;
    if (this.path !== null && !this.path.test(facts.path)) return `path does not match ${path}`;
    const field = this.#fields.findIndex((test) => !isFieldMet(test, facts));
    if (field >= 0) return `header ${fields[field]![0]} does not match`;
    const parameter = this.#query.findIndex((test) => !isParameterMet(test, facts));
    if (parameter >= 0) return `query ${query[parameter]![0]} does not match`;
    if (this.isClientMet(facts)) return null;
    const named = clients.slice(0, MAX_NAMED).join(", ") + (clients.length > MAX_NAMED ? ", …" : "");
    return `client ${facts.client} does not fit ${named}`;
  }
}

/** A glob over a field's or a parameter's value. */
interface ValueTest {
  readonly name: string;
  readonly isNegated: boolean;
  readonly glob: TextGlob;
}

function valueTest(name: string, value: string): ValueTest {
  const isNegated = value.startsWith("!");
  return { name, isNegated, glob: textGlob(isNegated ? value.slice(1) : value) };
}

function isFieldMet({ name, isNegated, glob }: ValueTest, facts: Facts): boolean {
  const value = facts.field(name);
  return (value !== null && glob.test(value.toLowerCase())) !== isNegated;
}

function isParameterMet({ name, isNegated, glob }: ValueTest, facts: Facts): boolean {
  return facts.parameter(name).some((value) => glob.test(value)) !== isNegated;
}

function clientTest(blocks: readonly string[]): (address: string) => boolean {
  const refused = blocks.filter((block) => block.startsWith("!")).map((block) => block.slice(1));
  const meant = blocks.filter((block) => !block.startsWith("!"));
  const isMeant = meant.length === 0 ? () => true : addressMatcher(meant);
  const isRefused = addressMatcher(refused);
  // Looking an address up in a list of blocks takes longer than all other tests, and clients return.
  const known = new Map<string, boolean>();
  return (address) => {
    let isClient = known.get(address);
    if (isClient === undefined) {
      if (known.size >= MAX_KNOWN) known.clear();
      known.set(address, isClient = isMeant(address) && !isRefused(address));
    }
    return isClient;
  };
}

/** Blocks that are named in a text. */
const MAX_NAMED = 5;

/** Addresses that are remembered. */
const MAX_KNOWN = 1_024;
