/** A listener's rules, and what it does with redirects. */
export interface RulesConfig {
  /** All that apply do, in this order. */
  readonly rules: readonly RuleConfig[];
  /** With `strip_prefix`, what responses say of places at upstreams is led back to the listener, or stays. */
  readonly redirects: "map" | "keep";
}

/** One entry of `rules:`; `null` and empty lists leave a thing as it is. */
export interface RuleConfig {
  readonly when: RuleWhenConfig;
  readonly request: {
    readonly fields: readonly FieldChangeConfig[];
    /** `from` is an expression over the path; `null` replaces all of it. */
    readonly rewrite: { readonly from: string | null; readonly to: string } | null;
    readonly query: {
      readonly remove: readonly string[];
      readonly set: ReadonlyArray<readonly [name: string, value: string]>;
    };
  } | null;
  readonly response: {
    readonly fields: readonly FieldChangeConfig[];
    readonly errors: readonly {
      readonly status: readonly [from: number, to: number];
      readonly body: string;
      readonly contentType: string;
    }[];
  } | null;
  readonly redirect: { readonly to: string; readonly status: number } | null;
  /** A `body` of `null` lets the gateway word an error. */
  readonly respond: { readonly status: number; readonly body: string | null; readonly contentType: string } | null;
  /** Name of a pool of the same type. */
  readonly pool: string | null;
  /** Id of an upstream of that pool, or of the listener's own. */
  readonly upstream: string | null;
}

/** `when:` of a rule; what is left open is `null` or empty. */
export interface RuleWhenConfig {
  readonly path: string | null;
  readonly methods: readonly string[];
  readonly query: ReadonlyArray<readonly [name: string, value: string]>;
  /** Names in lower case, key `header`. */
  readonly fields: ReadonlyArray<readonly [name: string, value: string]>;
  /** CIDR blocks, `!` before those that must not hold the client. */
  readonly clients: readonly string[];
  readonly scheme: "http" | "https" | null;
}

/** A change of a field; names are in lower case, `*` at the end of one that is removed stands for what follows. */
export type FieldChangeConfig =
  | { readonly kind: "remove"; readonly name: string }
  | { readonly kind: "set" | "add"; readonly name: string; readonly value: string };
