import { resolveReference, ROOT_URL, visitReferences } from "./syntax.ts";

/** Folders that hold no sources. */
const SKIPPED: ReadonlySet<string> = new Set([".git", "node_modules", "data", "dist", "coverage"]);

/** What the house needs to know about one source file. */
export interface Source {
  /** Relative to the root. */
  readonly path: string;
  /** Files of the repository that it names, relative to the root. */
  readonly imports: readonly string[];
  /** Nothing of it is left once the types are gone. */
  readonly isTypeOnly: boolean;
}

/** Lists the files of the repository, relative to its root, sorted. */
export function listFiles(folder = ""): string[] {
  const files: string[] = [];
  for (const entry of Deno.readDirSync(new URL(folder, ROOT_URL))) {
    const path = folder + entry.name;
    if (entry.isFile) files.push(path);
    if (entry.isDirectory && !SKIPPED.has(entry.name)) files.push(...listFiles(`${path}/`));
  }
  return files.sort();
}

/** Reads a file of the repository. */
export function readText(path: string): string {
  return Deno.readTextFileSync(new URL(path, ROOT_URL));
}

/** Reads a source with the linter's parser (which `deno test` lends to tests), so that comments and strings do not deceive. */
export function readSource(path: string): Source {
  return inspectSource(path, readText(path));
}

/** As {@linkcode readSource}, for a text at hand. */
export function inspectSource(path: string, text: string): Source {
  const imports: string[] = [];
  let isTypeOnly = true;
  const references = visitReferences(({ specifier }) => {
    const target = resolveReference(path, specifier);
    if (target !== undefined) imports.push(target);
  });
  const visitor: Deno.lint.LintVisitor = {
    ...references,
    Program(node) {
      isTypeOnly = node.body.every(isErased);
    },
  };
  Deno.lint.runPlugin({ name: "house-reader", rules: { read: { create: () => visitor } } }, path, text);
  return { path, imports, isTypeOnly };
}

function isErased(statement: Deno.lint.Node): boolean {
  if (statement.type === "ImportDeclaration") return statement.specifiers.length > 0;
  if (statement.type !== "ExportNamedDeclaration" && statement.type !== "ExportAllDeclaration") {
    return isType(statement);
  }
  if (statement.exportKind === "type") return true;
  const declaration = "declaration" in statement ? statement.declaration : undefined;
  return declaration ? isType(declaration) : false;
}

function isType(node: Deno.lint.Node): boolean {
  return node.type === "TSInterfaceDeclaration" || node.type === "TSTypeAliasDeclaration";
}

/** Finds the import cycles among the sources, each once, as the list of paths that ends where it began. */
export function findCycles(sources: readonly Source[]): string[][] {
  const graph = new Map(sources.map((source) => [source.path, source.imports]));
  const cycles: string[][] = [];
  const finished = new Set<string>();
  const walk = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) cycles.push([...trail.slice(start), path]);
    if (start >= 0 || finished.has(path)) return;
    for (const next of graph.get(path) ?? []) walk(next, [...trail, path]);
    finished.add(path);
  };
  for (const path of graph.keys()) walk(path, []);
  return cycles;
}
