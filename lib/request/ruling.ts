import type { FieldChange } from "../http/field_changes.ts";

/** A request as rules see it: as the client sent it, without its tokens. */
export interface RuledRequest {
  readonly method: string;
  /** By which the client came, as far as a trusted proxy says it. */
  readonly publicScheme: "http" | "https";
  /** What the client calls the gateway: a target that names a host counts more than the field (RFC 9112 §3.2.2). */
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
   * What they say of a request; `null` where none applies.
   *
   * @throws {GatewayError} `bad_request` where what a rule makes of the path is none that goes to an upstream
   */
  judge(request: RuledRequest): Ruling | null;
  /** Names of fields by which rules for the request's method and path tell clients apart. */
  variesBy(request: RuledRequest): readonly string[];
  /** The first condition of each rule that does not hold for a request, in words; `null` for a rule that applies. */
  unmet(request: RuledRequest): readonly (string | null)[];
}

/** What a listener's rules say of one request. */
export interface Ruling {
  /** Places of the rules that apply, from 0. */
  readonly applied: readonly number[];
  /** In place of what store and upstreams answer; `null` where they are asked. */
  readonly reply: RuledReply | null;
  /** That reply comes before tokens and quotas are asked for: its rule names clients by address. */
  readonly isFirst: boolean;
  /** `null` where the request stays as it is. */
  readonly request: RequestChange | null;
  /** The same object for all requests that the same rules apply to; `null` where responses stay as they are. */
  readonly response: ResponseChange | null;
}

/** An answer that a rule gives. */
export interface RuledReply {
  /** Place of the rule, from 0. */
  readonly rule: number;
  readonly status: number;
  /** Where the client is sent; a path is one of the listener's, without a prefix that is stripped. `null` for no redirect. */
  readonly location: string | null;
  /** `null` where the gateway words an error itself. */
  readonly body: string | null;
  readonly contentType: string;
}

/** What rules change in a request. */
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
  /** Tells apart in cache keys what upstreams are asked differently for the same target; empty where nothing is. */
  readonly key: string;
}

/** What rules change in responses on their way to the client; what is stored stays as it was. */
export interface ResponseChange {
  readonly fields: readonly FieldChange[];
  /** Bodies in place of errors', the first that takes in a status. */
  readonly errors: readonly ErrorPage[];
}

/** A body in place of those of errors. */
export interface ErrorPage {
  readonly status: readonly [from: number, to: number];
  readonly body: string;
  readonly contentType: string;
}
