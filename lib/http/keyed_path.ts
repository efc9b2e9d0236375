/** A path behind a client's token. */
export interface KeyedPath {
  readonly token: string;
  /** What follows; begins with `/`. */
  readonly path: string;
}

/** `~` needs no escape (RFC 3986 §2.3), yet there are clients that escape it. */
const KEYED = /^\/(?:~|%7[Ee])([A-Za-z0-9._~-]{16,256})(?=\/|$)/;

/**
 * A path with a client's token before it, as in `/~TOKEN/3/movie/550`; `null` for any other. The form cannot be mistaken for a path of
 * TMDB's, and a segment as short as a user's name (`/~anna/`) is none.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { splitKeyedPath } from "./keyed_path.ts";
 * assert.deepEqual(splitKeyedPath("/~0123456789abcdef/3/movie/550"), { token: "0123456789abcdef", path: "/3/movie/550" });
 * assert.equal(splitKeyedPath("/~anna/3/movie/550"), null);
 * ```
 */
export function splitKeyedPath(path: string): KeyedPath | null {
  const match = KEYED.exec(path);
  if (match === null) return null;
  const rest = path.slice(match[0].length);
  return { token: match[1]!, path: rest === "" ? "/" : rest };
}
