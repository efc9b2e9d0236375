import { type Fields, fieldValue, type ResponseHead } from "../http/fields.ts";
import { AppKeys } from "./_app_keys.ts";
import { ContentRule, hasContent, isBlockPage, isJsonType, isPage, mediaTypeOf } from "./_content.ts";
import { isTmdbFailure, tmdbError, tmdbRefusal } from "./_errors.ts";
import { classifyTmdb, provesKey } from "./_tmdb_classes.ts";
import { tmdbLinks } from "./_tmdb_links.ts";
import { apiTags, tmdbDocuments, tmdbTarget, writtenTags } from "./_tmdb_targets.ts";
import { type FieldChange, removedFromAll, tmdbDropFields } from "./_tmdb_fields.ts";
import type {
  AnswerSource,
  DefaultCheck,
  Held,
  Judgement,
  Outgoing,
  RequestClass,
  TypedRequest,
  TypeOptions,
  UpstreamType,
} from "./upstream_type.ts";

/** JSON, and the script that TMDB wraps it in for `callback`. */
const CONTENT = {
  allow: ["application/json", "application/*+json", "text/json", "application/javascript", "text/javascript"],
  deny: [],
};

/** What selects nothing here: the gateway fixes or removes these request fields where a response is shared. */
const IGNORED_VARY = ["accept", "accept-encoding", "accept-language", "authorization", "cookie", "origin"];

/** A response that is shared must not depend on fields that are not in its key; TMDB chooses the language by query. */
const SHARED_CHANGES: readonly FieldChange[] = [
  ...removedFromAll,
  ["accept", "application/json"],
  ["accept-language", null],
];

/**
 * TMDB's API, v3 and v4.
 *
 * Requests of applications share responses, whatever their keys, in every key mode, `pass` included: what TMDB answers an
 * application is public, and a cache a key would be cold for each. So a client with a wrong key gets what is stored, and TMDB's own
 * 401 for all else, which is never stored. Requests that name a user are never shared.
 */
export class TmdbApi implements UpstreamType {
  readonly name = "tmdb-api";
  readonly cacheMode = "ttl";
  readonly forwarded = "off";
  readonly hostInKey = false;
  readonly acceptEncoding = "gzip";
  readonly wholeBodies = true;
  readonly mendsRetryAfter = true;
  readonly links = tmdbLinks;
  readonly simpleTags = false;
  readonly documents = tmdbDocuments;
  readonly cors = "*";
  readonly responseFields: Readonly<Fields> = [];
  readonly dropFields = tmdbDropFields;
  readonly ignoreVary: ReadonlySet<string> = new Set(IGNORED_VARY);
  /** Asked as any request, through {@linkcode outgoing} and {@linkcode judge}: a refused or limited key is no fault of the host. */
  readonly check: DefaultCheck = {
    method: "GET",
    target: "/3/configuration",
    fields: [],
    status: [[200, 299], [401, 401], [429, 429]],
  };
  readonly error: UpstreamType["error"] = tmdbError;
  readonly #keys: AppKeys;
  readonly #content: ContentRule;

  constructor(options: TypeOptions) {
    this.#keys = new AppKeys(options);
    this.#content = new ContentRule(options.contentTypes ?? CONTENT, CONTENT.allow);
  }

  /** How the keys stand, by their place in the configuration. */
  credentials(): AppKeys["states"] {
    return this.#keys.states;
  }

  classify(request: TypedRequest): RequestClass {
    return classifyTmdb(request);
  }

  keyTarget(request: TypedRequest): string {
    return tmdbTarget(request);
  }

  tags(request: TypedRequest): readonly string[] {
    return apiTags(request);
  }

  /** Lists that users write are shared, and titles that they rate: both are known by the ids in the path. */
  written(request: TypedRequest): readonly string[] {
    return writtenTags(request);
  }

  upstreamPath(path: string): string {
    return path;
  }

  readsBody(request: TypedRequest): boolean {
    return this.#keys.mayComeInBody(request);
  }

  outgoing(request: TypedRequest): Outgoing | Held {
    const shared = classifyTmdb(request).private === null;
    const use = { shared, provesKey: shared && provesKey(request.path) };
    const keyed = this.#keys.put(request, use);
    if ("heldMs" in keyed) return keyed;
    const { query, change, credential, secret } = keyed;
    const changes = shared ? SHARED_CHANGES : removedFromAll;
    return { query, set: change === null ? changes : [...changes, change], credential, secret };
  }

  judge({ status, fields }: ResponseHead, credential: number | null, from?: AnswerSource): Judgement {
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

  verifies(mediaType: string): boolean {
    return this.#content.verifies(mediaType);
  }

  saysFailure(document: Uint8Array): boolean {
    return isTmdbFailure(document);
  }

  refusedBecause(bodyText: string): string | null {
    return tmdbRefusal(bodyText);
  }

  isReadable({ fields }: ResponseHead): boolean {
    return isJsonType(mediaTypeOf(fieldValue(fields, "content-type")));
  }

  #isWrong(status: number, mediaType: string): boolean {
    if (this.#content.isWrong(status, mediaType)) return true;
    // TMDB's own 404 is JSON; a page says that something else sits at this address.
    if (isBlockPage(status, mediaType)) return true;
    if (isPage(mediaType) && (status === 401 || status === 404 || status === 410)) return true;
    // Clients look for TMDB's code in what says that the upstream has failed.
    return status >= 500 && mediaType !== "" && !isJsonType(mediaType);
  }

  /** TMDB says so in JSON; what else says it is not TMDB, and stands in the way to it. */
  #refused(credential: number, { isTmdb, from }: { isTmdb: boolean; from: AnswerSource | undefined }): Judgement {
    const mayAskOther = from?.mayAskOther() ?? false;
    if (!isTmdb) return mayAskOther && this.#keys.isProof(credential) ? "refusing" : "ok";
    return this.#keys.refused(credential, from === undefined ? null : { upstream: from.id, mayAskOther });
  }

  #limited(retryAfter: string | null, credential: number | null): Judgement {
    return credential !== null && this.#keys.limited(credential, retryAfter) ? "credential" : "limited";
  }
}
