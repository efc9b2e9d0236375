import { tmdbChanges } from "./_tmdb_changes.ts";
import type { ChangeSource } from "./change_source.ts";
import { Custom } from "./custom.ts";
import { TmdbApi } from "./tmdb_api.ts";
import { TmdbImage } from "./tmdb_image.ts";
import type { TypeOptions, UpstreamType } from "./upstream_type.ts";

/** A new type is one file and one line here. */
const FACTORIES: ReadonlyMap<string, (options: TypeOptions) => UpstreamType> = new Map([
  ["tmdb-api", (options: TypeOptions): UpstreamType => new TmdbApi(options)],
  ["tmdb-image", (options: TypeOptions): UpstreamType => new TmdbImage(options)],
  ["custom", (options: TypeOptions): UpstreamType => new Custom(options)],
]);

/** Types whose upstreams can be asked what has changed there. */
const CHANGES: ReadonlyMap<string, ChangeSource> = new Map([["tmdb-api", tmdbChanges]]);

/** How the upstreams of a type are asked what has changed there; `null` where they cannot be. */
export function changeSourceOf(name: string): ChangeSource | null {
  return CHANGES.get(name) ?? null;
}

/** Why no check may ask for such paths: it would do it again and again, for nobody. */
const REFUSED_CHECKS: Readonly<Record<string, string>> = {
  "mutating-get": "this one changes something",
  "user-state": "this one is about a user",
  "user-query": "this one is about a user",
};

/** Why health checks must not ask upstreams of a type for a target (path and query); `null` where they may. */
export function refusedCheck(name: string, target: string): string | null {
  const make = FACTORIES.get(name);
  if (make === undefined) return null;
  const [path = "", query = ""] = target.split(/\?(.*)/s, 2);
  const type = make({ apiKeys: [], keyMode: "pass", contentTypes: null, now: () => 0 });
  const reason = type.classify({ method: "GET", path, query, header: () => null }).private;
  return REFUSED_CHECKS[reason ?? ""] ?? null;
}

/** Names that a pool's `type` may have. */
export const upstreamTypeNames: readonly string[] = [...FACTORIES.keys()];

/**
 * Makes a type for one pool.
 *
 * @throws {RangeError} when there is none of that name
 * @throws {TypeError} when `contentTypes` holds a text that is no media range
 */
export function createUpstreamType(name: string, options: TypeOptions): UpstreamType {
  const factory = FACTORIES.get(name);
  if (factory === undefined) {
    throw new RangeError(`Cannot create an upstream type: "${name}" is none of ${upstreamTypeNames.join(", ")}`);
  }
  return factory(options);
}
