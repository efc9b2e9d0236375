import type { GatewayError } from "../errors.ts";
import { fieldValue } from "../http/fields.ts";
import { canonicalQuery, withoutApiKey } from "./_canonical_query.ts";
import { ContentRule, hasContent, isBlockPage, mediaTypeOf } from "./_content.ts";
import { tmdbError } from "./_errors.ts";
import { type FieldChange, removedFromAll, tmdbDropFields, tmdbResponseFields } from "./_tmdb_fields.ts";
import { imageTags } from "./_tmdb_tags.ts";
import { IMAGE_TTL } from "./_tmdb_routes.ts";
import type {
  DefaultCheck,
  ErrorBody,
  Judgement,
  Outgoing,
  RequestClass,
  ResponseHead,
  TypedRequest,
  TypeOptions,
  UpstreamType,
} from "./upstream_type.ts";

/** Images, and several ranges of one at once. */
const CONTENT = { allow: ["image/*", "multipart/byteranges"], deny: [] };

/** With another `Accept` the origin sends WebP for a name that says `.jpg`; media servers keep the bytes under that name. */
const CHANGES: readonly FieldChange[] = [
  ...removedFromAll,
  ["accept", "*/*"],
  ["accept-language", null],
  ["authorization", null],
];

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
  readonly responseFields = tmdbResponseFields;
  readonly dropFields = tmdbDropFields;
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
  readonly #content: ContentRule;

  constructor(options: TypeOptions) {
    this.#content = new ContentRule(options.contentTypes ?? CONTENT);
  }

  classify(request: TypedRequest): RequestClass {
    if (request.method !== "GET" && request.method !== "HEAD") return UNSHARED;
    return IMAGE_NAME.test(request.path) ? IMAGE : OTHER;
  }

  keyTarget(request: TypedRequest): string {
    const path = canonicalPath(collapseSlashes(request.path));
    const query = canonicalQuery(request.query);
    return query === "" ? path : `${path}?${query}`;
  }

  tags(request: TypedRequest): readonly string[] {
    return imageTags(collapseSlashes(request.path));
  }

  upstreamPath(path: string): string {
    return collapseSlashes(path);
  }

  outgoing(request: TypedRequest): Outgoing {
    return { query: withoutApiKey(request.query), set: CHANGES, credential: null };
  }

  judge({ status, fields }: ResponseHead): Judgement {
    // 428 is a limit too: the image host's edge was seen to answer bursts with it.
    if (status === 429 || status === 428) return "limited";
    const mediaType = mediaTypeOf(fieldValue(fields, "content-type"));
    const wrong = this.#content.isWrong(status, mediaType) || isBlockPage(status, mediaType);
    if (wrong && hasContent(status, fieldValue(fields, "content-length"))) return "wrong_content";
    return status >= 500 ? "failed" : "ok";
  }

  error(error: GatewayError, requestId: string): ErrorBody {
    return tmdbError(error, requestId);
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
