import {
  type Alias,
  type Document,
  isAlias,
  isNode,
  LineCounter,
  type Node,
  parseDocument,
  visit,
  type YAMLError,
  YAMLParseError,
} from "yaml";

/** Longest text that is read, in UTF-16 units. */
export const MAX_TEXT_LENGTH = 1024 * 1024;

/** Syntax mistakes reported at most: after the first few the parser only guesses. */
const MAX_SYNTAX_PROBLEMS = 10;

/** A line and a column, both from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A mistake in the YAML itself. */
export interface SyntaxProblem extends Position {
  readonly message: string;
}

/** A YAML document whose syntax is sound. */
export interface ParsedText {
  readonly ok: true;
  readonly contents: Node | null;
  /** What an alias stands for: the last node with its anchor before it; none for an unknown name. */
  target(alias: Alias): Node | undefined;
  position(offset: number): Position;
}

/** What is said of each kind of mistake. The parser's own words are not used: they may quote a secret. */
const SYNTAX: Readonly<Record<string, string>> = {
  ALIAS_PROPS: "found an alias with an anchor or a tag expected the alias alone",
  BAD_ALIAS: "found an unusable anchor or alias name expected letters and digits",
  BAD_DIRECTIVE: "found an unknown directive expected none, or %YAML 1.2",
  BAD_DQ_ESCAPE: "found an unknown escape in a double-quoted text expected one such as \\n (or single quotes)",
  BAD_INDENT: "found another indentation expected the one of the lines around it",
  BAD_SCALAR_START: "found a reserved character at the start of a value expected quotes around it",
  BLOCK_AS_IMPLICIT_KEY: 'found a second ": " in one line expected one (put quotes around a value that holds ": ")',
  BLOCK_IN_FLOW: "found an indented block inside [ ] or { } expected the flow form",
  MISSING_CHAR:
    "found no end of a list, a mapping or a text before this expected a comma, a bracket or a closing quote",
  MULTILINE_IMPLICIT_KEY: "found a line that is no `key: value` expected one (is a colon or an indentation missing?)",
  MULTIPLE_DOCS: "found a second document expected one (remove the line ---)",
  RESOURCE_EXHAUSTION: "found too many levels of nesting expected a flat file",
  TAB_AS_INDENT: "found a tab expected spaces for indentation",
  TAG_RESOLVE_FAILED: "found a tag that is not known expected a plain value",
  UNEXPECTED_TOKEN: "found something that cannot stand here expected `key: value` or `- item`",
};

/** The message for a mistake, with a hint where an unquoted `${…}` is the likely reason. */
function syntaxMessage(error: YAMLError, line: string): string {
  const code = error.code === "BAD_INDENT" && error.message.startsWith("Flow ") ? "MISSING_CHAR" : error.code;
  const message = SYNTAX[code] ?? "found text that is not YAML 1.2 expected `key: value`";
  const isFlow = /[[{,]\s*[^"']*\$\{/.test(line);
  return isFlow ? `${message}; put quotes around \${…} inside [ ] and { }` : message;
}

/** The parser's errors as problems, one a line, the first few. */
function syntaxProblems(text: string, errors: readonly YAMLError[], lines: LineCounter): SyntaxProblem[] {
  const problems = new Map<number, SyntaxProblem>();
  for (const error of errors) {
    const { line, col } = lines.linePos(Math.min(error.pos[0], text.length));
    if (problems.has(line) || problems.size === MAX_SYNTAX_PROBLEMS) continue;
    const start = lines.lineStarts[line - 1] ?? 0;
    const source = text.slice(start, start + 1000).split("\n", 1)[0] ?? "";
    problems.set(line, { line, column: Math.max(1, col), message: syntaxMessage(error, source) });
  }
  return [...problems.values()];
}

/** Parses: what the library throws about a text becomes one more error. */
function parseSafely(text: string, lineCounter: LineCounter): Document | YAMLError {
  const options = {
    version: "1.2",
    schema: "core",
    merge: true,
    // Looked for when the tree is built, where the first place is known too.
    uniqueKeys: false,
    prettyErrors: false,
    lineCounter,
  } as const;
  try {
    return parseDocument(text, options);
  } catch (error) {
    // The library reads two environment variables; without the permission for that nothing can be parsed.
    if (error instanceof Deno.errors.NotCapable) throw error;
    return new YAMLParseError([0, 0], "RESOURCE_EXHAUSTION", "The parser gave up");
  }
}

/** Which node each alias of the document stands for. */
function aliasTargets(document: Document): ReadonlyMap<Alias, Node> {
  const anchors = new Map<string, Node>();
  const targets = new Map<Alias, Node>();
  visit(document, (_key, node) => {
    if (isAlias(node)) {
      const target = anchors.get(node.source);
      if (target !== undefined) targets.set(node, target);
    } else if (isNode(node) && "anchor" in node && typeof node.anchor === "string") {
      anchors.set(node.anchor, node);
    }
  });
  return targets;
}

/** Reads YAML 1.2 text: a document that is sound, or the mistakes in its syntax with their places. */
export function parseText(text: string): ParsedText | { readonly ok: false; readonly problems: SyntaxProblem[] } {
  if (text.length > MAX_TEXT_LENGTH) {
    const message = `found more than ${MAX_TEXT_LENGTH} characters expected a smaller file`;
    return { ok: false, problems: [{ line: 1, column: 1, message }] };
  }
  const lines = new LineCounter();
  const document = parseSafely(text, lines);
  const errors = document instanceof Error ? [document] : [...document.errors, ...document.warnings];
  if (document instanceof Error || errors.length > 0) {
    return { ok: false, problems: syntaxProblems(text, errors, lines) };
  }
  const targets = aliasTargets(document);
  return {
    ok: true,
    contents: document.contents,
    target: (alias) => targets.get(alias),
    position(offset) {
      const { line, col } = lines.linePos(offset);
      return { line: Math.max(1, line), column: Math.max(1, col) };
    },
  };
}
