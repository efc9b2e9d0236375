import { type MediaMatcher, mediaMatcher } from "../http/media_range.ts";

/** Whether a media type is HTML or XHTML. */
export function isPage(mediaType: string): boolean {
  return mediaType === "text/html" || mediaType === "application/xhtml+xml";
}

/** Statuses of the pages that filters and dead mirrors send. 400 and 414 may be the client's own fault. */
const PAGE_STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308, 403, 407, 451, 511]);

/** Whether a response is a block page: one that a filter or a proxy sent in place of the origin's answer. */
export function isBlockPage(status: number, mediaType: string): boolean {
  return isPage(mediaType) && (PAGE_STATUSES.has(status) || status === 502 || status === 503);
}

/** Media types that a pool carries, and those whose content is verified. */
export interface ContentTypes {
  /** Empty allows all. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  /** `null`, or left out, is the type's own list. */
  readonly verify?: readonly string[] | null;
}

/** Decides by media type whether a pool carries a response, and whether its content is verified. */
export class ContentRule {
  /** Over a media type in lower case, without parameters. */
  readonly verifies: MediaMatcher;
  readonly #isAllowed: MediaMatcher | null;
  readonly #isDenied: MediaMatcher | null;

  /** @param ownVerify what is verified where the pool does not choose */
  constructor({ allow, deny, verify }: ContentTypes, ownVerify: readonly string[] = []) {
    const verified = verify ?? ownVerify;
    const isVerified = mediaMatcher(verified);
    // Content without a type is verified where anything is: emptiness shows without one.
    this.verifies = (mediaType) =>
      mediaType === "" ? verified.length > 0 && ownVerify.length > 0 : isVerified(mediaType);
    this.#isAllowed = allow.length === 0 ? null : mediaMatcher(allow);
    this.#isDenied = deny.length === 0 ? null : mediaMatcher(deny);
  }

  /**
   * Whether a media type is wrong. Denied types are wrong with any status; types that are not allowed are wrong with success only,
   * because healthy upstreams send errors as pages. A response without a type passes unless `allow` names some.
   */
  isWrong(status: number, mediaType: string): boolean {
    if (this.#isDenied !== null && mediaType !== "" && this.#isDenied(mediaType)) return true;
    return status >= 200 && status < 300 && this.#isAllowed !== null && !this.#isAllowed(mediaType);
  }
}

/** Whether a response has content at all (RFC 9110 §6.4.1): 1xx, 204, 205 and 304 have none, nor does a length of 0. */
export function hasContent(status: number, contentLength: string | null): boolean {
  return status >= 200 && status !== 204 && status !== 205 && status !== 304 && contentLength !== "0";
}
