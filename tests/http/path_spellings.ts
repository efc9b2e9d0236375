import { integer, seededRandom } from "../seeded_random.ts";

/** Spellings that were used against some server, of `/private/x`; then as many generated ones as are missing to 200. */
const KNOWN = [
  "/private/x",
  "/%70rivate/x",
  "/%70%72%69%76%61%74%65/x",
  "//private/x",
  "///private/x",
  "/%2fprivate/x",
  "/%2F/private/x",
  "/\\private/x",
  "/%5cprivate/x",
  "\\private/x",
  "/;/private/x",
  "/;a=b/private/x",
  "/%3b/private/x",
  "/%3B%2Fprivate/x",
  "/private;/x",
  "/private;a=b/x",
  "/private%3ba/x",
  "/private%2fx",
  "/private%2Fx",
  "/private%5Cx",
  "/private\\x",
  "/private//x",
  "/private/%2fx",
  "/%c1%b0rivate/x",
  "/%e0%81%b0rivate/x",
  "/%f0%80%81%b0rivate/x",
  "/%C0%AFprivate/x",
  "/private%c0%afx",
  "/private%E0%80%AFx",
  "/private%c1%9cx",
  "/%2570rivate/x",
  "/%252fprivate/x",
  "/%25%37%30rivate/x",
  "/%2525%37%30rivate/x",
  "/%252570rivate/x",
  "/private%252fx",
  "/private%255cx",
  "/%25%32%66private/x",
  "/./private/x",
  "/a/../private/x",
  "/a/%2e%2e/private/x",
  "/a/.%2E/private/x",
  "/a/..;/private/x",
  "/a/..;x=1/private/x",
  "/a/%252e%252e/private/x",
  "/a/%252e%252e%252fprivate/x",
  "/a/..%2fprivate/x",
  "/a/..%5cprivate/x",
  "/a\\..\\private/x",
  "/a/%c0%ae%c0%ae/private/x",
  "/%2e/private/x",
  "/%2e%2fprivate/x",
  "/.;/private/x",
  "//a/private/x",
  "//a/%70rivate/x",
  "/\\a/private/x",
  "\\\\a/private/x",
  "///a/private/x",
  "//a\\private/x",
  "/%2fa/private/x",
  "/%252Fa/private/x",
  "/%5ca/%70rivate/x",
  "/;v=1/a/private/x",
  "/%c0%afa/private/x",
  "//a:80/private/x",
  "//user@a/private/x",
  "//a/;/private/x",
  "//gateway.test/private/x",
  "http://gateway.test/private/x",
  "http://gateway.test//private/x",
  "http://gateway.test/%70rivate/x",
  "http://gateway.test:80/%2fprivate/x",
  "http://gateway.test:99999/private/x",
  "http://user@gateway.test/private/x",
  "http://gateway.test#/private/x",
  "http://gateway.test\\private/x",
  "http://gateway.test?/private/x",
  "http:/private/x",
  "http:private/x",
  "http:///private/x",
  "https://gateway.test/%70rivate/x",
  "HTTP://GATEWAY.TEST./%70rivate/x",
  "ftp://gateway.test/private/x",
  "file:///private/x",
  "private/x",
  "*/private/x",
  "?/private/x",
  "/private/x?",
  "/private/x?a=/b",
  "/private/x#a",
  "/a#/../private/x",
  "/a%23/../private/x",
  "/a%3f/../private/x",
  "/~0123456789abcdef0123/private/x",
  "/~0123456789abcdef0123//private/x",
  "/%7e0123456789abcdef0123/%70rivate/x",
  "//~0123456789abcdef0123/private/x",
];

const SLASHES = [
  "/",
  "/",
  "//",
  "/%2f",
  "%2F",
  "\\",
  "%5c",
  "/;/",
  "/;v=1/",
  "%3b/",
  "%c0%af",
  "%E0%80%af",
  "%252f",
  "%255C",
  "/%2e/",
  "/./",
];

/** One letter as it is, escaped once or twice, or in overlong UTF-8. */
function spelled(random: () => number, letter: string): string {
  const hex = letter.charCodeAt(0).toString(16);
  const cased = (text: string) => integer(random, 2) === 0 ? text : text.toUpperCase();
  switch (integer(random, 12)) {
    case 0:
    case 1:
      return cased(`%${hex}`);
    case 2:
      return cased(`%25${hex}`);
    case 3:
      return cased(`%25%3${hex[0]}${hex[1]}`);
    case 4:
      return cased(`%c1%${(letter.charCodeAt(0) & 0x3f | 0x80).toString(16)}`);
    default:
      return letter;
  }
}

/** 200 spellings of `/private/x`, the same ones each time for a seed. */
export function pathSpellings(seed = 16): string[] {
  const random = seededRandom(seed);
  const slash = () => SLASHES[integer(random, SLASHES.length)]!;
  const found = new Set(KNOWN);
  while (found.size < 200) {
    const name = Array.from("private", (letter) => spelled(random, letter)).join("");
    const text = `${slash()}${name}${slash()}x`;
    found.add(text.startsWith("/") ? text : `/${text}`);
  }
  return [...found];
}

/** Every path that some careless server may take a request target for: an oracle that shares nothing with the gateway. */
export function carelessReadings(target: string): Set<string> {
  const steps: ((path: string) => string)[] = [
    (path) => path.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16))),
    (path) => path.replaceAll("\\", "/"),
    (path) => path.split("/").map((segment) => segment.split(";")[0]).join("/"),
    (path) => path.replace(/\/+/g, "/"),
    (path) => Array.from(path).length === 0 ? "/" : resolved(path),
    (path) => path.replace(/[\xc0\xc1][\x80-\xbf]/g, (two) => letterOf(two)),
    (path) => path.replace(/\xe0[\x80\x81][\x80-\xbf]/g, (three) => letterOf(three.slice(1))),
    (path) => path.replace(/\xf0\x80[\x80\x81][\x80-\xbf]/g, (four) => letterOf(four.slice(2))),
    (path) => /^\/\/[^/]*(\/.*)$/.exec(path)?.[1] ?? path,
  ];
  const [path = ""] = target.replace(/^https?:\/\/[^/?]*/i, "").split(/[?#]/, 1);
  const found = new Set([path]);
  // A set grows while it is walked: each reading is read on.
  for (const one of found) {
    for (const step of steps) if (found.size < 5_000) found.add(step(one));
  }
  return found;
}

/** The ASCII letter that the last two bytes of an overlong form stand for. */
function letterOf(bytes: string): string {
  return String.fromCharCode((bytes.charCodeAt(0) & 1) << 6 | bytes.charCodeAt(1) & 0x3f);
}

function resolved(path: string): string {
  const kept: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "..") kept.pop();
    else if (segment !== ".") kept.push(segment);
  }
  return `/${kept.join("/").replace(/^\//, "")}`;
}
