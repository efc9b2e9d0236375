import { buildConfig } from "./build.ts";
import { reportIssues } from "./yaml/issues.ts";
import type { LoadDependencies, LoadResult } from "./load_result.ts";
import { listeningPlaces } from "./ports.ts";
import { Problems } from "./yaml/problems.ts";
import { fileSchemas } from "./schema.ts";
import type { Tree } from "./yaml/tree.ts";
import { validate } from "./check_file.ts";

/** A tree of values and the file that it came from. */
export interface TreeOfFile {
  readonly file: string;
  readonly tree: Tree;
}

/** Checks a file's values: the schema, then on what is sound what no key can tell alone. Makes the configuration of them. */
export async function examine({ file, tree }: TreeOfFile, deps: LoadDependencies): Promise<LoadResult> {
  const problems = new Problems(file, tree);
  const schemas = fileSchemas(deps);
  const result = schemas.file.safeParse(tree.root);
  if (!result.success) reportIssues(result.error.issues, problems);
  const files = await validate(schemas.draft, {
    problems,
    reading: deps,
    cwd: deps.cwd,
    mayLoadAddons: deps.mayLoadAddons ?? true,
    refusedCheck: deps.refusedCheck ?? (() => null),
  });
  const found = problems.list();
  if (found.length > 0 || !result.success) return { ok: false, file, problems: found };
  const config = buildConfig(result.data, { cores: deps.cores, cwd: deps.cwd, ...files });
  return {
    ok: true,
    file,
    config,
    warnings: problems.warnings(),
    listening: listeningPlaces(config, problems),
    placeOf: (path) => problems.locate(path),
  };
}
