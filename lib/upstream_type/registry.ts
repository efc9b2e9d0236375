import { Custom } from "./custom.ts";
import { TmdbApi } from "./tmdb_api.ts";
import { TmdbImage } from "./tmdb_image.ts";
import type { TypeOptions, TypeTraits, UpstreamType } from "./upstream_type.ts";

/** The class of a type; each pool has an instance. */
export type TypeClass = new (options: TypeOptions) => UpstreamType;

/** The types that a pool may be of, by name. */
export class UpstreamTypes {
  readonly #types = new Map<string, { readonly make: TypeClass; readonly traits: TypeTraits }>();

  constructor(...classes: TypeClass[]) {
    for (const make of classes) this.add(make);
  }

  /** Adds a type. The configuration knows those that were added before its modules were loaded. */
  add(make: TypeClass): void {
    const traits = new make({ apiKeys: [], keyMode: "pass", contentTypes: null, now: () => 0 });
    this.#types.set(traits.name, { make, traits });
  }

  /** Names that a pool's `type` may have. */
  get names(): readonly string[] {
    return [...this.#types.keys()];
  }

  /** The traits of a type; `null` where there is none of that name. */
  traits(name: string | undefined): TypeTraits | null {
    return name === undefined ? null : this.#types.get(name)?.traits ?? null;
  }

  /** Names of the types with a trait, for a sentence: `a or b`. */
  namesWith(isTrue: (traits: TypeTraits) => boolean): string {
    return [...this.#types.values()].flatMap(({ traits }) => isTrue(traits) ? [traits.name] : []).join(" or ");
  }

  /**
   * Makes a type for one pool.
   *
   * @throws {RangeError} when there is none of that name
   * @throws {TypeError} when `contentTypes` holds a text that is no media range
   */
  create(name: string, options: TypeOptions): UpstreamType {
    const type = this.#types.get(name);
    if (type === undefined) {
      throw new RangeError(`Cannot create an upstream type: "${name}" is none of ${this.names.join(", ")}`);
    }
    return new type.make(options);
  }
}

/** The types of the product. A new one is a file and a line here. */
export const upstreamTypes: UpstreamTypes = new UpstreamTypes(
  TmdbApi,
  TmdbImage,
  Custom,
);
