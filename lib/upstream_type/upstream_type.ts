import type { GatewayError } from "../errors.ts";
import type { Fields, ResponseHead } from "../http/fields.ts";
import type { CredentialCounts } from "../metrics/gateway_metrics.ts";
import type { PartedDocuments } from "./parted_documents.ts";
import type { SizedPictures } from "./sized_pictures.ts";

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

/** What a type says about a request before any store is asked. */
export interface RequestClass {
  /** Name of the route class (`details`, `search`, `image`, `any`), for the log, the metrics and `explain`. */
  readonly name: string;
  /**
   * Why the response belongs to one user or changes something, so that it is never stored, collapsed, hedged, retried
   * after it was sent, or prewarmed; `null` where it may be shared.
   */
  readonly private: string | null;
  /** An `Authorization` field on it names an application, not a user: it does not keep the response from being shared. */
  readonly sharedAuthorization: boolean;
  /** `null` leaves freshness to the origin. */
  readonly ttl: RouteTtl | null;
}

/** What a type changes in a request on its way to an upstream. */
export interface Outgoing {
  /** Raw query without `?`. */
  readonly query: string;
  /** Replaces lines of the same name; a value of `null` removes them. */
  readonly set: ReadonlyArray<readonly [name: string, value: string | null]>;
  /** Which credential was put in, for {@linkcode UpstreamType.judge}; never the credential itself. */
  readonly credential: number | null;
  /** Text of the credential that was put in, so that no client gets to see it in the answer; absent where none was. */
  readonly secret?: string;
}

/** In place of {@linkcode Outgoing}: every credential that would do is at its limit. */
export interface Held {
  /** Milliseconds until one may have room again, above 0; others may be waiting for it too. */
  readonly heldMs: number;
}

/** How a credential of a pool stands; it is named by its place, never by its text. */
export interface CredentialState {
  /** Place among those of the configuration that are not empty, from 1. */
  readonly place: number;
  readonly state: "ready" | "limited" | "refused";
  /** Milliseconds since the Unix epoch until which it is not used; 0 where it is. */
  readonly untilMs: number;
  /** Requests per second that it may be given now; `null` for no limit. */
  readonly ratePerSecond: number | null;
}

/** Where an answer comes from. */
export interface AnswerSource {
  /** Id of the upstream. */
  readonly id: string;
  /** Whether another upstream could be asked next. */
  mayAskOther(): boolean;
  /** Whether the client's `Accept` names a media type, and not by a wildcard alone. */
  asksFor(mediaType: string): boolean;
}

/** What a type makes of an upstream's answer. */
export type Judgement =
  /** Serve it. */
  | "ok"
  /** The credential was refused or is limited: try again with another; the host is well. */
  | "credential"
  /** The credential was refused, by its own fault or the host's: try another host with it, which will show. */
  | "disputed"
  /** The host refuses credentials that another one takes. */
  | "refusing"
  /** 429 from the host. */
  | "limited"
  /** 5xx. */
  | "failed"
  /** A type of content that the pool does not carry (a block page). */
  | "wrong_content"
  /** The same, but it is what the client's `Accept` names: the host has done as it was told. */
  | "unsuitable";

/** An error response in the shape that clients of the type understand. */
export interface ErrorBody {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** A health check of the type, where the configuration does not give its own. */
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
  readonly contentTypes:
    | {
      readonly allow: readonly string[];
      readonly deny: readonly string[];
      readonly verify?: readonly string[] | null;
    }
    | null;
  /**
   * Types that carry images: the format that the name says, or what the origin makes of a fixed `Accept` for each class of clients.
   * @default "named"
   */
  readonly imageAccept?: "named" | "negotiate";
  readonly now: () => number;
  /** Told when a key is limited, refused or taken again, for the log and the metrics. */
  readonly onKeyEvent?: (event: KeyEvent) => void;
  readonly credentials?: CredentialOptions;
}

/** How a type's credentials are used, and where what is known of them is kept; each part has a default. */
export interface CredentialOptions {
  /** What each may be given, or all of a pool together; no limit by default. */
  readonly limits?: { readonly per: "pool" | "key"; readonly maxPerSecond: number; readonly burst: number } | null;
  /** Cells of 32 bits for a credential's standing, all 0 at first, by a digest of it; shared by all workers, or this one's own. */
  readonly cellsOf?: (digest: string) => Int32Array;
  /** Counters by place, from 1; no one counts by default. */
  readonly countsOf?: (place: number) => CredentialCounts;
  /** Whether {@linkcode UpstreamType.outgoing} may say that a request is to wait; by default a limit is overstepped rather. */
  readonly holds?: boolean;
  /**
   * Upstreams of the pool: a limit, or a refusal, may be that of one of several.
   * @default 1
   */
  readonly upstreams?: number;
}

/** What happened to a key of a pool; it names the key by its place, never by its text. */
export interface KeyEvent {
  /** Place in the configuration, from 1. */
  readonly key: number;
  readonly event: "limited" | "refused" | "recovered";
  /** Milliseconds since the Unix epoch until which it is not used; 0 when recovered. */
  readonly untilMs: number;
}

