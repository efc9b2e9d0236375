import { endToEndFields, type Field, type Fields, fieldValue, type ResponseHead } from "../../http/fields.ts";
import { isStrongTag, strongMatch, type Validators, validatorsOf, weakMatch } from "../../http/validators.ts";
import { originValidators } from "./reuse.ts";
import type { CacheRequest, PolicyOptions, ResponseTimes } from "./policy_options.ts";
import { OF_REQUEST, storable } from "./storable.ts";
import type { StoredResponse } from "../stored_response.ts";

/** Under what circumstances a response brought news of a stored one. */
export interface UpdateContext {
  readonly request: CacheRequest;
  readonly times: ResponseTimes;
  readonly options: PolicyOptions;
}

/** A stored response with new fields and a new lifetime (RFC 9111 §4.3.4). */
export interface Freshened {
  readonly response: StoredResponse;
  /** The change to the key: it holds `response` from now on, nothing, or what it held. */
  readonly keep: "replace" | "delete" | "leave";
  /** Fields of the update that are for the client that asked, not for the store (`Set-Cookie`). */
  readonly ownFields: Fields;
}

/** Tags of one response over all its updates, at most. */
const MAX_TAGS = 256;

/** Fields of an update that never replace stored ones: they speak of the update's own content (RFC 9111 §3.2). */
const NOT_UPDATED: ReadonlySet<string> = new Set(["content-encoding", "content-length", "content-range"]);
const COOKIES: ReadonlySet<string> = new Set(["set-cookie", "set-cookie2"]);

/**
 * Brings a stored response up to date with the 304 that answered its validation (RFC 9111 §3.2, §4.3.4). `null` says that the
 * 304 speaks of another representation: it must not be used, and the request is to be sent again without conditions.
 */
export function freshen(stored: StoredResponse, head: ResponseHead, context: UpdateContext): Freshened | null {
  return speaksOf(stored, head) ? updated(stored, head, context) : null;
}

/** The effect of a `HEAD` response on a stored `GET` response (RFC 9111 §4.3.5). */
export type HeadUpdate =
  | { readonly kind: "updated"; readonly freshened: Freshened }
  /** The representation has changed: the stored response is stale. */
  | { readonly kind: "changed" }
  /** The response is no statement about the stored one. */
  | { readonly kind: "none" };

/**
 * Compares a `HEAD` response with a stored `GET` response, and brings it up to date or gives it up (RFC 9111 §4.3.5). Without a
 * validator it says nothing: the content may have changed, and would be served for another lifetime under the new fields.
 */
export function headUpdate(stored: StoredResponse, head: ResponseHead, context: UpdateContext): HeadUpdate {
  if (context.request.method !== "HEAD" || head.status !== 200 || stored.status !== 200) return { kind: "none" };
  if (!agreesWith(stored, head)) return { kind: "changed" };
  const { etag, lastModified } = validatorsOf(head.fields);
  if (etag === null && lastModified === null) return { kind: "none" };
  return { kind: "updated", freshened: updated(stored, head, context) };
}

/**
 * Whether a 304 is about the stored response: a strong validator must be the stored one, weak ones must match. One without any
 * is about the only response that was asked for.
 */
function speaksOf(stored: StoredResponse, head: ResponseHead): boolean {
  const ours = originValidators(stored);
  const theirs = validatorsOf(head.fields);
  if (theirs.etag !== null && ours.etag !== null) {
    return isStrongTag(theirs.etag) && isStrongTag(ours.etag)
      ? strongMatch(theirs.etag, ours.etag)
      : weakMatch(theirs.etag, ours.etag);
  }
  if (theirs.lastModified !== null && ours.lastModified !== null) return theirs.lastModified === ours.lastModified;
  return theirs.etag === null;
}

function agreesWith(stored: StoredResponse, head: ResponseHead): boolean {
  const ours = originValidators(stored);
  const theirs = validatorsOf(head.fields);
  return agrees(theirs, ours, "etag") && agrees(theirs, ours, "lastModified") && lengthAgrees(stored, head);
}

function agrees(theirs: Validators, ours: Validators, name: keyof Validators): boolean {
  return theirs[name] === null || theirs[name] === ours[name];
}

/** A length in another coding says nothing about ours: the gateway may have decoded the content. */
function lengthAgrees(stored: StoredResponse, head: ResponseHead): boolean {
  const length = fieldValue(head.fields, "content-length");
  if (length === null) return true;
  if (fieldValue(head.fields, "content-encoding") !== stored.field("content-encoding")) return true;
  return Number(length) === stored.body.byteLength;
}

function updated(stored: StoredResponse, head: ResponseHead, { request, times, options }: UpdateContext): Freshened {
  const ownFields = options.setCookie === "store" ? [] : head.fields.filter(([name]) => COOKIES.has(name));
  const fields = mergedFields(stored, head, ownFields.length > 0);
  const decision = storable({
    request: asGet(request),
    head: { status: stored.status, fields },
    times,
    options,
  });
  if (!decision.store) {
    const keep = OF_REQUEST.has(decision.reason) ? "leave" : "delete";
    const served = fields.filter(([name]) => name !== "age" && name !== "surrogate-control");
    return { response: stored.with({ ...times, fields: served, isPurged: false }), keep, ownFields };
  }
  const { freshness, selectedBy, tiers } = decision;
  // What was stored was for all until now; only the update's own lines can be this client's.
  const own = [...ownFields, ...decision.ownFields.filter(([name]) => fieldValue(head.fields, name) !== null)];
  const tags = [...new Set([...stored.tags, ...decision.tags])].sort().slice(0, MAX_TAGS);
  const changes = { fields: decision.fields, freshness, selectedBy, tiers, tags, isPurged: false };
  return { response: stored.with({ ...changes, ...times }), keep: "replace", ownFields: own };
}

/** The stored fields, replaced by the update's of the same name; its age and date count, not the stored ones (RFC 9111 §3.2). */
function mergedFields(stored: StoredResponse, head: ResponseHead, withoutCookies: boolean): Fields {
  // Where clients get a tag of the gateway's own it stays: what it names has not changed.
  const keepsTag = stored.originTag !== null;
  const isNews = ([name]: Field): boolean =>
    !NOT_UPDATED.has(name) && !(withoutCookies && COOKIES.has(name)) && !(keepsTag && name === "etag");
  const news = endToEndFields(head.fields, fieldValue(head.fields, "connection")).filter(isNews);
  const replaced = new Set(news.map(([name]) => name)).add("date");
  return [...stored.fields.filter(([name]) => !replaced.has(name)), ...news];
}

/** A stored response is always one to a `GET`, also where a `HEAD` updates it. */
function asGet(request: CacheRequest): CacheRequest {
  const { path, sharedAuthorization, routeTtl, isNegotiated } = request;
  return {
    method: "GET",
    isNegotiated,
    path,
    header: (name) => request.header(name),
    sharedAuthorization,
    private: request.private,
    routeTtl,
  };
}
