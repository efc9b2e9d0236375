import { pathToFileURL } from "node:url";

/** One place in a file that names another module. */
export interface ModuleReference {
  readonly specifier: string;
  readonly node: Deno.lint.Node;
}

/** The repository's root as a `file:` URL that ends in a slash. */
export const ROOT_URL = new URL("../../", import.meta.url);

/** Turns a path of this machine, or one relative to the root already, into one relative to the root with `/`; outside it stays whole. */
export function relativeToRoot(filename: string): string {
  const isAbsolute = /^([A-Za-z]:)?[\\/]/.test(filename);
  if (!isAbsolute) return filename.replaceAll("\\", "/").replace(/^\.\//, "");
  const url = pathToFileURL(filename).href;
  return url.startsWith(ROOT_URL.href) ? decodeURI(url.slice(ROOT_URL.href.length)) : filename.replaceAll("\\", "/");
}

/** Resolves a relative specifier against the file that holds it; `undefined` for packages and built-in modules. */
export function resolveReference(from: string, specifier: string): string | undefined {
  if (!/^\.{1,2}\//.test(specifier)) return undefined;
  const url = new URL(specifier, new URL(from, ROOT_URL)).href;
  return url.startsWith(ROOT_URL.href) ? decodeURI(url.slice(ROOT_URL.href.length)) : url;
}

/** Calls `found` for every static import, re-export, literal dynamic import, type import and `new URL("./x.ts", import.meta.url)`. */
export function visitReferences(found: (reference: ModuleReference) => void): Deno.lint.LintVisitor {
  const report = (source: Deno.lint.Node | null | undefined, node: Deno.lint.Node): void => {
    const specifier = literalOf(source);
    if (specifier !== undefined) found({ specifier, node });
  };
  return {
    ImportDeclaration: (node) => report(node.source, node),
    ExportNamedDeclaration: (node) => report(node.source, node),
    ExportAllDeclaration: (node) => report(node.source, node),
    ImportExpression: (node) => report(node.source, node),
    TSImportType: (node) => report(node.argument, node),
    NewExpression: (node) => {
      if (isModuleUrl(node)) report(node.arguments[0], node);
    },
  };
}

function isModuleUrl(node: Deno.lint.NewExpression): boolean {
  const base = node.arguments[1];
  return node.callee.type === "Identifier" && node.callee.name === "URL" && base?.type === "MemberExpression" &&
    base.object.type === "MetaProperty" && /\.tsx?$/.test(literalOf(node.arguments[0]) ?? "");
}

function literalOf(node: Deno.lint.Node | null | undefined): string | undefined {
  if (node?.type === "TSLiteralType") return literalOf(node.literal);
  if (node?.type === "Literal" && typeof node.value === "string") return node.value;
  return undefined;
}
