import { relativeToRoot } from "./syntax.ts";

const MAX_FUNCTION_LINES = 60;
const MAX_FILE_LINES = 400;
const MAX_PARAMETERS = 4;

const VAGUE_NAMES = /(^|_)(utils?|helpers?|common|managers?|misc|stuff)(_|\.|$)/;

/** Lint plugin `house-style`: sizes, names, docstrings and keywords of the product's sources (`lib/`, `routes/`, `main.ts`). */
const plugin: Deno.lint.Plugin = {
  name: "house-style",
  rules: {
    sizes: { create: (context) => forProduct(context, checkSizes) },
    names: { create: (context) => forProduct(context, checkNames) },
    exports: { create: (context) => forProduct(context, checkExports) },
    docstrings: { create: (context) => forProduct(context, checkDocstrings) },
    keywords: { create: (context) => forProduct(context, checkKeywords) },
  },
};

export default plugin;

type Check = (context: Deno.lint.RuleContext, path: string) => Deno.lint.LintVisitor;

type FunctionNode =
  | Deno.lint.FunctionDeclaration
  | Deno.lint.FunctionExpression
  | Deno.lint.ArrowFunctionExpression;

function forProduct(context: Deno.lint.RuleContext, check: Check): Deno.lint.LintVisitor {
  const path = relativeToRoot(context.filename);
  return /^(lib|routes)\/|^main\.ts$/.test(path) ? check(context, path) : {};
}

function checkSizes(context: Deno.lint.RuleContext, path: string): Deno.lint.LintVisitor {
  const checkFunction = (node: FunctionNode): void => {
    const lines = countLines(context.sourceCode.getText(node));
    if (lines > MAX_FUNCTION_LINES) {
      context.report({
        node,
        message: `Function has ${lines} lines, at most ${MAX_FUNCTION_LINES}: split it by what its parts do`,
      });
    }
    const parameters = node.params.filter((param) => !(param.type === "Identifier" && param.name === "this")).length;
    if (parameters > MAX_PARAMETERS && !isErrorConstructor(node)) {
      context.report({
        node,
        message: `Function takes ${parameters} parameters, at most ${MAX_PARAMETERS}: take an options object`,
      });
    }
  };
  return {
    Program: (node) => checkFile(context, path, node),
    FunctionDeclaration: checkFunction,
    FunctionExpression: checkFunction,
    ArrowFunctionExpression: checkFunction,
  };
}

/** Errors keep the built-in shape (message first, options last) and add their facts between. */
function isErrorConstructor(node: FunctionNode): boolean {
  const method = node.parent;
  const owner = method?.type === "MethodDefinition" && method.kind === "constructor"
    ? method.parent?.parent
    : undefined;
  const base = owner?.type === "ClassDeclaration" ? owner.superClass : undefined;
  return base?.type === "Identifier" && base.name.endsWith("Error");
}

function checkFile(context: Deno.lint.RuleContext, path: string, node: Deno.lint.Program): void {
  const lines = countLines(context.sourceCode.text.trimEnd());
  if (lines > MAX_FILE_LINES) {
    context.report({
      node,
      message: `${path} has ${lines} lines, at most ${MAX_FILE_LINES}: give each of its concerns a file`,
    });
  }
}

function countLines(text: string): number {
  return text.split("\n").length;
}

function checkNames(context: Deno.lint.RuleContext, path: string): Deno.lint.LintVisitor {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const message = judgeName(name);
  return {
    Program(node) {
      if (message !== undefined) context.report({ node, message: `${path}: ${message}` });
    },
  };
}

function judgeName(name: string): string | undefined {
  if (name === "index.ts" || name === "mod.ts") {
    return "no barrel files; import the file that has the thing, and name this one after what it exports";
  }
  if (VAGUE_NAMES.test(name)) return "the name says nothing; name the file after what it exports";
  if (!/^_?[a-z][a-z0-9_]*\.[jt]sx?$/.test(name)) return "file names are snake_case";
  return undefined;
}

function checkExports(context: Deno.lint.RuleContext, path: string): Deno.lint.LintVisitor {
  const refuse = (node: Deno.lint.Node): void =>
    context.report({
      node,
      message: `${path} has a default export: export it by its name, so that it has one name everywhere`,
    });
  return {
    ExportDefaultDeclaration: refuse,
    ExportNamedDeclaration(node) {
      if (node.specifiers.some((specifier) => exportedName(specifier) === "default")) refuse(node);
    },
  };
}

function exportedName(specifier: Deno.lint.ExportSpecifier): string {
  return specifier.exported.type === "Identifier" ? specifier.exported.name : specifier.exported.value;
}

function checkDocstrings(context: Deno.lint.RuleContext, path: string): Deno.lint.LintVisitor {
  const documented = new Set<string>();
  return {
    ExportNamedDeclaration(node) {
      if (node.declaration === null) return;
      const names = declaredNames(node.declaration);
      if (hasDocstring(context, node)) names.forEach((name) => documented.add(name));
      // An overload is documented once, above its first signature.
      if (names.every((name) => documented.has(name))) return;
      context.report({
        node,
        message: `${path}: export ${names.join(", ")} has no docstring: say what it is, with units and what it throws`,
      });
    },
  };
}

function declaredNames(declaration: Deno.lint.Node): string[] {
  if (declaration.type === "VariableDeclaration") {
    return declaration.declarations.flatMap(({ id }) => "name" in id ? [id.name] : ["value"]);
  }
  const id = "id" in declaration ? declaration.id : null;
  return [id !== null && typeof id === "object" && "name" in id ? String(id.name) : "value"];
}

/** `getCommentsBefore` answers all comments of the file up to the node (Deno 2.9.6), hence the look at what stands between. */
function hasDocstring(context: Deno.lint.RuleContext, node: Deno.lint.Node): boolean {
  const { text } = context.sourceCode;
  return context.sourceCode.getAllComments().some((comment) =>
    comment.type === "Block" && comment.value.startsWith("*") && comment.range[1] <= node.range[0] &&
    /^(\s|\/\/[^\n]*\n|@\w[^\n]*\n)*$/.test(text.slice(comment.range[1], node.range[0]))
  );
}

function checkKeywords(context: Deno.lint.RuleContext): Deno.lint.LintVisitor {
  // Read from the text: the tree has no `accessibility` on parameter properties (Deno 2.9.6).
  const refuseWord = (node: Deno.lint.Node): void => {
    const word = /^(private|protected|public)\b(?!\s*(?:[(=;:?]|constructor\b))/.exec(context.sourceCode.getText(node))
      ?.[1];
    if (word === undefined) return;
    context.report({
      node,
      message:
        `"${word}" holds only for the type checker: use a #name for what is private, and no word for what is public`,
    });
  };
  return {
    Program(node) {
      for (const statement of node.body) refuseTopLevelArrow(context, statement);
    },
    MethodDefinition: refuseWord,
    PropertyDefinition: refuseWord,
    TSParameterProperty: refuseWord,
  };
}

function refuseTopLevelArrow(context: Deno.lint.RuleContext, statement: Deno.lint.Node): void {
  const declaration = statement.type === "ExportNamedDeclaration" ? statement.declaration : statement;
  if (declaration?.type !== "VariableDeclaration") return;
  for (const node of declaration.declarations) {
    if (node.init?.type !== "ArrowFunctionExpression" && node.init?.type !== "FunctionExpression") continue;
    context.report({
      node,
      message: "Top-level functions are declared with `function`, so that they read alike and are hoisted",
    });
  }
}
