/** A part of a scalar: text as it stands, or what has to be fetched. */
export type TemplatePart =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "env"; readonly name: string; readonly fallback: string | null }
  | { readonly kind: "file"; readonly path: string };

/** A part that could not be read as `${…}`, as it stands in the file up to its end. */
export interface MalformedPart {
  readonly kind: "malformed";
  readonly expected: string;
}

/** `$${`, or `${` up to the first `}`, which may be missing. */
const REFERENCE = /\$\$\{|\$\{([^}]*)(\}?)/g;

/** What is between `${` and `}`. */
function referencePart(inside: string): TemplatePart | MalformedPart {
  if (inside.startsWith("file:")) {
    const path = inside.slice("file:".length).trim();
    return path === ""
      ? { kind: "malformed", expected: "a path as in ${file:/run/secrets/name}" }
      : { kind: "file", path };
  }
  const match = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s.exec(inside);
  if (match === null) {
    return { kind: "malformed", expected: "${NAME}, ${NAME:-default} or ${file:/path} (write $${ for a plain ${)" };
  }
  return { kind: "env", name: match[1] ?? "", fallback: match[2] ?? null };
}

/**
 * The parts of a scalar with `${NAME}`, `${NAME:-default}`, `${file:/path}` and the escape `$${`; `null` where there is nothing
 * of the kind in it.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { templateParts } from "./interpolate.ts";
 *
 * assert.equal(templateParts("plain $5"), null);
 * assert.deepEqual(templateParts("http://${HOST:-one.example}"), [
 *   { kind: "text", text: "http://" },
 *   { kind: "env", name: "HOST", fallback: "one.example" },
 * ]);
 * assert.deepEqual(templateParts("$${HOST}"), [{ kind: "text", text: "${" }, { kind: "text", text: "HOST}" }]);
 * ```
 */
export function templateParts(scalar: string): Array<TemplatePart | MalformedPart> | null {
  if (!scalar.includes("${")) return null;
  const parts: Array<TemplatePart | MalformedPart> = [];
  let end = 0;
  for (const match of scalar.matchAll(REFERENCE)) {
    if (match.index > end) parts.push({ kind: "text", text: scalar.slice(end, match.index) });
    end = match.index + match[0].length;
    if (match[0] === "$${") parts.push({ kind: "text", text: "${" });
    else if (match[2] === "") parts.push({ kind: "malformed", expected: "a } that ends the ${" });
    else parts.push(referencePart(match[1] ?? ""));
  }
  if (end < scalar.length) parts.push({ kind: "text", text: scalar.slice(end) });
  return parts;
}

/**
 * What YAML 1.2 (core schema, §10.3) makes of a plain scalar with this text.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { retype } from "./interpolate.ts";
 *
 * assert.equal(retype("16"), 16);
 * assert.equal(retype("true"), true);
 * assert.equal(retype("30s"), "30s");
 * assert.equal(retype(""), null);
 * ```
 */
export function retype(text: string): string | number | boolean | null {
  const plain = text.trim();
  if (/^(?:~|null|Null|NULL|)$/.test(plain)) return null;
  if (/^(?:true|True|TRUE|false|False|FALSE)$/.test(plain)) return plain.toLowerCase() === "true";
  const isNumber = /^[-+]?(?:\d+|(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?)$/.test(plain) ||
    /^0o[0-7]+$|^0x[0-9a-fA-F]+$/.test(plain);
  return isNumber ? Number(plain) : plain;
}

/** A scalar whose text came, in part at least, from the environment or a file: its value is never shown, its source is. */
export class Interpolated {
  readonly #text: string;
  /** The scalar with `${NAME}` in the place of values. */
  readonly source: string;
  /** Only the references of the scalar. */
  readonly references: string;

  constructor(text: string, parts: readonly TemplatePart[]) {
    this.#text = text;
    this.source = parts.map((part) => part.kind === "text" ? part.text : referenceText(part)).join("");
    this.references = parts.filter((part) => part.kind !== "text").map(referenceText).join("");
  }

  /** The text as put together, for where text is due. */
  text(): string {
    return this.#text;
  }

  /** The value that YAML would read from the text, for where a number, a boolean or a unit is due. */
  value(): string | number | boolean | null {
    return retype(this.#text);
  }
}

/** A value of the file, or what YAML would read where it was put together from `${…}`. */
export function plainValue(value: unknown): unknown {
  return value instanceof Interpolated ? value.value() : value;
}

/** A reference as it is shown: its default may be a secret too, so it is left out. */
function referenceText(part: TemplatePart): string {
  return part.kind === "env" ? `\${${part.name}}` : part.kind === "file" ? `\${file:${part.path}}` : "";
}

/** Where `${…}` gets its values from. */
export interface Lookup {
  /** An environment variable; `undefined` where it is not set. */
  env(name: string): string | undefined;
  /** A file's text, read beforehand, or what is wrong with the file. */
  file(path: string): { readonly text: string } | { readonly problem: string };
}

/** The text of a scalar, or what is wrong with each of its references. */
export type Interpolation =
  | { readonly ok: true; readonly value: string | Interpolated }
  | { readonly ok: false; readonly problems: readonly string[] };

/** The value of one part, or `found … expected …`. */
function partText(part: TemplatePart | MalformedPart, lookup: Lookup): { text: string } | { problem: string } {
  if (part.kind === "text") return part;
  if (part.kind === "malformed") return { problem: `found an unreadable \${…} expected ${part.expected}` };
  const shown = referenceText(part);
  if (part.kind === "file") {
    const file = lookup.file(part.path);
    return "text" in file
      ? { text: file.text.replace(/[\r\n]+$/, "") }
      : { problem: `found ${shown} (${file.problem}) expected a file that can be read` };
  }
  const value = lookup.env(part.name);
  if (part.fallback !== null) return { text: value === undefined || value === "" ? part.fallback : value };
  if (value !== undefined) return { text: value };
  const advice =
    `expected the environment variable ${part.name}: set it, or give a default with \${${part.name}:-default}`;
  return { problem: `found ${shown}, which is not set, ${advice}` };
}

/** Puts the parts of a scalar together. The escape alone makes plain text, a reference makes an {@linkcode Interpolated}. */
export function interpolate(parts: ReadonlyArray<TemplatePart | MalformedPart>, lookup: Lookup): Interpolation {
  const problems: string[] = [];
  const sound: TemplatePart[] = [];
  let text = "";
  for (const part of parts) {
    const result = partText(part, lookup);
    if ("problem" in result) problems.push(result.problem);
    else text += result.text;
    if (part.kind !== "malformed") sound.push(part);
  }
  if (problems.length > 0) return { ok: false, problems };
  const isPlain = sound.every((part) => part.kind === "text");
  return { ok: true, value: isPlain ? text : new Interpolated(text, sound) };
}
