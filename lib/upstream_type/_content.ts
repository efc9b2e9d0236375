import { type MediaMatcher, mediaMatcher } from "../http/media_range.ts";

/** Whether a media type is that of a page for people. */
export function isPage(mediaType: string): boolean {
  return mediaType === "text/html" || mediaType === "application/xhtml+xml";
}

/** Statuses with which filters and dead mirrors send pages of their own; a 400 or 414 page may be the client's own doing. */
const PAGE_STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308, 403, 407, 451, 511]);

/** Whether a response is a page that somebody on the way put in the place of the origin's answer. */
export function isBlockPage(status: number, mediaType: string): boolean {
  return isPage(mediaType) && (PAGE_STATUSES.has(status) || status === 502 || status === 503);
}

/** Which content a pool carries, and what of it is held against its type. */
export interface ContentTypes {
  /** Empty allows all. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  /** `null`, or left out, is the type's own list. */
  readonly verify?: readonly string[] | null;
}

/** Says whether content of a response's type is what the pool carries, and whether its bytes are to be held against that type. */
export class ContentRule {
  /** Over a media type in lower case, without parameters. */
  readonly verifies: MediaMatcher;
  readonly #isAllowed: MediaMatcher | null;
  readonly #isDenied: MediaMatcher | null;

  /** @param ownVerify what is verified where the pool does not choose */
  constructor({ allow, deny, verify }: ContentTypes, ownVerify: readonly string[] = []) {
    const verified = verify ?? ownVerify;
    const isVerified = mediaMatcher(verified);
    // Content without a type is verified where anything is: that it is not empty can be told without one.
    this.verifies = (mediaType) =>
      mediaType === "" ? verified.length > 0 && ownVerify.length > 0 : isVerified(mediaType);
    this.#isAllowed = allow.length === 0 ? null : mediaMatcher(allow);
    this.#isDenied = deny.length === 0 ? null : mediaMatcher(deny);
  }

  /**
   * Judges a media type. What is denied is wrong with any status; what is not allowed is wrong with success only, because errors
   * come as pages from upstreams that are well. A response without a type passes unless something is allowed.
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
