import { fieldValue, type ResponseHead } from "../http/fields.ts";
import { AppKeys } from "./_app_keys.ts";
import { isJsonType } from "../http/content_signature.ts";
import { mediaTypeOf } from "../http/media_range.ts";
import { hasContent, isBlockPage, isPage } from "./_content.ts";
import { classifyAuthorization, isUserQuery } from "./_credentials.ts";
import { isTmdbFailure, tmdbRefusal } from "./_tmdb_errors.ts";
import { tmdbChanges } from "./_tmdb_changes.ts";
import { removedFromAll, TmdbType } from "./_tmdb_type.ts";
import { tmdbLanguages } from "./_tmdb_fill.ts";
import { findTmdbRoute, type TmdbRoute, tmdbRoutes, unlistedRoute } from "./_tmdb_routes.ts";
import { apiTags, tmdbDocuments, tmdbTarget, writtenTags } from "./_tmdb_targets.ts";
import type {
  AnswerSource,
  CredentialState,
  DefaultCheck,
  DocumentLinks,
  FieldChange,
  Judgement,
  KeyWait,
  Outgoing,
  RequestClass,
  TypedRequest,
  TypeOptions,
} from "./upstream_type.ts";

/** Members of `/3/configuration` with the base URLs of images. */
const CONFIGURATION = [["images", "base_url"], ["images", "secure_base_url"]];

/** Image addresses in TMDB's documents; other documents have paths only. */
const tmdbLinks: DocumentLinks = {
  type: "tmdb-image",
  path: "/t/p",
  places: ({ path }) => path === "/3/configuration" || path === "/3/configuration/" ? CONFIGURATION : null,
};

/** JSON, and the script that TMDB wraps it in for `callback`. */
const CONTENT = {
  allow: ["application/json", "application/*+json", "text/json", "application/javascript", "text/javascript"],
  deny: [],
};

/** Reasons against health checks on private paths: a check would repeat the request for ever. */
const REFUSED_CHECKS: Readonly<Record<string, string>> = {
  "mutating-get": "this one changes something",
  "user-state": "this one is about a user",
  "user-query": "this one is about a user",
};

/** A response that is shared must not depend on fields that are not in its key; TMDB chooses the language by query. */
const SHARED_CHANGES: readonly FieldChange[] = [
  ...removedFromAll,
  ["accept", "application/json"],
  ["accept-language", null],
];

/**
 * TMDB's API, v3 and v4.
 *
 * Applications share responses for any key and in every key mode, `pass` included: TMDB's answers to applications are public, and a
 * cache for each key would be cold. So a client with a wrong key gets stored responses, and for all else TMDB's own 401, which is
 * never stored. Requests that name a user are never shared.
 */
export class TmdbApi extends TmdbType {
  readonly name = "tmdb-api";
  override readonly acceptEncoding = "gzip";
  override readonly changes = tmdbChanges;
  override readonly documents = tmdbDocuments;
  override readonly languages = tmdbLanguages;
  override readonly links = tmdbLinks;
  /** Asked as any request, through {@linkcode outgoing} and {@linkcode judge}: a refused or limited key is no fault of the host. */
  override readonly check: DefaultCheck = {
    method: "GET",
    target: "/3/configuration",
    fields: [],
    status: [[200, 299], [401, 401], [429, 429]],
  };
  readonly #keys: AppKeys;

  constructor(options: TypeOptions) {
    super(options.contentTypes ?? CONTENT, CONTENT.allow);
    this.#keys = new AppKeys(options);
  }

  override credentials(): readonly CredentialState[] {
    return this.#keys.states;
  }

  override classify(request: TypedRequest): RequestClass {
    const route = findTmdbRoute(request.path);
    const classes = CLASSES.get(route)!;
    if (route.private !== null) return classes.byRoute;
    if (request.method !== "GET" && request.method !== "HEAD") return classes.byMethod;
    const bearer = classifyAuthorization(request.header("authorization"));
    if (bearer === "user" || bearer === "other") return classes.byAuthorization;
    return isUserQuery(request.query) ? classes.byQuery : classes.shared;
  }

  override keyTarget(request: TypedRequest): string {
    return tmdbTarget(request);
  }

  override tags(request: TypedRequest): readonly string[] {
    return apiTags(request);
  }

