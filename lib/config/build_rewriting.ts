import type { RewritingConfig } from "./rewriting_config.ts";
import type { FileValues } from "./schema.ts";

/** What a listener's values say of changes to the documents that it serves. */
export function buildRewriting(listener: FileValues["listeners"][number]): RewritingConfig {
  return {
    publicUrl: listener.public_url ?? null,
    rewriteImageBase: listener.rewrite_image_base,
    overrides: listener.overrides.map(({ path, query, merge }) => ({ path, query: { ...query }, merge })),
  };
}
