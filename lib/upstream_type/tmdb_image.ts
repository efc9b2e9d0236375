import type { GatewayError } from "../errors.ts";
import { namesMediaType } from "../http/media_range.ts";
import { type Fields, fieldValue, type ResponseHead } from "../http/fields.ts";
import { canonicalQuery, withoutApiKey } from "./_canonical_query.ts";
import { ContentRule, hasContent, isBlockPage, mediaTypeOf } from "./_content.ts";
import { tmdbError } from "./_errors.ts";
import { type FieldChange, removedFromAll, tmdbDropFields } from "./_tmdb_fields.ts";
import { imageTags, tmdbSize } from "./_tmdb_image_paths.ts";
import { IMAGE_TTL } from "./_tmdb_routes.ts";
import type { SizedPictures } from "./sized_pictures.ts";
import type {
  DefaultCheck,
  ErrorBody,
  Judgement,
  Outgoing,
  RequestClass,
  TypedRequest,
  TypeOptions,
  UpstreamType,
} from "./upstream_type.ts";

/** Images, and several ranges of one at once. */
const CONTENT = { allow: ["image/*", "multipart/byteranges"], deny: [] };

/** A mirror's disk or an edge on the way has cut pictures short, and they were kept for months. */
const VERIFIED = ["image/*"];

/**
 * Nothing that comes from here runs in a browser that opens it, an SVG with scripts no more than a page in the place of a picture:
 * they stand on every response, so that they hold whatever the origin calls its content.
 */
const SAFE: Readonly<Fields> = [
  ["content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox"],
  ["x-content-type-options", "nosniff"],
];

/** What upstreams are asked for by clients that name WebP, and by all others: the client's own `Accept` never goes up. */
const ACCEPT = { webp: "image/webp,*/*;q=0.8", named: "*/*" } as const;

/** Behind the target in the key of the WebP class; no target can hold the separator, so that purges find the target before it. */
const WEBP_KEY = "\0accept:webp";

function changesFor(accept: string): readonly FieldChange[] {
  return [...removedFromAll, ["accept", accept], ["accept-language", null], ["authorization", null]];
}

/** With another `Accept` the origin sends WebP for a name that says `.jpg`; media servers keep the bytes under that name. */
const CHANGES = { webp: changesFor(ACCEPT.webp), named: changesFor(ACCEPT.named) } as const;

const VARY: Readonly<Fields> = [["vary", "Accept"]];

const IMAGE_NAME = /\.[A-Za-z0-9]{2,5}$/;

const IMAGE: RequestClass = Object.freeze({ name: "image", private: null, sharedAuthorization: true, ttl: IMAGE_TTL });
const OTHER: RequestClass = Object.freeze({ name: "other", private: null, sharedAuthorization: true, ttl: null });
const UNSHARED: RequestClass = Object.freeze({
  name: "other",
  private: "method",
  sharedAuthorization: false,
  ttl: null,
});

/** TMDB's image host: any size token, any extension. The extension chooses the format and is part of the identity. */
export class TmdbImage implements UpstreamType {
  readonly name = "tmdb-image";
  readonly cacheMode = "ttl";
  readonly forwarded = "off";
  readonly hostInKey = false;
  readonly acceptEncoding = "identity";
  readonly wholeBodies = true;
  readonly mendsRetryAfter = true;
  readonly simpleTags = true;
  readonly cors = "*";
  readonly responseFields: Readonly<Fields>;
  readonly dropFields: ReadonlySet<string> = new Set([...tmdbDropFields, ...SAFE.map(([name]) => name)]);
  readonly ignoreVary: ReadonlySet<string> = new Set([
    ...["accept", "accept-encoding", "accept-language", "authorization", "cookie", "origin"],
  ]);
  /** A poster that has been there for years. Should it go, the 404 still shows that the host is well. */
  readonly check: DefaultCheck = {
    method: "HEAD",
    target: "/t/p/w92/pB8BM7pdSp6B6Ih7QZ4DrQ3PmJK.jpg",
    fields: [],
    status: [[200, 299], [404, 404], [429, 429]],
  };
  readonly sizes: SizedPictures = (path) => tmdbSize(collapseSlashes(path));
  readonly #content: ContentRule;
  readonly #negotiates: boolean;

  constructor(options: TypeOptions) {
    this.#negotiates = options.imageAccept === "negotiate";
    this.responseFields = [...SAFE, ...(this.#negotiates ? VARY : [])];
    this.#content = new ContentRule(options.contentTypes ?? CONTENT, VERIFIED);
  }

  classify(request: TypedRequest): RequestClass {
    if (request.method !== "GET" && request.method !== "HEAD") return UNSHARED;
    return IMAGE_NAME.test(request.path) ? IMAGE : OTHER;
  }

  keyTarget(request: TypedRequest): string {
    const path = canonicalPath(collapseSlashes(request.path));
    const query = canonicalQuery(request.query);
    const target = query === "" ? path : `${path}?${query}`;
    return this.#classOf(request) === "webp" ? target + WEBP_KEY : target;
  }

  tags(request: TypedRequest): readonly string[] {
    return imageTags(collapseSlashes(request.path));
  }

  upstreamPath(path: string): string {
    return collapseSlashes(path);
  }

  outgoing(request: TypedRequest): Outgoing {
    return { query: withoutApiKey(request.query), set: CHANGES[this.#classOf(request)], credential: null };
  }

  judge({ status, fields }: ResponseHead): Judgement {
    // 428 is a limit too: the image host's edge was seen to answer bursts with it.
    if (status === 429 || status === 428) return "limited";
    const mediaType = mediaTypeOf(fieldValue(fields, "content-type"));
    const wrong = this.#content.isWrong(status, mediaType) || isBlockPage(status, mediaType);
    if (wrong && hasContent(status, fieldValue(fields, "content-length"))) return "wrong_content";
    return status >= 500 ? "failed" : "ok";
  }

  verifies(mediaType: string): boolean {
    return this.#content.verifies(mediaType);
  }

  error(error: GatewayError, requestId: string): ErrorBody {
    return tmdbError(error, requestId);
  }

  #classOf(request: TypedRequest): keyof typeof CHANGES {
    return this.#negotiates && namesMediaType(request.header("accept"), "image/webp") ? "webp" : "named";
  }
}

/** Clients build addresses of a base that ends in a slash and a path that begins with one. */
function collapseSlashes(path: string): string {
  return path.includes("//") ? path.replaceAll(/\/{2,}/g, "/") : path;
}

/** One spelling for escapes of plain characters; a `%` that begins none becomes `%%`, which no escape does. */
function canonicalPath(path: string): string {
  if (!path.includes("%")) return path;
  return path.replaceAll(/%(?:([0-9A-Fa-f]{2}))?/g, (_, hex: string | undefined) => {
    if (hex === undefined) return "%%";
    const character = String.fromCharCode(parseInt(hex, 16));
    return /[A-Za-z0-9_.~,()-]/.test(character) ? character : `%${hex.toUpperCase()}`;
  });
}
