import { type Fields, fieldValue, type ResponseHead } from "../http/fields.ts";
import { canonicalQuery, withoutApiKey } from "./_canonical_query.ts";
import { mediaTypeOf, namesMediaType } from "../http/media_range.ts";
import { hasContent, isBlockPage } from "./_content.ts";
import { removedFromAll, tmdbDropFields, TmdbType } from "./_tmdb_type.ts";
import { IMAGE_TTL } from "./_tmdb_routes.ts";
import { tmdbListedSizes, tmdbSize } from "./_tmdb_sizes.ts";
import type { ListedSizes, SizedPictures } from "./type_traits.ts";
import type {
  DefaultCheck,
  FieldChange,
  Judgement,
  Outgoing,
  RequestClass,
  TypedRequest,
  TypeOptions,
} from "./upstream_type.ts";

/** Images, and multipart ranges of them. */
const CONTENT = { allow: ["image/*", "multipart/byteranges"], deny: [] };

/** Mirrors and edges have truncated pictures, which were then cached for months. */
const VERIFIED = ["image/*"];

/**
 * Keeps browsers from running scripts in what they open from here, an SVG or a page in the place of a picture. The fields are on
 * every response, whatever its `Content-Type`.
 */
const SAFE: Readonly<Fields> = [
  ["content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox"],
  ["x-content-type-options", "nosniff"],
];

/** `Accept` sent up for clients that name WebP, and for all others; the client's own is never sent. */
const ACCEPT = { webp: "image/webp,*/*;q=0.8", named: "*/*" } as const;

/** Suffix of the key's target for the WebP class. No target contains the separator, so purges match the target before it. */
const WEBP_KEY = "\0accept:webp";

function changesFor(accept: string): readonly FieldChange[] {
  return [...removedFromAll, ["accept", accept], ["accept-language", null], ["authorization", null]];
}

/** With another `Accept` the origin sends WebP under a name in `.jpg`, and media servers store it under that name. */
const CHANGES = { webp: changesFor(ACCEPT.webp), named: changesFor(ACCEPT.named) } as const;

const VARY: Readonly<Fields> = [["vary", "Accept"]];

const IMAGE_NAME = /\.[A-Za-z0-9]{2,5}$/;

const IMAGE: RequestClass = Object.freeze({ name: "image", private: null, sharedAuthorization: true, ttl: IMAGE_TTL });
const OTHER: RequestClass = Object.freeze({ name: "other", private: null, sharedAuthorization: true, ttl: null });
const UNSHARED: RequestClass = Object.freeze({ ...OTHER, private: "method", sharedAuthorization: false });

/** TMDB's image host: any size token, any extension. The extension chooses the format and is part of the identity. */
export class TmdbImage extends TmdbType {
  readonly name = "tmdb-image";
  override readonly acceptEncoding = "identity";
  override readonly negotiatesImages = true;
  override readonly simpleTags = true;
  override readonly responseFields: Readonly<Fields>;
  override readonly dropFields: ReadonlySet<string> = new Set([...tmdbDropFields, ...SAFE.map(([name]) => name)]);
  /** A poster that has existed for years. If it goes, the 404 still shows a healthy host. */
  override readonly check: DefaultCheck = {
    method: "HEAD",
    target: "/t/p/w92/pB8BM7pdSp6B6Ih7QZ4DrQ3PmJK.jpg",
    fields: [],
    status: [[200, 299], [404, 404], [429, 429]],
  };
  override readonly sizes: SizedPictures = (path) => tmdbSize(collapseSlashes(path));
  /** Whatever its spelling, a path that has one key is one picture. */
  override readonly listedSizes: ListedSizes = {
    larger: (path) => tmdbListedSizes.larger(canonicalPath(collapseSlashes(path))),
    bounded: (path, maxWidth) => tmdbListedSizes.bounded(canonicalPath(collapseSlashes(path)), maxWidth),
  };
  readonly #negotiates: boolean;

  constructor(options: TypeOptions) {
    super(options.contentTypes ?? CONTENT, VERIFIED);
    this.#negotiates = options.imageAccept === "negotiate";
    this.responseFields = [...SAFE, ...(this.#negotiates ? VARY : [])];
  }

  override classify(request: TypedRequest): RequestClass {
    if (request.method !== "GET" && request.method !== "HEAD") return UNSHARED;
    return IMAGE_NAME.test(request.path) ? IMAGE : OTHER;
  }

  override keyTarget(request: TypedRequest): string {
    const path = canonicalPath(collapseSlashes(request.path));
    const query = canonicalQuery(request.query);
    const target = query === "" ? path : `${path}?${query}`;
    return this.#classOf(request) === "webp" ? target + WEBP_KEY : target;
  }

  override tags(request: TypedRequest): readonly string[] {
    return imageTags(collapseSlashes(request.path));
  }

  override upstreamPath(path: string): string {
    return collapseSlashes(path);
  }

  override outgoing(request: TypedRequest): Outgoing {
    return { query: withoutApiKey(request.query), set: CHANGES[this.#classOf(request)], credential: null };
  }

  override judge({ status, fields }: ResponseHead): Judgement {
    // 428 is a limit too: the image host's edge answers bursts with it.
    if (status === 429 || status === 428) return "limited";
    const mediaType = mediaTypeOf(fieldValue(fields, "content-type"));
    const wrong = this.content.isWrong(status, mediaType) || isBlockPage(status, mediaType);
    if (wrong && hasContent(status, fieldValue(fields, "content-length"))) return "wrong_content";
    return status >= 500 ? "failed" : "ok";
  }

  #classOf(request: TypedRequest): keyof typeof CHANGES {
    return this.#negotiates && namesMediaType(request.header("accept"), "image/webp") ? "webp" : "named";
  }
}

/** Clients join a base that ends in a slash and a path that begins with one. */
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

const IMAGE_PATH = /([^/]{1,128})\/([A-Za-z0-9_-]{1,128})\.[A-Za-z0-9]{2,5}$/;

/** Tags of a request for an image: the picture in all sizes and formats (`img:<id>`), and the size (`size:w500`). */
function imageTags(path: string): readonly string[] {
  const found = IMAGE_PATH.exec(path);
  return found === null ? [] : [`img:${found[2]}`, `size:${found[1]}`];
}
