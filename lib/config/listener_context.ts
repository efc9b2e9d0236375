import type { DraftPool } from "./pool.ts";
import type { Path } from "./yaml/located.ts";
import type { Problems } from "./yaml/problems.ts";

/** What a listener is checked with: where it stands, and the rest of its file as far as a listener depends on it. */
export interface ListenerContext {
  readonly problems: Problems;
  /** Of the listener. */
  readonly path: Path;
  readonly pools: Readonly<Record<string, DraftPool>>;
  /** Type of the listener's pool; `undefined` where a mistake hides it. */
  readonly type: string | undefined;
  /** The same of all listeners. */
  readonly types: readonly (string | undefined)[];
  /** All API keys of the file, clean. */
  readonly apiKeys: ReadonlySet<string>;
  /** `cache.disk` */
  readonly diskBytes: number;
  /** Whether there is a tier that gateways share. */
  readonly sharesResponses: boolean;
  /** Whether the process may load native code. */
  readonly mayLoadAddons: boolean;
}
