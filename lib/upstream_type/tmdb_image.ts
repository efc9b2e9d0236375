import type { GatewayError } from "../errors.ts";
import { namesMediaType } from "../http/accept.ts";
import { type Fields, fieldValue } from "../http/fields.ts";
import { canonicalQuery, withoutApiKey } from "./_canonical_query.ts";
import { mediaTypeOf } from "../http/media_range.ts";
import { ContentRule, hasContent, isBlockPage } from "./_content.ts";
import { tmdbError } from "./_tmdb_errors.ts";
import { type FieldChange, removedFromAll, tmdbDropFields } from "./_tmdb_fields.ts";
import { IMAGE_TTL, MAX_KEPT_MS } from "./_tmdb_routes.ts";
import type { ErrorBody } from "./error_body.ts";
import type { SizedPicture, SizedPictures } from "./type_traits.ts";
import {
  type DefaultCheck,
  type Judgement,
  type Outgoing,
  type RequestClass,
  type ResponseHead,
  type TypedRequest,
  type TypeOptions,
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
export class TmdbImage extends UpstreamType {
  readonly name = "tmdb-image";
  override readonly cacheMode = "ttl";
  override readonly maxTtlMs = MAX_KEPT_MS;
  override readonly cookies = "ignore";
  override readonly forwarded = "off";
  override readonly hostInKey = false;
  override readonly acceptEncoding = "identity";
  override readonly wholeBodies = true;
  override readonly inspectsContent = true;
  override readonly negotiatesImages = true;
  override readonly mendsRetryAfter = true;
  override readonly simpleTags = true;
  override readonly cors = "*";
  override readonly responseFields: Readonly<Fields>;
  override readonly dropFields: ReadonlySet<string> = new Set([...tmdbDropFields, ...SAFE.map(([name]) => name)]);
  override readonly ignoreVary: ReadonlySet<string> = new Set([
    ...["accept", "accept-encoding", "accept-language", "authorization", "cookie", "origin"],
  ]);
  /** A poster that has been there for years. Should it go, the 404 still shows that the host is well. */
  override readonly check: DefaultCheck = {
    method: "HEAD",
    target: "/t/p/w92/pB8BM7pdSp6B6Ih7QZ4DrQ3PmJK.jpg",
    fields: [],
    status: [[200, 299], [404, 404], [429, 429]],
  };
  override readonly sizes: SizedPictures = (path) => tmdbSize(collapseSlashes(path));
  readonly #content: ContentRule;
  readonly #negotiates: boolean;

  constructor(options: TypeOptions) {
    super();
    this.#negotiates = options.imageAccept === "negotiate";
    this.responseFields = [...SAFE, ...(this.#negotiates ? VARY : [])];
    this.#content = new ContentRule(options.contentTypes ?? CONTENT, VERIFIED);
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
    // 428 is a limit too: the image host's edge was seen to answer bursts with it.
    if (status === 429 || status === 428) return "limited";
    const mediaType = mediaTypeOf(fieldValue(fields, "content-type"));
    const wrong = this.#content.isWrong(status, mediaType) || isBlockPage(status, mediaType);
    if (wrong && hasContent(status, fieldValue(fields, "content-length"))) return "wrong_content";
    return status >= 500 ? "failed" : "ok";
  }

  override verifies(mediaType: string): boolean {
    return this.#content.verifies(mediaType);
  }

  override error(error: GatewayError, requestId: string): ErrorBody {
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

const IMAGE_PATH = /([^/]{1,128})\/([A-Za-z0-9_-]{1,128})\.[A-Za-z0-9]{2,5}$/;

/** Tags of a request for an image: the picture in all sizes and formats (`img:<id>`), and the size (`size:w500`). */
function imageTags(path: string): readonly string[] {
  const found = IMAGE_PATH.exec(path);
  return found === null ? [] : [`img:${found[2]}`, `size:${found[1]}`];
}

/** A width or a height alone; `w600_and_h900_bestv2` and filters are cut and coloured in ways that are TMDB's own. */
const PLAIN = /^(.*\/)(w|h)([1-9]\d{0,3})(\/[^/]+\.(?:jpe?g|png|webp))$/;

/** Widths that clients ask for, of all kinds of pictures together. */
const WIDTHS = [92, 154, 185, 300, 342, 500, 780, 1280];

/**
 * The size that an image path names, and the larger ones of the same file that it can be made of.
 *
 * @param path without duplicate slashes
 */
function tmdbSize(path: string): SizedPicture | null {
  const [, base, side, digits, name] = PLAIN.exec(path) ?? [];
  if (base === undefined) return null;
  const pixels = Number(digits);
  if (side === "h") return { fit: { height: pixels }, larger: [`${base}original${name}`] };
  const sizes = [...WIDTHS.filter((width) => width > pixels).map((width) => `w${width}`), "original"];
  return { fit: { width: pixels }, larger: sizes.map((size) => base + size + name) };
}
