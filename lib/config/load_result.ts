import type { Config } from "./config.ts";
import type { Located, Path } from "./yaml/located.ts";
import type { ListeningPlace } from "./ports.ts";
import type { RegisteredNames } from "./schema.ts";

/** What loading takes from outside. */
export interface LoadDependencies extends RegisteredNames {
  /** The text of a file; `readText` in read_text.ts bounds it. Rejects as `Deno.readTextFile` does. */
  readonly readTextFile: (path: string) => Promise<string>;
  /** Permission bits of a file; `null` where the system has none. Left out, keys may be read by anybody. */
  readonly fileMode?: (path: string) => Promise<number | null>;
  /**
   * The configuration's own text, where it is in no file.
   * @default the text of the file
   */
  readonly ownText?: () => Promise<string>;
  /** An environment variable; `undefined` where it is not set. */
  readonly env: (name: string) => string | undefined;
  /** Cores of the machine, for `workers: auto`. */
  readonly cores: number;
  /** Directory that relative paths start from, absolute. */
  readonly cwd: string;
  /**
   * Whether the process may load native code, which pictures are converted by.
   * @default true
   */
  readonly mayLoadAddons?: boolean;
}

/** A sound configuration. */
export interface Loaded {
  readonly ok: true;
  readonly file: string;
  readonly config: Config;
  /** What works but is most likely not meant. */
  readonly warnings: readonly Located[];
  /** Every address to listen on with its place, for `portsInUse`. */
  readonly listening: readonly ListeningPlace[];
  /** Where a value stands in the file. */
  readonly placeOf: (path: Path) => Omit<Located, "message">;
}

/** A file with mistakes. */
export interface NotLoaded {
  readonly ok: false;
  readonly file: string;
  /** Every mistake, in the order of the file. */
  readonly problems: readonly Located[];
}

/** A configuration, or everything that is wrong with the file. */
export type LoadResult = Loaded | NotLoaded;
