import { visitReferences } from "../house/syntax.ts";
import { visitChanges } from "./operators.ts";

/** Lint plugin `mutate`: what it reports is JSON, for `deno task mutate`. The gate does not use it. */
const plugin: Deno.lint.Plugin = {
  name: "mutate",
  rules: {
    /** Each {@linkcode Change} that could be made in the file. */
    changes: {
      create: (context) =>
        visitChanges(context.sourceCode, (change) => {
          context.report({ range: [change.start, change.end], message: JSON.stringify(change) });
        }),
    },
    /** Each module that the file names, as it names it. */
    imports: {
      create: (context) =>
        visitReferences(({ node, specifier }) => context.report({ node, message: JSON.stringify(specifier) })),
    },
  },
};

export default plugin;