/** Addresses in a type's documents of what upstreams of another type serve. */
export interface DocumentLinks {
  /** The other type's name. */
  readonly type: string;
  /** Path that the addresses lead to, as an upstream of that type sees it, without a slash at its end. */
  readonly path: string;
  /**
   * The strings of a response's JSON document that are such addresses, each by the names that lead to it from the document's root;
   * `null` where it has none. Asked for each request.
   */
  places(request: TypedRequest): readonly (readonly string[])[] | null;
}

/** All that is special about one type of upstream. The rest of the gateway knows types only through this. */
export interface UpstreamType {
  readonly name: string;
  /** Cache mode where the listener does not choose. */
  readonly cacheMode: "rfc9111" | "ttl";
  /** Forwarding fields where the pool does not choose. */
  readonly forwarded: "x-forwarded" | "off";
  /** Whether the client's authority is part of the cache key: it must be wherever an upstream is told of it. */
  readonly hostInKey: boolean;
  /**
   * What to ask an upstream for when the response may be stored: a fixed `Accept-Encoding`, or `null` to pass the client's.
   * Where it is not `null` and the response comes encoded, the gateway decodes it before it is stored.
   */
  readonly acceptEncoding: "gzip" | "identity" | null;
  /**
   * Whether responses are documents, read whole (up to a bound) before they are passed on, so that one that breaks off can be
   * fetched from another upstream; streams of unknown length must not wait, so a general type says no.
   */
  readonly wholeBodies: boolean;
  /**
   * Whether clients of the type take only strong entity tags of letters, digits, `_` and `-`: they get one in the place of another
   * that the origin gives, or of none.
   */
  readonly simpleTags: boolean;
  /** Which sizes its pictures have; absent where it carries none. */
  readonly sizes?: SizedPictures;
  /** Whether pages of every site may read responses, or the upstream says which; where the listener does not choose. */
  readonly cors: "*" | "pass";
  /** Fields that every response to a client gets, the gateway's own errors included. */
  readonly responseFields: Readonly<Fields>;
  /** Response fields that never leave the gateway, lower case (the origin's cookies on TMDB types). */
  readonly dropFields: ReadonlySet<string>;
  classify(request: TypedRequest): RequestClass;
  /** The part of the cache key that the request target gives: canonical, collision-free, without credentials. */
  keyTarget(request: TypedRequest): string;
  /** Purge tags of the response to a request, beside those that the origin gives it; a few short ones, made when it is stored. */
  tags(request: TypedRequest): readonly string[];
  /**
   * Purge tags of what a request has changed, where it was answered well, on every listener of the type; none for one that only asks. Left
   * out by types of which nothing is known but the target (RFC 9111 §4.4).
   */
  written?(request: TypedRequest): readonly string[];
  /** Not there where no document of the type is made of parts. */
  readonly documents?: PartedDocuments;
  /** Not there where the type's documents have no addresses of another type's. */
  readonly links?: DocumentLinks;
  /** The path as an upstream gets it (double slashes of image paths are collapsed here). */
  upstreamPath(path: string): string;
  /** Whether what goes out depends on the request's body. Left out by types that look into none. */
  readsBody?(request: TypedRequest): boolean;
  /** Puts credentials in and takes out what the upstream must not see. Called once per try; again after it said to wait. */
  outgoing(request: TypedRequest): Outgoing | Held;
  /**
   * Judges an answer and takes note of what it says about the credential. `from` is where it comes from; without it, no other
   * upstream has anything to say.
   */
  judge(head: ResponseHead, credential: number | null, from?: AnswerSource): Judgement;
  /** Whether clients are told in whole seconds how long to wait after a 429, whatever the upstream says of it, or does not. */
  readonly mendsRetryAfter?: boolean;
  /**
   * Whether clients of the type can read an answer that says that the upstream is over its limit; another one is replaced by the
   * gateway's own. Left out by types whose clients read the status alone.
   */
  isReadable?(head: ResponseHead): boolean;
  /**
   * Whether content of a media type (lower case, no parameters; empty for none) is held against that type: gzip that nobody told of is
   * decoded, and a 200 that is empty, blank or cut short is a failed try.
   */
  verifies(mediaType: string): boolean;
  /**
   * Whether a document that came with a good status says that the request has failed: it is passed on and not stored. Left out by
   * types whose status is to be relied on.
   */
  saysFailure?(document: Uint8Array): boolean;
  /** Names of the `Vary` list that select nothing here, because the gateway itself decides those fields. */
  readonly ignoreVary: ReadonlySet<string>;
  /** Why a credential was refused, as the body of the refusal says it, in a few words of the type's own; `null` for no word. */
  refusedBecause?(bodyText: string): string | null;
  error(error: GatewayError, requestId: string): ErrorBody;
  readonly check: DefaultCheck | null;
  /** How the pool's credentials stand; left out by types that have none. */
  readonly credentials?: () => readonly CredentialState[];
}
