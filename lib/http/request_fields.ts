import type { Fields } from "./fields.ts";

/** Gives a request's fields by their lower-case names; repeated lines are joined. */
export interface FieldSource {
  header(name: string): string | null;
}

/** The fields of a message, read where they lie. */
export interface FieldList extends FieldSource {
  /** Every line in the order received, names in lower case, repeated lines apart. Made anew at each call. */
  list(): Readonly<Fields>;
}

/** Fields of a request that are hidden. */
export interface HiddenFields {
  /** Lower case. */
  readonly names: ReadonlySet<string>;
  /** Texts whose presence in its value hides a field. */
  readonly texts: readonly string[];
}

/** The fields of a request without those that are hidden: a client's tokens. */
export class RequestFields implements FieldList {
  readonly #source: FieldList;
  #list: Readonly<Fields> | null = null;
  #hidden: HiddenFields | null = null;

  constructor(source: FieldList) {
    this.#source = source;
  }

  header(name: string): string | null {
    const value = this.#source.header(name);
    return this.#hidden === null || value === null ? value : visible(this.#hidden, name, value);
  }

  /** Every line that is not hidden, names in lower case. The same list at each call. */
  list(): Readonly<Fields> {
    return this.#list ??= this.#visible(this.#source.list());
  }

  /** Has fields be as if they were not there, from now on. */
  hide(hidden: HiddenFields): void {
    this.#hidden = hidden;
    if (this.#list !== null) this.#list = this.#visible(this.#list);
  }

  #visible(fields: Readonly<Fields>): Readonly<Fields> {
    const hidden = this.#hidden;
    if (hidden === null) return fields;
    return fields.flatMap(([name, value]): Fields => {
      const left = visible(hidden, name, value);
      return left === null ? [] : [[name, left]];
    });
  }
}

/** Proxies append to this field, and the client's address is read from it: only the members that contain a text are hidden. */
const ADDRESSES = "x-forwarded-for";

/** The visible part of a field's value; `null` hides it. */
function visible({ names, texts }: HiddenFields, name: string, value: string): string | null {
  if (names.has(name)) return null;
  const isFree = (part: string) => !texts.some((text) => part.includes(text));
  if (isFree(value)) return value;
  const left = name === ADDRESSES ? value.split(",").filter(isFree) : [];
  return left.length === 0 ? null : left.join(",");
}
