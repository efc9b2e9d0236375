import { judgeImport, judgePlace } from "./levels.ts";
import { relativeToRoot, resolveReference, visitReferences } from "./syntax.ts";

/** Packages that only tests may import. */
const TEST_PACKAGES: ReadonlySet<string> = new Set([
  "moviedb-promise",
  "themoviedb-javascript-library",
  "tmdb-ts",
]);

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
  if (/^(npm|jsr|https?):/.test(specifier)) {
    return `"${specifier}" is pinned here: name the package in deno.json "imports" with its exact version and import it by that name`;
  }
  if (TEST_PACKAGES.has(specifier) && !from.startsWith("tests/")) {
    return `"${specifier}" is a package for tests only: ${from} ships without it`;
  }
  return undefined;
}
