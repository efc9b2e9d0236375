import type { FieldChange } from "../http/field_changes.ts";

/** A request, as rules see it: as the client sent it, without its tokens. */
export interface RuledRequest {
  readonly method: string;
  /** Scheme that the client used, as a trusted proxy states it. */
  readonly publicScheme: "http" | "https";
  /** The client's authority: that of the target, else of `Host` (RFC 9112 §3.2.2). */
  readonly authority: string;
  /** Without the listener's prefix where that is stripped; raw. */
  readonly path: string;
  readonly query: string;
  /** Address of the client. */
  readonly client: string;
  header(name: string): string | null;
}

/** The rules of a listener, compiled. */
export interface Rules {
  /**
   * The ruling on a request; `null` where no rule applies.
   *
   * @throws {GatewayError} `bad_request` where a rule makes a dot segment of the path
   */
  judge(request: RuledRequest): Ruling | null;
  /** Names of fields on which rules for the request's method and path have conditions. */
  variesBy(request: RuledRequest): readonly string[];
  /** The first condition of each rule that does not hold for a request, in words; `null` for a rule that applies. */
  unmet(request: RuledRequest): readonly (string | null)[];
}

/** The result of a listener's rules for one request. */
export interface Ruling {
  /** Places of the rules that apply, from 0. */
  readonly applied: readonly number[];
  /** The answer of a rule, in place of the store's or an upstream's; `null` for none. */
  readonly reply: RuledReply | null;
  /** The reply comes before token and quota are checked: its rule has a condition on the client's address. */
  readonly isFirst: boolean;
  /** `null` where the request is not changed. */
  readonly request: RequestChange | null;
  /** The same object for all requests that the same rules apply to; `null` where responses are not changed. */
  readonly response: ResponseChange | null;
}

/** An answer that a rule gives. */
export interface RuledReply {
  /** Place of the rule, from 0. */
  readonly rule: number;
  readonly status: number;
  /** Target of a redirect; a path is without the listener's stripped prefix. `null` for no redirect. */
  readonly location: string | null;
  /** `null` for the gateway's own error body. */
  readonly body: string | null;
  readonly contentType: string;
}

/** The changes that rules make in a request. */
export interface RequestChange {
  /** Raw; `null` where it stays. */
  readonly path: string | null;
  /** Raw; `null` where it stays. */
  readonly query: string | null;
  readonly fields: readonly FieldChange[];
  /** Name of the pool that is asked in place of the listener's own; `null` for that. */
  readonly pool: string | null;
  /** Id of the only upstream that is asked; `null` leaves the choice to the pool. */
  readonly upstream: string | null;
  /** Part of the cache key that tells changed requests for the same target apart; empty where they do not differ. */
  readonly key: string;
}

/** The changes that rules make in responses when they are sent; stored responses stay as they were. */
export interface ResponseChange {
  readonly fields: readonly FieldChange[];
  /** Bodies for errors; the first whose range includes the status is used. */
  readonly errors: readonly ErrorPage[];
}

/** A body for errors. */
export interface ErrorPage {
  readonly status: readonly [from: number, to: number];
  readonly body: string;
  readonly contentType: string;
}
