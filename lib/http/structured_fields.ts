/** A token of a structured field; apart from a string, which has quotes (RFC 9651 §3.3.4). */
export class SfToken {
  constructor(readonly value: string) {}
}

/** A date of a structured field (RFC 9651 §3.3.7). */
export class SfDate {
  constructor(readonly epochSeconds: number) {}
}

/** A display string: text that may hold any character (RFC 9651 §3.3.8). */
export class SfDisplayString {
  constructor(readonly value: string) {}
}

/** A decimal: it stays apart from an integer of the same value (RFC 9651 §3.3.2). */
export class SfDecimal {
  constructor(readonly value: number) {}
}

/** A value without its parameters: a plain number is an integer. */
export type SfBareItem = number | string | boolean | Uint8Array | SfToken | SfDate | SfDisplayString | SfDecimal;

/** Parameters by key. */
export type SfParameters = ReadonlyMap<string, SfBareItem>;

/** One item with its parameters (RFC 9651 §3.3). */
export interface SfItem {
  readonly value: SfBareItem;
  readonly parameters: SfParameters;
}

/** A list inside a list or dictionary (RFC 9651 §3.1.1). */
export interface SfInnerList {
  readonly items: readonly SfItem[];
  readonly parameters: SfParameters;
}

/** Longest field that is parsed, in characters. */
const MAX_LENGTH = 16_384;

const KEY = /[a-z*][a-z0-9_\-.*]*/y;
const NUMBER = /-?(?:\d{1,12}\.\d{1,3}(?!\d)|\d{1,15}(?![\d.]))/y;
const STRING = /"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"/y;
const TOKEN = /[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*/y;
const BYTES = /:([A-Za-z0-9+/]*={0,2}):/y;
const BOOLEAN = /\?([01])/y;
const DATE = /@(-?\d{1,15})(?![\d.])/y;
const DISPLAY = /%"((?:[\x20\x21\x23\x24\x26-\x7e]|%[0-9a-f]{2})*)"/y;

/**
 * Parses a dictionary (RFC 9651 §4.2.2). `null` says that the text breaks the grammar anywhere: such a field is
 * ignored as a whole. An empty dictionary is an empty map. Of repeated keys the last counts.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseDictionary } from "./structured_fields.ts";
 * const dictionary = parseDictionary('max-age=60;x, no-store, a="b"');
 * assert.deepEqual(dictionary?.get("max-age"), { value: 60, parameters: new Map([["x", true]]) });
 * assert.deepEqual([...dictionary?.keys() ?? []], ["max-age", "no-store", "a"]);
 * assert.equal(parseDictionary("max-age=60, &&"), null);
 * ```
 */
export function parseDictionary(text: string): ReadonlyMap<string, SfItem | SfInnerList> | null {
  if (text.length > MAX_LENGTH) return null;
  try {
    return new Parser(text).dictionary();
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Reads one field from front to end; throws `SyntaxError` where the grammar is broken. */
class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    let to = text.length;
    while (text[to - 1] === " ") to--;
    this.#text = text.slice(0, to);
    this.#skip(" ");
  }

  dictionary(): Map<string, SfItem | SfInnerList> {
    const members = new Map<string, SfItem | SfInnerList>();
    while (this.#at < this.#text.length) {
      const key = this.#match(KEY)[0];
      // A repeated key keeps its last value and takes its last place.
      members.delete(key);
      members.set(key, this.#take("=") ? this.#itemOrInnerList() : { value: true, parameters: this.#parameters() });
      if (!this.#toNextMember()) break;
    }
    return members;
  }

  /** Steps over the comma; false at the end of the text. */
  #toNextMember(): boolean {
    this.#skip(" \t");
    if (this.#at >= this.#text.length) return false;
    if (!this.#take(",")) this.#fail();
    this.#skip(" \t");
    if (this.#at >= this.#text.length) this.#fail();
    return true;
  }

  #itemOrInnerList(): SfItem | SfInnerList {
    return this.#take("(") ? this.#innerList() : this.#item();
  }

  #innerList(): SfInnerList {
    const items: SfItem[] = [];
    for (;;) {
      this.#skip(" ");
      if (this.#take(")")) return { items, parameters: this.#parameters() };
      items.push(this.#item());
      const next = this.#text[this.#at];
      if (next !== " " && next !== ")") this.#fail();
    }
  }

  #item(): SfItem {
    return { value: this.#bareItem(), parameters: this.#parameters() };
  }

  #parameters(): SfParameters {
    const parameters = new Map<string, SfBareItem>();
    while (this.#take(";")) {
      this.#skip(" ");
      const key = this.#match(KEY)[0];
      parameters.delete(key);
      parameters.set(key, this.#take("=") ? this.#bareItem() : true);
    }
    return parameters;
  }

  #bareItem(): SfBareItem {
    const first = this.#text[this.#at] ?? "";
    if (first === '"') return (this.#match(STRING)[1] ?? "").replace(/\\(.)/g, "$1");
    if (first === ":") return decodeBase64(this.#match(BYTES)[1] ?? "");
    if (first === "?") return this.#match(BOOLEAN)[1] === "1";
    if (first === "@") return new SfDate(Number(this.#match(DATE)[1]));
    if (first === "%") return new SfDisplayString(decodePercent(this.#match(DISPLAY)[1] ?? ""));
    if (first === "-" || first >= "0" && first <= "9") return number(this.#match(NUMBER)[0]);
    return new SfToken(this.#match(TOKEN)[0]);
  }

  #match(pattern: RegExp): RegExpExecArray {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) this.#fail();
    this.#at = pattern.lastIndex;
    return match;
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #skip(characters: string): void {
    while (this.#at < this.#text.length && characters.includes(this.#text[this.#at] ?? "\0")) this.#at++;
  }

  #fail(): never {
    throw new SyntaxError(`Cannot parse structured field at ${this.#at}`);
  }
}

function number(text: string): number | SfDecimal {
  return text.includes(".") ? new SfDecimal(Number(text)) : Number(text);
}

function decodeBase64(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    throw new SyntaxError("Cannot parse structured field: byte sequence is not base64");
  }
}

function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new SyntaxError("Cannot parse structured field: display string is not UTF-8");
  }
}

const WHOLE_TOKEN = /^[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*$/;

/**
 * A text as a token where it can be one, else as a string (RFC 9651 §3.3.3, §3.3.4).
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { tokenOrString } from "./structured_fields.ts";
 * assert.equal(tokenOrString("usher"), "usher");
 * assert.equal(tokenOrString("my cache"), '"my cache"');
 * ```
 */
export function tokenOrString(text: string): string {
  return WHOLE_TOKEN.test(text) ? text : serializeString(text);
}

/**
 * A text as a string with its quotes (RFC 9651 §4.1.6). A string holds printable ASCII only: what is not becomes `?`.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { serializeString } from "./structured_fields.ts";
 * assert.equal(serializeString('a"b\\é\n'), '"a\\"b\\\\??"');
 * ```
 */
export function serializeString(text: string): string {
  return `"${text.replace(/[^\x20-\x7e]/g, "?").replace(/["\\]/g, "\\$&")}"`;
}