  /** Lists that users write are shared; the path has their ids. */
  override written(request: TypedRequest): readonly string[] {
    return writtenTags(request);
  }

  override refusedCheck(target: string): string | null {
    const [path = "", query = ""] = target.split(/\?(.*)/s, 2);
    const reason = this.classify({ method: "GET", path, query, header: () => null }).private;
    return REFUSED_CHECKS[reason ?? ""] ?? null;
  }

  override readsBody(request: TypedRequest): boolean {
    return this.#keys.mayComeInBody(request);
  }

  override outgoing(request: TypedRequest): Outgoing | KeyWait {
    const shared = this.classify(request).private === null;
    const use = { shared, provesKey: shared && findTmdbRoute(request.path).provesKey };
    const keyed = this.#keys.put(request, use);
    return "waitMs" in keyed ? keyed : { ...keyed, set: [...shared ? SHARED_CHANGES : removedFromAll, ...keyed.set] };
  }

  override judge({ status, fields }: ResponseHead, credential: number | null, from?: AnswerSource): Judgement {
    const mediaType = mediaTypeOf(fieldValue(fields, "content-type"));
    if (status === 429) return this.#limited(fieldValue(fields, "retry-after"), credential);
    if (hasContent(status, fieldValue(fields, "content-length")) && this.#isWrong(status, mediaType)) {
      return "wrong_content";
    }
    if (status >= 500) return "failed";
    if (credential === null) return "ok";
    if (status === 401) return this.#refused(credential, { isTmdb: mediaType === "application/json", from });
    if (status !== 403) this.#keys.accepted(credential, from?.id ?? null);
    return "ok";
  }

  override saysFailure(document: Uint8Array): boolean {
    return isTmdbFailure(document);
  }

  override refusedBecause(bodyText: string): string | null {
    return tmdbRefusal(bodyText);
  }

  override isReadable({ fields }: ResponseHead): boolean {
    return isJsonType(mediaTypeOf(fieldValue(fields, "content-type")));
  }

  #isWrong(status: number, mediaType: string): boolean {
    if (this.content.isWrong(status, mediaType)) return true;
    // TMDB's own 404 is JSON; a page says that something else sits at this address.
    if (isBlockPage(status, mediaType)) return true;
    if (isPage(mediaType) && (status === 401 || status === 404 || status === 410)) return true;
    // Clients look for TMDB's code in what says that the upstream has failed.
    return status >= 500 && mediaType !== "" && !isJsonType(mediaType);
  }

  /** TMDB's own 401 is JSON; another comes from something in front of TMDB. */
  #refused(credential: number, { isTmdb, from }: { isTmdb: boolean; from: AnswerSource | undefined }): Judgement {
    const mayAskOther = from?.mayAskOther() ?? false;
    if (!isTmdb) return mayAskOther && this.#keys.isProof(credential) ? "refusing" : "ok";
    return this.#keys.refused(credential, from === undefined ? null : { upstream: from.id, mayAskOther });
  }

  #limited(retryAfter: string | null, credential: number | null): Judgement {
    return credential !== null && this.#keys.limited(credential, retryAfter) ? "credential" : "limited";
  }
}

/** The classes of one route, made once. */
interface RouteClasses {
  readonly shared: RequestClass;
  readonly byRoute: RequestClass;
  readonly byMethod: RequestClass;
  readonly byAuthorization: RequestClass;
  readonly byQuery: RequestClass;
}

const CLASSES: ReadonlyMap<TmdbRoute, RouteClasses> = new Map(
  [...tmdbRoutes, unlistedRoute].map((route) => [route, routeClasses(route)]),
);

function routeClasses(route: TmdbRoute): RouteClasses {
  const { name } = route;
  // Reasons are words: they stand in `Cache-Status` and in the log, and never hold anything of the request.
  const unshared = (reason: string): RequestClass =>
    Object.freeze({ name, private: reason, sharedAuthorization: false, ttl: null });
  return {
    shared: Object.freeze({ name, private: null, sharedAuthorization: true, ttl: route.ttl }),
    byRoute: unshared(route.private ?? ""),
    byMethod: unshared("method"),
    byAuthorization: unshared("user-authorization"),
    byQuery: unshared("user-query"),
  };
}
