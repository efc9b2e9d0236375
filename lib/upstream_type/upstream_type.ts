import type { GatewayError } from "../errors.ts";
import type { Fields, ResponseHead } from "../http/fields.ts";
import type { CredentialCounts } from "../metrics/gateway_metrics.ts";
import type { ContentTypes } from "./_content.ts";
import { type ErrorBody, problemDetails } from "./error_body.ts";
import type { ChangeSource, LanguageFilling, ListedSizes, PartedDocuments, SizedPictures } from "./type_traits.ts";

/** A client's request as a type sees it: the path after `strip_prefix`, the query without `?`, both raw. */
export interface TypedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  /** A field's value by its lower-case name; repeated lines are joined. */
  header(name: string): string | null;
  /** The body, where {@linkcode UpstreamType.readsBody} asked for it and it is small. */
  readonly bodyText?: string | null;
}

/** Default times of a route class; configured rules come before them. */
export interface RouteTtl {
  readonly ttlMs: number;
  readonly staleWhileRevalidateMs: number;
  readonly staleIfErrorMs: number;
}

/** Classification of a request, made before the store is asked. */
export interface RequestClass {
  /** Name of the route class (`details`, `search`, `image`, `any`), for the log, the metrics and `explain`. */
  readonly name: string;
  /**
   * Why the response belongs to one user or changes something, so that it is never stored, collapsed, hedged, retried after it was
   * sent, or prewarmed; `null` where it may be shared.
   */
  readonly private: string | null;
  /** An `Authorization` field on it names an application, not a user: it does not keep the response from being shared. */
  readonly sharedAuthorization: boolean;
  /** `null` leaves freshness to the origin. */
  readonly ttl: RouteTtl | null;
}

/** A change of a request's field: replaces lines of the same name; a value of `null` removes them. */
export type FieldChange = readonly [name: string, value: string | null];

/** Changes that a type makes in a request for an upstream. */
export interface Outgoing {
  /** Raw query without `?`. */
  readonly query: string;
  readonly set: readonly FieldChange[];
  /** Number of the credential that was added, for {@linkcode UpstreamType.judge}; never the credential itself. */
  readonly credential: number | null;
  /** Text of the credential that was added, so that it can be removed from the answer; absent where none was. */
  readonly secret?: string;
}

/** Returned in place of {@linkcode Outgoing} where every usable credential is at its limit. */
export interface KeyWait {
  /** Milliseconds until one may have room again, above 0; others may be waiting for it too. */
  readonly waitMs: number;
}

/** State of a credential of a pool, named by its place, never by its text. */
export interface CredentialState {
  /** Place in the configuration, from 1, empty ones left out. */
  readonly place: number;
  readonly state: "ready" | "limited" | "refused";
  /** Milliseconds since the Unix epoch until which it is not used; 0 where it is. */
  readonly untilMs: number;
  /** Requests per second that it may be given now; `null` for no limit. */
  readonly ratePerSecond: number | null;
}

/** The upstream of an answer, and the client's request. */
export interface AnswerSource {
  /** Id of the upstream. */
  readonly id: string;
  /** Whether another upstream could be asked next. */
  mayAskOther(): boolean;
  /** Whether the client's `Accept` names a media type, and not by a wildcard alone. */
  asksFor(mediaType: string): boolean;
}

/** Judgement of an upstream's answer. */
export type Judgement =
  /** Serve it. */
  | "ok"
  /** The credential was refused or is limited; the host is well: try again with another credential. */
  | "credential"
  /** The credential was refused; whether it or the host is the cause shows when another host is tried with it. */
  | "disputed"
  /** The host refuses credentials that another host accepts. */
  | "refusing"
  /** 429 from the host. */
  | "limited"
  /** 5xx. */
  | "failed"
  /** A type of content that the pool does not carry (a block page). */
  | "wrong_content"
  /** The same, but the client's `Accept` names it: the host did as asked. */
  | "unsuitable";

/** The type's health check, used where the configuration has none. */
export interface DefaultCheck {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly fields: Readonly<Fields>;
  readonly status: ReadonlyArray<readonly [from: number, to: number]>;
}

/** Options that a type is built with, from its pool's configuration. */
export interface TypeOptions {
  readonly apiKeys: readonly string[];
  readonly keyMode: "inject-missing" | "replace" | "pass";
  readonly contentTypes: ContentTypes | null;
  /**
   * For types with `negotiatesImages`: the format in the name, or the one that the origin negotiates for each class of clients.
   * @default "named"
   */
  readonly imageAccept?: "named" | "negotiate";
  readonly now: () => number;
  /** Called when a key is limited, refused or accepted again, for the log and the metrics. */
  readonly onKeyEvent?: (event: KeyEvent) => void;
  readonly credentials?: CredentialOptions;
}

