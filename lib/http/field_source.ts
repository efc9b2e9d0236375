import { type Fields, singleValue } from "./fields.ts";

/** Gives a request's fields by their lower-case names; repeated lines are joined. */
export interface FieldSource {
  header(name: string): string | null;
}

/** A request as this runtime keeps it: the object behind a `Request` that the server made. */
interface ServerRequest {
  readonly [key: symbol]: Partial<FieldSource> | undefined;
}

/** The key of that object; `undefined` until the first request, `null` where this runtime has none. */
let innerKey: symbol | null | undefined;

/**
 * Where to read single fields of a server's request from. Touching `request.headers` makes Deno copy all fields and send the response by
 * a slower way, which costs a tenth of a memory hit; the object behind the request gives single fields without that. It is
 * found by trial on the first request and trusted only if it says what `headers` says; where it is not there, `headers` serves.
 *
 * Valid until the response has been handed over.
 */
export function fieldSource(request: Request): FieldSource {
  if (innerKey === undefined) innerKey = findInnerKey(request);
  if (typeof innerKey === "symbol") {
    const inner = (request as unknown as ServerRequest)[innerKey];
    if (typeof inner?.header === "function") return inner as FieldSource;
  }
  return new HeadersSource(request.headers);
}

/** Fields of a request that nobody gets to see. */
export interface HiddenFields {
  /** Lower case. */
  readonly names: ReadonlySet<string>;
  /** Texts whose presence in its value hides a field. */
  readonly texts: readonly string[];
}

/**
 * The fields of a server's request: single ones the quick way, or all as a list. Once the list was asked for, everything stays readable
 * after the response has been handed over.
 */
export class RequestFields implements FieldSource {
  readonly #request: Request;
  readonly #source: FieldSource;
  #list: Fields | null = null;
  #hidden: HiddenFields | null = null;

  constructor(request: Request) {
    this.#request = request;
    this.#source = fieldSource(request);
  }

  header(name: string): string | null {
    const value = this.#list === null ? this.#source.header(name) : singleValue(this.#list, name);
    return this.#hidden === null || value === null ? value : visible(this.#hidden, name, value);
  }

  /** All fields, names in lower case, repeated lines joined. */
  list(): Readonly<Fields> {
    return this.#list ??= this.#visible([...this.#request.headers]);
  }

  /** Has fields be as if they were not there, from now on. */
  hide(hidden: HiddenFields): void {
    this.#hidden = hidden;
    if (this.#list !== null) this.#list = this.#visible(this.#list);
  }

  #visible(fields: Fields): Fields {
    const hidden = this.#hidden;
    if (hidden === null) return fields;
    return fields.flatMap(([name, value]): Fields => {
      const left = visible(hidden, name, value);
      return left === null ? [] : [[name, left]];
    });
  }
}

/** Proxies add to what the client put there, and it is known by what they add: only the addresses that hold a text are hidden. */
const ADDRESSES = "x-forwarded-for";

/** What is to be seen of a field's value; `null` hides it. */
function visible({ names, texts }: HiddenFields, name: string, value: string): string | null {
  if (names.has(name)) return null;
  const isFree = (part: string) => !texts.some((text) => part.includes(text));
  if (isFree(value)) return value;
  const left = name === ADDRESSES ? value.split(",").filter(isFree) : [];
  return left.length === 0 ? null : left.join(",");
}

class HeadersSource implements FieldSource {
  readonly #headers: Headers;

  constructor(headers: Headers) {
    this.#headers = headers;
  }

  header(name: string): string | null {
    return this.#headers.get(name);
  }
}

/** The symbol that leads to an object with the same fields as `headers`; `null` where none does. */
function findInnerKey(request: Request): symbol | null | undefined {
  for (const key of Object.getOwnPropertySymbols(request)) {
    const inner = (request as unknown as ServerRequest)[key];
    if (key.description !== "request" || typeof inner?.header !== "function") continue;
    const source = inner as FieldSource;
    const agrees = [...request.headers].every(([name, value]) => source.header(name) === value);
    return agrees && source.header("x-usher-no-such-field") === null ? key : null;
  }
  // A request that no server made says nothing about those that one makes.
  return undefined;
}
