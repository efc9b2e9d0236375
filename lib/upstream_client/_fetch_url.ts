import { unsendable } from "./_request_head.ts";

const DOT_SEGMENT = /^(?:\.|%2e){1,2}$/i;

function escaped(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
}

/**
 * The URL that makes `fetch` ask for `target`, whose characters are bytes. A URL parser does not leave a target alone: bytes
 * that a path may not hold become percent-encoded here, so that they mean the same; what it would resolve away is refused,
 * because it could lead out of the base path.
 *
 * @throws {UpstreamFailure} `unsendable` on dot segments and on what is no path
 */
export function fetchUrl(origin: string, target: string): string {
  if (!target.startsWith("/")) throw unsendable("HTTP/2 upstreams are asked for paths only");
  const query = target.indexOf("?");
  const path = query < 0 ? target : target.slice(0, query);
  const encodedPath = path.replace(/[^\x21-\x7e]|[\\#]/g, escaped);
  if (encodedPath.split("/").some((segment) => DOT_SEGMENT.test(segment))) {
    throw unsendable('HTTP/2 upstreams are not asked for paths with "." or ".." segments');
  }
  return origin + encodedPath + (query < 0 ? "" : target.slice(query).replace(/[^\x21-\x7e]|#/g, escaped));
}
