import type { Path } from "./yaml/located.ts";
import type { Problems } from "./yaml/problems.ts";
import type { DraftValues } from "./schema.ts";

/** What the semantic checks work on: the sound part of the file, where it stood, and where to say what is wrong. */
export interface ValidationContext {
  readonly values: DraftValues;
  /** The path in the file of what stands at `path` in `values`. */
  original(path: Path): Path;
  readonly problems: Problems;
  /** Directory that relative paths start from, absolute. */
  readonly cwd: string;
  /** See `RegisteredNames.refusedCheck`. */
  readonly refusedCheck: (type: string, target: string) => string | null;
  /** Whether the process may load native code. */
  readonly mayLoadAddons: boolean;
}
