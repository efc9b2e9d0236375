import type { ListenerVerdict } from "./explain_routes.ts";

/** What the gateway would do with a request: plain data, without credentials, as `usher explain --json` prints it. */
export interface Explanation {
  readonly request: {
    readonly method: string;
    /** `null` where the request named no host. */
    readonly authority: string | null;
    readonly target: string;
  };
  /** What was assumed of how the request comes in; `null` where nothing was. */
  readonly note: string | null;
  readonly listeners: readonly ListenerVerdict[];
  /** What to try where no listener takes it; `null` where one does. */
  readonly nearest: string | null;
  /** Why it is answered with an error before it is routed; `null` where it is not. */
  readonly refused: RefusedView | null;
  /** What the listener that takes it does, one a listen address. */
  readonly served: readonly ServedView[];
}

/** An error that the gateway answers with. */
export interface RefusedView {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly hint: string | null;
}

/** What one listener does with the request. */
export interface ServedView {
  readonly listener: string;
  readonly address: string;
  readonly pool: string;
  readonly type: string;
  readonly class: string;
  /** Why the response belongs to one user or changes something; `null` where it may be shared. */
  readonly private: string | null;
  /** The gateway's own answer where no upstream is asked; `null` where one is. */
  readonly own_answer: { readonly status: number; readonly text: string } | null;
  /** `null` where the listener does not cache. */
  readonly cache: CacheView | null;
  readonly upstreams: readonly UpstreamView[];
  /** The listener's rules, in their order. */
  readonly rules: readonly RuleView[];
  /** Steps between an answer and what is sent, in their order. */
  readonly delivery: readonly string[];
  /** What bounds, repeats or shapes it, in words. */
  readonly settings: Readonly<Record<string, string>>;
}

/** One rule of the listener, and the request. */
export interface RuleView {
  /** Its place, from 1. */
  readonly rule: number;
  /** The condition that does not hold; `null` where it applies. */
  readonly unmet: string | null;
  /** What it does, where it applies. */
  readonly does: readonly string[];
}

/** How the cache takes part. */
export interface CacheView {
  readonly mode: "ttl" | "rfc9111";
  /** What clients' directives that have the origin asked come to. */
  readonly client_cache_control: "obey" | "limit" | "ignore";
  /** Why it has no part in this request; `null` where it has. */
  readonly bypass: string | null;
  /** Parts of the key; `null` where nothing is looked up. */
  readonly key: readonly string[] | null;
  /** Request fields of which a response may depend without a copy for each: the gateway decides them. */
  readonly vary_ignored: readonly string[];
  readonly tags: readonly string[];
  /** What would be stored, by what the upstream answers. */
  readonly answers: readonly AnswerView[];
}

/** What becomes of one kind of answer. */
export interface AnswerView {
  readonly status: number;
  readonly content_type: string;
  /** `Cache-Control` of the upstream; `null` for none. */
  readonly cache_control: string | null;
  readonly stored: boolean;
  /** Milliseconds; 0 where it is not stored. */
  readonly fresh_ms: number;
  readonly stale_while_revalidate_ms: number;
  readonly stale_if_error_ms: number;
  readonly memory: boolean;
  readonly disk: boolean;
  /** What decided: a rule by its place, its route class, the upstream, a guess (RFC 9111 §4.2.2). */
  readonly decided_by: string;
  /** `Cache-Status` and `Cache-Control` of the first client's response. */
  readonly sent_cache_status: string | null;
  readonly sent_cache_control: string | null;
}

/** One upstream of the pool, and the request as it would get it. */
export interface UpstreamView {
  readonly id: string;
  readonly weight: number;
  /** It is asked only when no other is fit. */
  readonly backup: boolean;
  /** The proxy on the way, without credentials; `null` for none. */
  readonly proxy: string | null;
  /** The address in place of a look-up. */
  readonly resolve: string | null;
  /** `null` where it is never asked. */
  readonly request: {
    readonly method: string;
    readonly target: string;
    readonly fields: ReadonlyArray<readonly [name: string, value: string]>;
  } | null;
}