/** Limits, shared state and counters of a type's credentials. */
export interface CredentialOptions {
  /** Rate of each credential, or of all of a pool together; no limit by default. */
  readonly limits?: { readonly per: "pool" | "key"; readonly maxPerSecond: number; readonly burst: number } | null;
  /** 32-bit cells of a credential's state by its digest, all 0 at first, shared by all workers; private by default. */
  readonly cellsOf?: (digest: string) => Int32Array;
  /** Counters by place, from 1; none by default. */
  readonly countsOf?: (place: number) => CredentialCounts;
  /** Whether {@linkcode UpstreamType.outgoing} may ask to wait; by default a limit is exceeded instead. */
  readonly holds?: boolean;
  /**
   * Number of upstreams in the pool: with several, a limit or a refusal may be that of one of them.
   * @default 1
   */
  readonly upstreams?: number;
}

/** A change of a key's state, named by its place, never by its text. */
export interface KeyEvent {
  /** Place in the configuration, from 1. */
  readonly key: number;
  readonly event: "limited" | "refused" | "recovered";
  /** Milliseconds since the Unix epoch until which it is not used; 0 when recovered. */
  readonly untilMs: number;
}

/** The form of the API keys that pools of a type may have. */
export interface KeyForm {
  /** Describes a key, for the end of a sentence. */
  readonly expected: string;
  isKey(text: string): boolean;
  /** Why a valid key should not be used; `null` where it may. */
  warning(key: string): string | null;
}

/** Addresses in a type's documents that lead to upstreams of another type. */
export interface DocumentLinks {
  /** The other type's name. */
  readonly type: string;
  /** Path that the addresses lead to, as an upstream of that type sees it, without a slash at its end. */
  readonly path: string;
  /**
   * Member names that lead to each such address from the root of a response's JSON document; `null` where it has none. Called for
   * each request.
   */
  places(request: TypedRequest): readonly (readonly string[])[] | null;
}

const SHARED: RequestClass = Object.freeze({ name: "any", private: null, sharedAuthorization: false, ttl: null });
const UNSHARED: RequestClass = Object.freeze({ ...SHARED, private: "method" });

/**
 * All that is special about one type of upstream; the rest of the gateway asks only this. Each default is that of an HTTP service
 * of which nothing is known, so a type states what differs.
 */
export abstract class UpstreamType {
  abstract readonly name: string;
  /** Cache mode where the listener does not choose. */
  readonly cacheMode: "rfc9111" | "ttl" = "rfc9111";
  /**
   * Longest freshness lifetime that the service's terms allow, in milliseconds, also for configured ones; `null` for no limit.
   */
  readonly maxTtlMs: number | null = null;
  /** What `Cookie` does to a request where the listener does not choose: a response may depend on it without saying so in `Vary`. */
  readonly cookies: "bypass" | "ignore" = "bypass";
  /** Forwarding fields where the pool does not choose. */
  readonly forwarded: "x-forwarded" | "off" = "x-forwarded";
  /** Whether the client's authority is part of the cache key: it must be wherever an upstream is told of it. */
  readonly hostInKey: boolean = true;
  /** Whether upstreams are told the trace of a request where the pool does not choose: a public service does not read it. */
  readonly readsTraces: boolean = false;
  /** Protocols that a connection may go on as where the pool does not choose; where there are none, a pool cannot choose any. */
  readonly upgrades: readonly string[] = [];
  /**
   * What to ask an upstream for when the response may be stored: a fixed `Accept-Encoding`, or `null` to pass the client's. Where
   * it is not `null` and the response comes encoded, the gateway decodes it before it is stored.
   */
  readonly acceptEncoding: "gzip" | "identity" | null = null;
  /**
   * Whether responses are documents, read whole (up to a bound) before they are passed on, so that one that breaks off can be
   * fetched from another upstream; streams of unknown length must not wait.
   */
  readonly wholeBodies: boolean = false;
  /** Whether content is inspected: for undeclared codings, and as {@linkcode verifies} says. */
  readonly inspectsContent: boolean = false;
  /**
   * Whether clients accept only strong entity tags of letters, digits, `_` and `-`: other tags are replaced, and missing ones
   * made.
   */
  readonly simpleTags: boolean = false;
  /** Whether pages of every site may read responses, or the upstream says which; where the listener does not choose. */
  readonly cors: "*" | "pass" = "pass";
  /** Fields that every response to a client gets, the gateway's own errors included. */
  readonly responseFields: Readonly<Fields> = [];
  /** Response fields that never leave the gateway, lower case. */
  readonly dropFields: ReadonlySet<string> = new Set();
  /** Names in `Vary` that select nothing, because the gateway itself sets those fields. */
  readonly ignoreVary: ReadonlySet<string> = new Set();
  /** Whether a 429 always gets `Retry-After` in whole seconds, in place of the upstream's own. */
  readonly mendsRetryAfter: boolean = false;
  /** Health check. Any answer but a server error passes: most services answer at their root, if only with a 404. */
  readonly check: DefaultCheck | null = { method: "HEAD", target: "/", fields: [], status: [[200, 499], [501, 501]] };
  /** Form of the keys in a pool's `api_keys`; `null` where a pool may name none. */
  readonly keyForm: KeyForm | null = null;
  /** Lists of what has changed at upstreams; `null` where there are none. */
  readonly changes: ChangeSource | null = null;
  /** How documents that are made of parts are cut; `null` where none is. */
  readonly documents: PartedDocuments | null = null;
  /** Addresses in documents that lead to upstreams of another type; `null` where there are none. */
  readonly links: DocumentLinks | null = null;
  /** How documents are filled from other languages; `null` where none is. */
  readonly languages: LanguageFilling | null = null;
  /** Which sizes pictures have; `null` where the type carries none. */
  readonly sizes: SizedPictures | null = null;
  /** The sizes that its service lists for pictures; `null` where there are no such lists. */
  readonly listedSizes: ListedSizes | null = null;
  /** Whether a pool may choose which format of a picture upstreams are asked for (its `image_accept`). */
  readonly negotiatesImages: boolean = false;

