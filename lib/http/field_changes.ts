import { requestFieldRefusal, responseFieldRefusal } from "../field_rights.ts";
import { type Fields, fieldValue } from "./fields.ts";
import type { FieldList } from "./request_fields.ts";

/** One change; names are in lower case. */
export type FieldChange =
  /** Every line of that name; `*` at its end stands for what follows. */
  | { readonly kind: "remove"; readonly name: string }
  /** In the place of all lines of that name. */
  | { readonly kind: "set"; readonly name: string; readonly value: string }
  | { readonly kind: "add"; readonly name: string; readonly value: string };

/** Fields of a message, changed one after the other. `isSpared` says which names a removal with `*` leaves alone. */
export function changedFields(
  fields: Readonly<Fields>,
  changes: readonly FieldChange[],
  isSpared: (name: string) => boolean,
): Fields {
  let changed: Fields = [...fields];
  for (const change of changes) {
    if (change.kind !== "add") changed = changed.filter(([name]) => !isMeant(change, name, isSpared));
    if (change.kind !== "remove") changed.push([change.name, change.value]);
  }
  return changed;
}

function isMeant({ kind, name }: FieldChange, given: string, isSpared: (name: string) => boolean): boolean {
  if (kind === "remove" && name.endsWith("*")) return given.startsWith(name.slice(0, -1)) && !isSpared(given);
  return given === name;
}

/** The fields of a request with the changes of rules. */
export class ChangedRequestFields implements FieldList {
  readonly #source: FieldList;
  readonly #changes: readonly FieldChange[];
  #list: Readonly<Fields> | null = null;

  constructor(source: FieldList, changes: readonly FieldChange[]) {
    this.#source = source;
    this.#changes = changes;
  }

  header(name: string): string | null {
    if (name === "connection") return this.#connection();
    const isChanged = this.#changes.some((change) => isMeant(change, name, isRefused));
    return isChanged ? fieldValue(this.list() as Fields, name) : this.#source.header(name);
  }

  list(): Readonly<Fields> {
    return this.#list ??= changedFields(this.#source.list(), this.#changes, isRefused);
  }

  /** Without the names that rules write: those fields are not of the client's connection, and it cannot have them left out. */
  #connection(): string | null {
    const given = this.#source.header("connection");
    const isWritten = (option: string) =>
      this.#changes.some(({ kind, name }) => kind !== "remove" && name === option.trim().toLowerCase());
    return given === null ? null : given.split(",").filter((option) => !isWritten(option)).join(",");
  }
}

/** Names of fields that changes set, in place of all their lines. */
export function namesSet(changes: readonly FieldChange[]): ReadonlySet<string> {
  return new Set(changes.flatMap(({ kind, name }) => kind === "set" ? [name] : []));
}

/** Fields that a removal with `*` leaves: those that frame the message or that the gateway decides by. */
function isRefused(name: string): boolean {
  return requestFieldRefusal("remove", name) !== null;
}

/** Whether a removal with `*` leaves a response field: those that frame the message or tell caches whose response it is. */
export function isResponseFieldSpared(name: string): boolean {
  return responseFieldRefusal("remove", name) !== null;
}

/** Fields that come beside a response's own (RFC 9110 §6.5, §15.2), without what changes of these take away or replace. */
export function besideChanged(fields: Readonly<Fields>, changes: readonly FieldChange[]): Fields {
  return fields.filter(([name]) =>
    !changes.some((change) => change.kind !== "add" && isMeant(change, name, isResponseFieldSpared))
  );
}
