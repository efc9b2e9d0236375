import type { PathPattern } from "../cache/policy/policy_options.ts";
import { type JsonValue, mergePatched, withStrings } from "../http/json_merge.ts";
import { type PublicOrigin, publicOrigin } from "../http/public_origin.ts";
import { hostOf } from "../http/target.ts";
import type { FillPlan, LanguageFilling } from "../upstream_type/type_traits.ts";
import type { DocumentLinks, TypedRequest } from "../upstream_type/upstream_type.ts";

/** A listener's changes in the JSON documents that it serves, compiled once; stored documents stay as upstreams sent them. */
export interface Rewriting {
  /** `null` where addresses stay as they are. */
  readonly links: LinkRewriting | null;
  /** In the order in which they are applied. */
  readonly overrides: readonly Override[];
  /** Before all else documents are filled from other languages; `null` where they are not. */
  readonly fill: LanguageFill | null;
}

/** Languages that documents are filled from. */
export interface LanguageFill {
  readonly filling: LanguageFilling;
  /** In this order; one at least. */
  readonly languages: readonly string[];
}

/** Addresses in documents that are to lead to a listener of this gateway. */
export interface LinkRewriting {
  readonly places: DocumentLinks["places"];
  readonly target: LinkTarget;
}

/** The target of such addresses. */
export interface LinkTarget {
  /** Beginning of the addresses: scheme, authority and perhaps more, without a final slash; `null` takes the client's. */
  readonly begin: string | null;
  /** The path behind it, with slashes at both ends. */
  readonly path: string;
  /** Port of the other listener; `null` where it is the one that the client came to. */
  readonly port: number | null;
  /** Host of the other listener, for a client that came to a host. */
  readonly hostFor: (host: string) => string;
  /** Whether a host that a proxy names is one of this listener's. */
  readonly isServed: (host: string) => boolean;
  /** The other listener is closed, and takes tokens before the path: the addresses contain the client's token. */
  readonly isKeyed: boolean;
}

/** A merge patch for some documents. */
export interface Override {
  readonly path: PathPattern;
  /** Parameters that the query must have, decoded. */
  readonly query: ReadonlyArray<readonly [name: string, value: string]>;
  readonly patch: JsonValue;
  /** Tells patches apart. */
  readonly digest: string;
}

/** A request, as far as the changes in its document depend on it. */
export interface RewrittenRequest extends TypedRequest {
  /** Why the response is for one user; `null` where it may be shared. */
  readonly private: string | null;
  readonly authority: string;
  readonly scheme: "http" | "https";
  /** Whether the peer is a trusted proxy; asked only where it matters. */
  readonly isTrusted: () => boolean;
  /** Token before the path, such as `/~TOKEN`; often empty. */
  readonly keyPrefix: string;
  /** Called where a peer that is no trusted proxy says `https`: addresses begin with `http` all the same. */
  readonly warnUntrustedScheme: () => void;
}

/** The changes in the document of one request. */
export interface Rewrite {
  /** The same for requests whose documents are changed in the same way; empty where {@linkcode apply} changes nothing. */
  readonly name: string;
  /** How the document is filled from other languages before it is changed; `null` where it is not. */
  readonly fill: FillPlan | null;
  /** The document is for one client alone: no part of it is to be kept. */
  readonly isOwn: boolean;
  /** The changed document; the very same bytes where nothing changes, or they are no JSON. */
  apply(json: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>;
}

/** The changes in the response to a request; `null` for none. */
export function rewriteOf(rewriting: Rewriting, request: RewrittenRequest): Rewrite | null {
  const places = rewriting.links?.places(request) ?? null;
  const overrides = rewriting.overrides.length === 0 ? NONE : matching(rewriting.overrides, request);
  // A user's own request is sent for that user alone: no others are made beside it.
  const fill = request.private === null && rewriting.fill !== null ? planOf(rewriting.fill, request) : null;
  if (places === null && overrides.length === 0 && fill === null) return null;
  const address = places === null ? "" : linkAddress(rewriting.links!.target, request);
  return {
    fill,
    isOwn: places !== null && keyFor(rewriting.links!.target, request) !== "",
    name: [address, ...overrides.map(({ digest }) => digest)].join(" "),
    apply(json) {
      const linked = places === null ? json : withStrings(json, places, address) ?? json;
      return overrides.reduce((document, { patch }) => mergePatched(document, patch) ?? document, linked);
    },
  };
}

function planOf({ filling, languages }: LanguageFill, request: TypedRequest): FillPlan | null {
  return filling.plan(request, languages);
}

const NONE: readonly Override[] = [];

function matching(overrides: readonly Override[], { path, query }: TypedRequest): readonly Override[] {
  let parameters: URLSearchParams | null = null;
  const has = ([name, value]: readonly [string, string]) =>
    (parameters ??= new URLSearchParams(query)).getAll(name).includes(value);
  return overrides.filter((override) => override.path.test(path) && override.query.every(has));
}

function linkAddress(target: LinkTarget, request: RewrittenRequest): string {
  return (target.begin ?? linkOrigin(target, request)) + keyFor(target, request) + target.path;
}

function keyFor({ isKeyed }: LinkTarget, { keyPrefix }: RewrittenRequest): string {
  return isKeyed ? keyPrefix : "";
}

function linkOrigin(target: LinkTarget, request: RewrittenRequest): string {
  const { scheme, authority } = clientOrigin(target, request);
  const port = target.port ?? portOf(authority);
  const isUsual = port === null || port === (scheme === "http" ? 80 : 443);
  return `${scheme}://${target.hostFor(hostOf(authority))}${isUsual ? "" : `:${port}`}`;
}

/** The origin that the client used. A host that a proxy names counts only where the listener serves it. */
function clientOrigin(
  { isServed }: LinkTarget,
  request: RewrittenRequest,
): PublicOrigin {
  const { authority, scheme } = request;
  const trusted = request.isTrusted();
  if (!trusted && scheme === "http" && request.header("x-forwarded-proto") === "https") request.warnUntrustedScheme();
  const origin = publicOrigin({
    authority,
    scheme,
    trusted,
    header: (name) => request.header(name),
  });
  return isServed(hostOf(origin.authority)) ? origin : { scheme: origin.scheme, authority };
}

function portOf(authority: string): number | null {
  const port = /:(\d{1,5})$/.exec(authority)?.[1];
  return port === undefined ? null : Number(port);
}
