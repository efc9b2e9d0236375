import type { JsonEdit } from "./json_edit.ts";
import { type JsonItem, jsonItems, type JsonMember, jsonMembers } from "./json_members.ts";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * A JSON object as it stands in a document: its members are read where they lie, so that single values can be replaced and every other
 * byte left as it is. Where a name comes twice, the last one counts, as for other readers.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { spliced } from "./json_edit.ts";
 * import { JsonView } from "./json_view.ts";
 * const json = new TextEncoder().encode('{"episodes":[{"name":"", "vote":7.0}]}');
 * const [episode] = JsonView.of(json)!.objects("episodes");
 * assert.equal(episode!.value("name"), "");
 * const edited = spliced(json, [episode!.edit("name", '"Pilot"')]);
 * assert.equal(new TextDecoder().decode(edited), '{"episodes":[{"name":"Pilot", "vote":7.0}]}');
 * ```
 */
export class JsonView {
  readonly #document: Uint8Array;
  readonly #base: number;
  readonly #end: number;
  readonly #members: ReadonlyMap<string, JsonMember>;

  private constructor(document: Uint8Array, { start, end }: JsonItem, members: readonly JsonMember[]) {
    this.#document = document;
    this.#base = start;
    this.#end = end;
    this.#members = new Map(members.map((member) => [member.name, member]));
  }

  /** The view of a document; `null` where it is no object, or none that {@linkcode jsonMembers} takes apart. */
  static of(document: Uint8Array): JsonView | null {
    return JsonView.#at(document, 0, document.byteLength);
  }

  static #at(document: Uint8Array, start: number, end: number): JsonView | null {
    const members = jsonMembers(document.subarray(start, end));
    return members === null ? null : new JsonView(document, { start, end }, members);
  }

  /** A member's value, read; `undefined` where there is none. */
  value(name: string): unknown {
    const text = this.text(name);
    return text === null ? undefined : JSON.parse(text);
  }

  /** A member's value as it is written; `null` where there is none. */
  text(name: string): string | null {
    const range = this.#range(name);
    return range === null ? null : decoder.decode(this.#document.subarray(range.start, range.end));
  }

  /** Whether a member is a text that is not blank. */
  isText(name: string): boolean {
    const value = this.value(name);
    return typeof value === "string" && value.trim() !== "";
  }

  /** A member that is an object; `null` where it is none. */
  object(name: string): JsonView | null {
    const range = this.#range(name);
    return range === null ? null : JsonView.#at(this.#document, range.start, range.end);
  }

  /** The objects of a member that is an array; items of other kinds are left out. */
  objects(name: string, limit = Infinity): JsonView[] {
    const range = this.#range(name);
    const items = range === null ? null : jsonItems(this.#document.subarray(range.start, range.end));
    return (items ?? []).slice(0, limit).flatMap(({ start, end }) =>
      JsonView.#at(this.#document, range!.start + start, range!.start + end) ?? []
    );
  }

  /** The object as it is written. */
  get written(): string {
    return decoder.decode(this.#document.subarray(this.#base, this.#end));
  }

  /** The edit of the document that gives a member another value; the member must be there. */
  edit(name: string, text: string): JsonEdit {
    const { start, end } = this.#range(name)!;
    return { start, end, text };
  }

  #range(name: string): JsonItem | null {
    const member = this.#members.get(name);
    return member === undefined ? null : { start: this.#base + member.valueStart, end: this.#base + member.end };
  }
}
