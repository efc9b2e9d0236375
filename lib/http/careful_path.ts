const ESCAPE = /%([0-9A-Fa-f]{2})/g;
/** Characters of paths that are not their own careful reading. */
const ODD = /[%\\;\xc0\xc1\xe0\xf0]|\/\//;
/** ASCII in more bytes of UTF-8 than it needs: no text, but some read it (RFC 3629 §10). */
const OVERLONG = /(?:[\xc0\xc1]|\xe0[\x80\x81]|\xf0\x80[\x80\x81])[\x80-\xbf]/g;

/**
 * The careful reading of a path: as some upstream may read it. Percent-decoded once (a character is a byte), `\` as `/`, segments cut at
 * `;`, empty segments left out, overlong UTF-8 decoded. Rules are matched against it, and a path that it gives to another listener is
 * refused; the path that is sent stays as it was. Dot segments are refused before.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { carefulPath } from "./careful_path.ts";
 * assert.equal(carefulPath("/%70rivate//x"), "/private/x");
 * assert.equal(carefulPath("/%2fprivate;v=1\\x"), "/private/x");
 * assert.equal(carefulPath("/3/movie/550"), "/3/movie/550");
 * ```
 */
export function carefulPath(path: string): string {
  if (!ODD.test(path)) return path;
  return uncollapsed(path).replace(/\/{2,}/g, "/");
}

/** A path decoded once, and otherwise as it is: some servers do that more than once before they read it. */
export function decodedPath(path: string): string {
  return path.replace(ESCAPE, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
}

/** A path decoded once, its segments cut, those that are empty left in. */
function uncollapsed(path: string): string {
  const plain = decodedPath(path).replace(OVERLONG, (bytes) => {
    const [before, last] = [bytes.charCodeAt(bytes.length - 2), bytes.charCodeAt(bytes.length - 1)];
    return String.fromCharCode((before & 1) << 6 | last & 0x3f);
  });
  return plain.replaceAll("\\", "/").replace(/;[^/]*/g, "");
}

/**
 * Whether a program that resolves a path as a reference may take its beginning for an authority, which is no part of the path: it begins
 * with two slashes, however they are spelled (RFC 3986 §4.2). Where such an authority ends depends on the program.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { mayBeginWithAuthority } from "./careful_path.ts";
 * assert.equal(mayBeginWithAuthority("/%2Fa/private"), true);
 * assert.equal(mayBeginWithAuthority("/private//x"), false);
 * ```
 */
export function mayBeginWithAuthority(path: string): boolean {
  return ODD.test(path) && uncollapsed(path).startsWith("//");
}

const UNESCAPED = /[^A-Za-z0-9._~!$&'()*+,=:@/-]/g;

/**
 * Text of a careful reading, escaped for a path. Characters are bytes.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { escapedPath } from "./careful_path.ts";
 * assert.equal(escapedPath("/a b?\r\n%"), "/a%20b%3F%0D%0A%25");
 * ```
 */
export function escapedPath(text: string): string {
  return text.replace(UNESCAPED, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`);
}

/** The careful reading of a prefix from a configuration: as that of the paths below it begins. */
export function carefulPrefix(prefix: string): string {
  const reading = carefulPath(String.fromCharCode(...new TextEncoder().encode(prefix)));
  return reading.replace(/(?<=.)\/$/, "");
}

/** Text of a configuration as a careful reading would have it: its UTF-8 bytes, escapes decoded. */
export function carefulText(text: string): string {
  const bytes = new TextEncoder().encode(text);
  return String.fromCharCode(...bytes).replace(ESCAPE, (escape, hex) => {
    const byte = String.fromCharCode(parseInt(hex, 16));
    return byte === "*" ? escape : byte;
  });
}
