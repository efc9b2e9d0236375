import { isUtf8 } from "node:buffer";

/** One member of a JSON object, by where it stands in the text. */
export interface JsonMember {
  /** Its name, escapes resolved. A name may come twice: readers go by the last one. */
  readonly name: string;
  /** Where its name's opening quote is; bytes from the text's beginning. */
  readonly start: number;
  /** Where its value begins, white space left out. */
  readonly valueStart: number;
  /** Where its value ends: the first byte behind it. */
  readonly end: number;
}

/** Deeper documents are not taken apart: no sane one is, and the walk goes down by recursion. */
const MAX_DEPTH = 128;

/** Objects with more members are not taken apart. */
const MAX_MEMBERS = 65_536;

/**
 * The members of a JSON object, without building the document, so that parts of it can be cut out or replaced with every other byte
 * left as it is. The whole text is checked (RFC 8259, UTF-8 without a byte order mark); `null` where it is no object, is not
 * well-formed, or is deeper or wider than any document that is worth the time.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { jsonMembers } from "./json_members.ts";
 * const json = new TextEncoder().encode('{"id": 550, "vote": 7.0}');
 * const vote = jsonMembers(json)!.at(-1)!;
 * assert.equal(vote.name, "vote");
 * assert.equal(new TextDecoder().decode(json.subarray(vote.valueStart, vote.end)), "7.0");
 * ```
 */
export function jsonMembers(json: Uint8Array): JsonMember[] | null {
  if (!isUtf8(json)) return null;
  const members: JsonMember[] = [];
  const scanner = new Scanner(json);
  scanner.space();
  const isObject = scanner.object(1, (member) => members.push(member) <= MAX_MEMBERS);
  scanner.space();
  return isObject && scanner.at === json.length ? members : null;
}

/** Where one item of a JSON array stands in the text. */
export interface JsonItem {
  /** Its first byte. */
  readonly start: number;
  /** The first byte behind it. */
  readonly end: number;
}

/**
 * The items of a JSON array, by the same bounds as {@linkcode jsonMembers}; `null` where the text is none.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { jsonItems } from "./json_members.ts";
 * assert.deepEqual(jsonItems(new TextEncoder().encode("[7.0, {}]")), [{ start: 1, end: 4 }, { start: 6, end: 8 }]);
 * ```
 */
export function jsonItems(json: Uint8Array): JsonItem[] | null {
  if (!isUtf8(json)) return null;
  const items: JsonItem[] = [];
  const scanner = new Scanner(json);
  scanner.space();
  const isArray = scanner.array(1, (item) => items.push(item) <= MAX_MEMBERS);
  scanner.space();
  return isArray && scanner.at === json.length ? items : null;
}

/**
 * Whether a text is one JSON value, by the same bounds as {@linkcode jsonMembers}.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { isJsonText } from "./json_members.ts";
 * assert.equal(isJsonText(new TextEncoder().encode("[1, 2]")), true);
 * assert.equal(isJsonText(new TextEncoder().encode("[1, 2")), false);
 * ```
 */
