import { judgeImport, judgePlace } from "./levels.ts";
import { relativeToRoot, resolveReference, visitReferences } from "./syntax.ts";

/** A package of npm with its exact version: how tests name what the product does not use, so that no start fetches it. */
const PINNED_PACKAGE = /^npm:(?:@[\w.-]+\/)?[\w.-]+@\d+\.\d+\.\d+$/;

/** Lint plugin `house-levels`: imports go down, rooms that never meet do not, dependencies are those of deno.json. */
const plugin: Deno.lint.Plugin = {
  name: "house-levels",
  rules: { imports: { create: checkImports }, place: { create: checkPlace }, packages: { create: checkPackages } },
};

export default plugin;

function checkImports(context: Deno.lint.RuleContext): Deno.lint.LintVisitor {
  const from = relativeToRoot(context.filename);
  return visitReferences(({ specifier, node }) => {
    const to = resolveReference(from, specifier);
    const message = to === undefined ? undefined : judgeImport(from, to);
    if (message !== undefined) context.report({ node, message });
  });
}

function checkPlace(context: Deno.lint.RuleContext): Deno.lint.LintVisitor {
  const message = judgePlace(relativeToRoot(context.filename));
  return {
    Program(node) {
      if (message !== undefined) context.report({ node, message });
    },
  };
}

function checkPackages(context: Deno.lint.RuleContext): Deno.lint.LintVisitor {
  const from = relativeToRoot(context.filename);
  return visitReferences(({ specifier, node }) => {
    const message = judgePackage(from, specifier);
    if (message !== undefined) context.report({ node, message });
  });
}

function judgePackage(from: string, specifier: string): string | undefined {
  if (from.startsWith("tests/") && PINNED_PACKAGE.test(specifier)) return undefined;
  if (/^(npm|jsr|https?):/.test(specifier)) {
    return `"${specifier}" is pinned here: name the package in deno.json "imports" with its exact version and import it by that name`;
  }
  return undefined;
}