  classify(request: TypedRequest): RequestClass {
    return request.method === "GET" || request.method === "HEAD" ? SHARED : UNSHARED;
  }

  /** The part of the cache key that the request target gives: canonical, collision-free, without credentials. */
  keyTarget(request: TypedRequest): string {
    return request.query === "" ? request.path : `${request.path}?${request.query}`;
  }

  /** Purge tags of the response to a request, beside those that the origin gives it; a few short ones, made when it is stored. */
  tags(_request: TypedRequest): readonly string[] {
    return [];
  }

  /**
   * Purge tags of what a successful request has changed, on every listener of the type; empty for one that only reads. Types that
   * know only the target leave it out (RFC 9111 §4.4).
   */
  written?(request: TypedRequest): readonly string[];

  /** Why health checks must not ask for a target (path and query) again and again; `null` where they may. */
  refusedCheck(_target: string): string | null {
    return null;
  }

  /** The path as an upstream gets it. */
  upstreamPath(path: string): string {
    return path;
  }

  /** Whether what goes out depends on the request's body. */
  readsBody(_request: TypedRequest): boolean {
    return false;
  }

  /** Puts credentials in and takes out what the upstream must not see. Called once per try; again after it said to wait. */
  outgoing(request: TypedRequest): Outgoing | KeyWait {
    return { query: request.query, set: [], credential: null };
  }

  /** Judges an answer and records what it says about the credential. Without `from` no other upstream can be asked. */
  judge({ status }: ResponseHead, _credential: number | null, _from?: AnswerSource): Judgement {
    if (status === 429) return "limited";
    return status >= 500 ? "failed" : "ok";
  }

  /** Whether clients of the type can read a rate-limited answer; the gateway's own replaces others. */
  isReadable(_head: ResponseHead): boolean {
    return true;
  }

  /**
   * Whether content of a media type (lower case, no parameters; empty for none) is verified: undeclared gzip is decoded, and a 200
   * that is empty, blank or truncated is a failed try.
   */
  verifies(_mediaType: string): boolean {
    return false;
  }

  /** Whether a document with a success status reports a failure: it is passed on and not stored. */
  saysFailure(_document: Uint8Array): boolean {
    return false;
  }

  /** The reason for a refused credential, read from the body of the refusal; `null` where it has none. */
  refusedBecause(_bodyText: string): string | null {
    return null;
  }

  /** States of the pool's credentials. */
  credentials(): readonly CredentialState[] {
    return [];
  }

  /** An error of the gateway in the shape that clients understand; problem details (RFC 9457) by default. */
  error(error: GatewayError, requestId: string): ErrorBody {
    return problemDetails(error, requestId);
  }
}

/** Members that do not depend on a pool's options: the configuration is checked by them. */
export type TypeTraits = Pick<
  UpstreamType,
  | "name"
  | "upgrades"
  | "keyForm"
  | "changes"
  | "documents"
  | "languages"
  | "links"
  | "sizes"
  | "listedSizes"
  | "negotiatesImages"
  | "refusedCheck"
>;
