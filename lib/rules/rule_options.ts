import type { FieldChange } from "../http/field_changes.ts";
import type { ErrorPage } from "../request/ruling.ts";

/** One rule of a listener. */
export interface RuleOptions {
  readonly when: RuleCondition;
  readonly request: RequestRule | null;
  readonly response: { readonly fields: readonly FieldChange[]; readonly errors: readonly ErrorPage[] } | null;
  readonly redirect: { readonly to: string; readonly status: number } | null;
  readonly respond: {
    readonly status: number;
    /** `null` where the gateway words an error itself. */
    readonly body: string | null;
    readonly contentType: string;
  } | null;
  readonly pool: string | null;
  readonly upstream: string | null;
}

/** What a request has to be like for a rule to apply; `null` and an empty list leave it open. */
export interface RuleCondition {
  /** Glob over the careful reading of the path. */
  readonly path: string | null;
  readonly methods: readonly string[];
  /** Names, decoded, and globs over values; `!` before one says that no value may match. */
  readonly query: ReadonlyArray<readonly [name: string, value: string]>;
  /** Names in lower case, and globs over values, whatever the case of letters; `!` as above. */
  readonly fields: ReadonlyArray<readonly [name: string, value: string]>;
  /** CIDR blocks of clients; one with `!` before it must not hold the client. */
  readonly clients: readonly string[];
  readonly scheme: "http" | "https" | null;
}

/** What a rule changes in a request. `$1` to `$9` in texts are what the wildcards of the path took, `$$` is a dollar sign. */
export interface RequestRule {
  readonly fields: readonly FieldChange[];
  readonly rewrite: {
    /** Expression over the careful reading of the path, whose groups `$1` to `$9` then are; `null` replaces all of the path. */
    readonly from: string | null;
    readonly to: string;
  } | null;
  readonly query: {
    /** Names, `*` at the end stands for what follows. */
    readonly remove: readonly string[];
    readonly set: ReadonlyArray<readonly [name: string, value: string]>;
  };
}