export function isJsonText(json: Uint8Array): boolean {
  if (!isUtf8(json)) return false;
  const scanner = new Scanner(json);
  scanner.space();
  const isValue = scanner.value(1);
  scanner.space();
  return isValue && scanner.at === json.length;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const TRUE = Uint8Array.from([0x74, 0x72, 0x75, 0x65]);
const FALSE = Uint8Array.from([0x66, 0x61, 0x6c, 0x73, 0x65]);
const NULL = Uint8Array.from([0x6e, 0x75, 0x6c, 0x6c]);

/** Walks a JSON text. Each step says whether its piece of grammar was there; after a `false` the place is of no meaning. */
class Scanner {
  at = 0;
  readonly #json: Uint8Array;

  constructor(json: Uint8Array) {
    this.#json = json;
  }

  space(): void {
    const json = this.#json;
    for (let byte = json[this.at]; byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;) {
      byte = json[++this.at];
    }
  }

  value(depth: number): boolean {
    switch (this.#json[this.at]) {
      case QUOTE:
        return this.#string();
      case 0x7b:
        return this.object(depth, null);
      case 0x5b:
        return this.array(depth, null);
      case 0x74:
        return this.#word(TRUE);
      case 0x66:
        return this.#word(FALSE);
      case 0x6e:
        return this.#word(NULL);
      default:
        return this.#number();
    }
  }

  /** An object; `onMember` is told of each member and may end the walk. */
  object(depth: number, onMember: ((member: JsonMember) => boolean) | null): boolean {
    if (depth > MAX_DEPTH || !this.#take(0x7b)) return false;
    this.space();
    if (this.#take(0x7d)) return true;
    do {
      this.space();
      if (!this.#member(depth, onMember)) return false;
      this.space();
    } while (this.#take(COMMA));
    return this.#take(0x7d);
  }

  #member(depth: number, onMember: ((member: JsonMember) => boolean) | null): boolean {
    const start = this.at;
    if (this.#json[start] !== QUOTE || !this.#string()) return false;
    const nameEnd = this.at;
    this.space();
    if (!this.#take(COLON)) return false;
    this.space();
    const valueStart = this.at;
    if (!this.value(depth + 1)) return false;
    if (onMember === null) return true;
    return onMember({ name: textOf(this.#json.subarray(start, nameEnd)), start, valueStart, end: this.at });
  }

  /** An array; `onItem` is told of each item and may end the walk. */
  array(depth: number, onItem: ((item: JsonItem) => boolean) | null): boolean {
    if (depth > MAX_DEPTH || !this.#take(0x5b)) return false;
    this.space();
    if (this.#take(0x5d)) return true;
    do {
      this.space();
      const start = this.at;
      if (!this.value(depth + 1)) return false;
      if (onItem !== null && !onItem({ start, end: this.at })) return false;
      this.space();
    } while (this.#take(COMMA));
    return this.#take(0x5d);
  }

  #string(): boolean {
    const json = this.#json;
    for (let at = this.at + 1; at < json.length; at++) {
      const byte = json[at]!;
      if (byte === QUOTE) {
        this.at = at + 1;
        return true;
      }
      if (byte < 0x20) return false;
      if (byte === BACKSLASH) {
        const length = escapeLength(json, at);
        if (length === 0) return false;
        at += length - 1;
      }
    }
    return false;
  }

  #number(): boolean {
    this.#take(0x2d);
    if (!this.#take(0x30) && !this.#digits()) return false;
    if (this.#take(0x2e) && !this.#digits()) return false;
    if (!this.#take(0x65) && !this.#take(0x45)) return true;
    if (!this.#take(0x2b)) this.#take(0x2d);
    return this.#digits();
  }

  #digits(): boolean {
    const from = this.at;
    while (isDigit(this.#json[this.at])) this.at++;
    return this.at > from;
  }

  #word(word: Uint8Array): boolean {
    for (const byte of word) if (!this.#take(byte)) return false;
    return true;
  }

  #take(byte: number): boolean {
    if (this.#json[this.at] !== byte) return false;
    this.at++;
    return true;
  }
}

/** Bytes of the escape at a backslash; 0 where it is none (RFC 8259 §7). */
function escapeLength(json: Uint8Array, at: number): number {
  switch (json[at + 1]) {
    case QUOTE:
    case BACKSLASH:
    case 0x2f:
    case 0x62:
    case 0x66:
    case 0x6e:
    case 0x72:
    case 0x74:
      return 2;
    case 0x75:
      return [2, 3, 4, 5].every((offset) => isHex(json[at + offset])) ? 6 : 0;
    default:
      return 0;
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

function isHex(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  const lower = byte | 0x20;
  return isDigit(byte) || (lower >= 0x61 && lower <= 0x66);
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The text of a checked string literal. */
function textOf(literal: Uint8Array): string {
  return JSON.parse(decoder.decode(literal));
}
