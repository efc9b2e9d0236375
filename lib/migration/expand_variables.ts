/** Where the values of `$NAME` come from, and who is told what is wrong with a text. */
export interface VariableLookup {
  /** `undefined` where it is not set. */
  get(name: string): string | undefined;
  /** Told of what is missing or unreadable; the message holds names, never values. */
  problem(message: string): void;
}

/** Longest text that comes out; variables that are made of variables may grow without end. */
const MAX_EXPANDED = 64 * 1024;
const MAX_NESTING = 10;
const NAME = /^[A-Za-z_]\w*/;
const INSIDE = /^([A-Za-z_]\w*)(?:(:?[-+?])([^]*))?$/;

/**
 * A text with its variables put in, as Docker Compose does it: `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`,
 * `${NAME:+other}`, `${NAME+other}`, `${NAME:?message}`, and `$$` for a plain `$`.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { expandVariables } from "./expand_variables.ts";
 *
 * const lookup = { get: (name: string) => ({ HOST: "one.example" })[name], problem: () => {} };
 * assert.equal(expandVariables("http://$HOST:${PORT:-80}/$$5", lookup), "http://one.example:80/$5");
 * ```
 */
export function expandVariables(text: string, lookup: VariableLookup, depth = 0): string {
  let expanded = "";
  for (let at = 0; at < text.length;) {
    const dollar = text.indexOf("$", at);
    if (dollar < 0 || expanded.length > MAX_EXPANDED) {
      expanded += text.slice(at);
      break;
    }
    const [value, end] = referenceAt(text, dollar, { lookup, depth });
    expanded += text.slice(at, dollar) + value;
    at = end;
  }
  if (expanded.length <= MAX_EXPANDED) return expanded;
  lookup.problem(`found more than ${MAX_EXPANDED} characters expected a short value`);
  return "";
}

/** How a reference is read: where values come from, and how deep inside others it stands. */
interface Reading {
  readonly lookup: VariableLookup;
  readonly depth: number;
}

/** What stands for the `$` at a place, and where the text goes on behind it. */
function referenceAt(text: string, dollar: number, { lookup, depth }: Reading): readonly [value: string, end: number] {
  const next = text[dollar + 1];
  if (next === "$") return ["$", dollar + 2];
  if (next !== "{") {
    const name = NAME.exec(text.slice(dollar + 1, dollar + 200))?.[0];
    return name === undefined ? ["$", dollar + 1] : [valueOf(name, lookup), dollar + 1 + name.length];
  }
  const close = closingBrace(text, dollar + 2);
  const inside = close < 0 ? null : INSIDE.exec(text.slice(dollar + 2, close));
  if (inside === null || depth >= MAX_NESTING) {
    lookup.problem("found an unreadable ${…} expected ${NAME} or ${NAME:-default} (write $$ for a plain $)");
    return ["", close < 0 ? text.length : close + 1];
  }
  const [, name, operator, rest = ""] = inside;
  const operand = () => expandVariables(rest, lookup, depth + 1);
  return [substitute(name!, operator, { lookup, operand }), close + 1];
}

function closingBrace(text: string, from: number): number {
  let open = 1;
  for (let at = from; at < text.length; at++) {
    if (text[at] === "{" && text[at - 1] === "$") open++;
    else if (text[at] === "}" && --open === 0) return at;
  }
  return -1;
}

function substitute(
  name: string,
  operator: string | undefined,
  { lookup, operand }: { readonly lookup: VariableLookup; readonly operand: () => string },
): string {
  const value = lookup.get(name);
  const isGiven = value !== undefined && (value !== "" || !operator?.startsWith(":"));
  if (operator?.endsWith("+")) return isGiven ? operand() : "";
  if (operator?.endsWith("-") && !isGiven) return operand();
  return isGiven ? value : valueOf(name, lookup);
}

function valueOf(name: string, lookup: VariableLookup): string {
  const value = lookup.get(name);
  if (value === undefined) lookup.problem(`found $${name}, which is not set: read as empty`);
  return value ?? "";
}
