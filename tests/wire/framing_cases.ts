import type { Fields } from "../../lib/http/fields.ts";
import type { RefusalStatus } from "../../lib/wire/wire_error.ts";

/** A request that is taken: all of its message is there and valid. */
export interface TakenRequest {
  readonly method: string;
  readonly target: string;
  /** Content as Latin-1 text. */
  readonly body: string;
  /** Trailer fields that are kept. */
  readonly trailers?: Fields;
}

/** Bytes that a client sends on one connection, and what the server makes of them. */
export interface FramingCase {
  /** The attack or the rule. */
  readonly name: string;
  /** Where the rule is written. */
  readonly section: string;
  /** The bytes, as Latin-1 text. */
  readonly text: string;
  /** Requests that are taken, in order. */
  readonly taken: readonly TakenRequest[];
  /** With what the server refuses what comes behind them; `null` where it has nothing against it. */
  readonly refusal: RefusalStatus | null;
}

/** Limits that the cases are written for. */
export const CASE_LIMITS = { maxFields: 20, fieldsBytes: 4096, targetBytes: 1024 } as const;

const HOST = "Host: h.example\r\n";
const CHUNKED = "Transfer-Encoding: chunked\r\n";
const HELLO = "5\r\nhello\r\n0\r\n\r\n";
const NEXT = `GET /next HTTP/1.1\r\n${HOST}\r\n`;
const TOOK_NEXT: TakenRequest = { method: "GET", target: "/next", body: "" };

function post(fields: string, body = ""): string {
  return `POST /p HTTP/1.1\r\n${HOST}${fields}\r\n${body}`;
}

function get(target: string, fields = HOST, version = "HTTP/1.1"): string {
  return `GET ${target} ${version}\r\n${fields}\r\n`;
}

function taken(section: string, name: string, text: string, ...requests: TakenRequest[]): FramingCase {
  return { name, section, text, taken: requests, refusal: null };
}

/** A POST whose body is `body`. */
function takenPost(section: string, name: string, text: string, body: string): FramingCase {
  return taken(section, name, text, { method: "POST", target: "/p", body });
}

/** A GET of `target`. */
function takenGet(section: string, name: string, text: string, target = "/"): FramingCase {
  return taken(section, name, text, { method: "GET", target, body: "" });
}

function refused(status: RefusalStatus, section: string, name: string, text: string): FramingCase {
  return { name, section, text, taken: [], refusal: status };
}

const CONFLICTS: FramingCase[] = [
  refused(
    400,
    "RFC 9112 §6.1",
    "CL.TE: Content-Length before Transfer-Encoding",
    post(`Content-Length: 6\r\n${CHUNKED}`, "0\r\n\r\nG"),
  ),
  refused(
    400,
    "RFC 9112 §6.1",
    "TE.CL: Transfer-Encoding before Content-Length",
    post(`${CHUNKED}Content-Length: 4\r\n`, "5c\r\nGPOST / HTTP/1.1\r\n\r\n"),
  ),
  refused(
    400,
    "RFC 9112 §6.1",
    "TE.0: Transfer-Encoding with Content-Length: 0",
    post(`${CHUNKED}Content-Length: 0\r\n`, HELLO),
  ),
  refused(400, "RFC 9112 §6.1", "Transfer-Encoding in HTTP/1.0", `POST /p HTTP/1.0\r\n${CHUNKED}\r\n${HELLO}`),
  takenPost("RFC 9112 §6.3", "0.CL: content of a POST with a length", post("Content-Length: 5\r\n", "hello"), "hello"),
  taken(
    "RFC 9112 §6.3",
    "CL.0: content of a GET is read, not taken for the next request",
    `GET / HTTP/1.1\r\n${HOST}Content-Length: ${NEXT.length}\r\n\r\n${NEXT}`,
    { method: "GET", target: "/", body: NEXT },
  ),
  taken(
    "RFC 9112 §6.3",
    "without framing a POST has no content: what follows is the next request",
    post("") + NEXT,
    { method: "POST", target: "/p", body: "" },
    TOOK_NEXT,
  ),
  taken(
    "RFC 9112 §9.3.2",
    "pipelined: a length, chunks, then a GET",
    post("Content-Length: 5\r\n", "hello") + post(CHUNKED, HELLO) + NEXT,
    { method: "POST", target: "/p", body: "hello" },
    { method: "POST", target: "/p", body: "hello" },
    TOOK_NEXT,
  ),
];

/** Transfer-Encoding as `value` says. */
function coding(value: string, name = "Transfer-Encoding"): string {
  return post(`${name}:${value}\r\n`, HELLO);
}

const CODINGS: FramingCase[] = [
  takenPost("RFC 9112 §7", "TE: chunked in odd case", coding(" cHuNkEd", "tRANSFER-eNCODING"), "hello"),
  takenPost("RFC 9110 §5.5", "TE: tabs and spaces around the coding", coding("\t chunked\t "), "hello"),
  takenPost("RFC 9112 §5.1", "TE: no space behind the colon", coding("chunked"), "hello"),
  refused(400, "RFC 9112 §6.3", "TE.TE: chunked twice in one line", coding(" chunked, chunked")),
  refused(400, "RFC 9112 §6.3", "TE.TE: chunked twice in two lines", post(CHUNKED + CHUNKED, HELLO)),
  refused(400, "RFC 9112 §6.3", "TE.TE: chunked, then an unknown coding", coding(" chunked, x")),
  refused(
    400,
    "RFC 9112 §6.3",
    "TE.TE: chunked, then an unknown coding in a second line",
    post(`${CHUNKED}Transfer-encoding: cow\r\n`, HELLO),
  ),
  refused(400, "RFC 9112 §6.3", "TE.TE: chunked, then identity", coding(" chunked, identity")),
  refused(
    400,
    "RFC 9112 §6.3",
    "TE.TE: chunked, then an empty line of the same name",
    post(`${CHUNKED}Transfer-Encoding:\r\n`, HELLO),
  ),
  refused(
    501,
    "RFC 9112 §6.1",
    "TE.TE: an unknown coding, then chunked in a second line",
    post(`Transfer-Encoding: cow\r\n${CHUNKED}`, HELLO),
  ),
  refused(501, "RFC 9112 §6.1", "TE: identity", coding(" identity")),
  refused(501, "RFC 9112 §6.1", "TE: identity, chunked", coding(" identity, chunked")),
  refused(501, "RFC 9112 §6.1", "TE: gzip", coding(" gzip")),
  refused(501, "RFC 9112 §6.1", "TE: gzip, chunked", coding(" gzip, chunked")),
  refused(501, "RFC 9112 §6.1", "TE: xchunked", coding(" xchunked")),
  refused(501, "RFC 9112 §6.1", "TE: chunked with a letter behind it", coding(" chunkedx")),
  refused(400, "RFC 9112 §7.1", "TE: chunked with a parameter", coding(" chunked;q=1")),
  refused(400, "RFC 9110 §10.1.4", "TE: chunked in quotes", coding(' "chunked"')),
  refused(400, "RFC 9110 §10.1.4", "TE: chunked chunked", coding(" chunked chunked")),
  refused(400, "RFC 9112 §6.1", "TE: empty", coding("")),
  refused(400, "RFC 9112 §6.1", "TE: trailing comma", coding(" chunked,")),
  refused(400, "RFC 9112 §6.1", "TE: leading comma", coding(" , chunked")),
  refused(400, "RFC 9110 §5.5", "TE: vertical tab before the coding", coding("\x0bchunked")),
  refused(400, "RFC 9110 §5.5", "TE: form feed behind the coding", coding(" chunked\x0c")),
  refused(400, "RFC 9110 §5.5", "TE: NUL behind the coding", coding(" chunked\0")),
  refused(400, "RFC 9110 §10.1.4", "TE: no-break space before the coding", coding("\xa0chunked")),
  refused(400, "RFC 9112 §5.1", "TE: space before the colon", coding(" chunked", "Transfer-Encoding ")),
  refused(400, "RFC 9112 §5.1", "TE: tab before the colon", coding(" chunked", "Transfer-Encoding\t")),
  refused(400, "RFC 9112 §5.2", "TE: space before the name", coding(" chunked", " Transfer-Encoding")),
  refused(400, "RFC 9112 §5.2", "TE: coding on a folded line", coding("\r\n chunked")),
  refused(400, "RFC 9112 §2.2", "TE: bare line feed before the colon", coding(" chunked", "Transfer-Encoding\n")),
  refused(400, "RFC 9112 §2.2", "TE: behind a bare line feed in another value", post(`X: x\n${CHUNKED}`, HELLO)),
  refused(400, "RFC 9112 §2.2", "TE: behind a bare carriage return in another value", post(`X: x\r${CHUNKED}`, HELLO)),
  takenPost(
    "RFC 9110 §5.1",
    "TE: Transfer_Encoding is another field",
    post(`Transfer_Encoding: chunked\r\nContent-Length: 5\r\n`, "hello"),
    "hello",
  ),
];

/** Content-Length as `value` says, before five bytes of content. */
function length(value: string, name = "Content-Length"): string {
  return post(`${name}: ${value}\r\n`, "hello");
}

const LENGTHS: FramingCase[] = [
  takenPost(
    "RFC 9110 §8.6",
    "CL: two equal lines are one",
    post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
    "hello",
  ),
  takenPost("RFC 9110 §8.6", "CL: 5, 5 is one", length("5, 5"), "hello"),
  takenPost("RFC 9110 §8.6", "CL: 5,5,5 is one", length("5,5,5"), "hello"),
  takenPost("RFC 9110 §8.6", "CL: leading zeros", length("0000005"), "hello"),
  takenPost("RFC 9110 §5.5", "CL: tabs and spaces around the digits", length("\t5 \t"), "hello"),
  refused(
    400,
    "RFC 9112 §6.3",
    "CL: two lines that differ",
    post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"),
  ),
  refused(400, "RFC 9112 §6.3", "CL: 5, 6", length("5, 6")),
  refused(400, "RFC 9112 §6.3", "CL: 5, 05", length("5, 05")),
  refused(400, "RFC 9112 §6.3", "CL: trailing comma", length("5,")),
  refused(400, "RFC 9112 §6.3", "CL: leading comma", length(",5")),
  refused(
    400,
    "RFC 9112 §6.3",
    "CL: a number, then an empty line",
    post("Content-Length: 5\r\nContent-Length:\r\n", "hello"),
  ),
  refused(400, "RFC 9110 §8.6", "CL: empty", length("")),
  refused(400, "RFC 9110 §8.6", "CL: negative", length("-5")),
  refused(400, "RFC 9110 §8.6", "CL: +5", length("+5")),
  refused(400, "RFC 9110 §8.6", "CL: 0x5", length("0x5")),
  refused(400, "RFC 9110 §8.6", "CL: hexadecimal digit", length("a")),
  refused(400, "RFC 9110 §8.6", "CL: 5.0", length("5.0")),
  refused(400, "RFC 9110 §8.6", "CL: 5e0", length("5e0")),
  refused(400, "RFC 9110 §8.6", "CL: 5 5", length("5 5")),
  refused(400, "RFC 9110 §8.6", "CL: 5_0", length("5_0")),
  refused(400, "RFC 9110 §8.6", "CL: quoted", length('"5"')),
  refused(400, "RFC 9110 §8.6", "CL: a digit that is not ASCII", length("\xb2")),
  refused(400, "RFC 9110 §5.5", "CL: NUL behind the digits", length("5\0")),
  refused(400, "RFC 9110 §5.5", "CL: vertical tab before the digits", length("\x0b5")),
  refused(413, "RFC 9110 §8.6", "CL: 2^64 + 5", length("18446744073709551621")),
  refused(413, "RFC 9110 §8.6", "CL: 2^32 + 5 in many digits", length("0000004294967301")),
  refused(400, "RFC 9112 §5.1", "CL: Content-Length : 5", length("5", "Content-Length ")),
  refused(400, "RFC 9112 §5.1", "CL: tab before the colon", length("5", "Content-Length\t")),
  refused(400, "RFC 9110 §5.1", "CL: NUL before the colon", length("5", "Content-Length\0")),
  refused(400, "RFC 9110 §5.1", "CL: space inside the name", length("5", "Content Length")),
  refused(400, "RFC 9112 §5.2", "CL: folded", length("\r\n 5")),
  refused(
    400,
    "RFC 9112 §5.2",
    "CL: on a line that begins with white space",
    post("X: a\r\n Content-Length: 5\r\n", "hello"),
  ),
];

function chunks(body: string): string {
  return post(CHUNKED, body);
}

const CHUNKS: FramingCase[] = [
  takenPost(
    "RFC 9112 §7.1",
    "chunks: several, with letters of both cases",
    chunks("5\r\nhello\r\nA\r\n0123456789\r\nb\r\n0123456789a\r\n0\r\n\r\n"),
    "hello01234567890123456789a",
  ),
  takenPost("RFC 9112 §7.1", "chunks: leading zeros", chunks("0005\r\nhello\r\n000\r\n\r\n"), "hello"),
  takenPost(
    "RFC 9112 §7.1",
    "chunks: line ends and sizes inside the content",
    chunks("f\r\n0\r\n\r\nGET / HT\r\n\r\n0\r\n\r\n"),
    "0\r\n\r\nGET / HT\r\n",
  ),
  takenPost(
    "RFC 9112 §7.1.1",
    "chunk extension: ignored",
    chunks('5;a;b=c;d="e;f"\r\nhello\r\n0;last\r\n\r\n'),
    "hello",
  ),
  takenPost(
    "RFC 9112 §7.1.1",
    "chunk extension: white space before it",
    chunks("5 \t;a\r\nhello\r\n0\r\n\r\n"),
    "hello",
  ),
  refused(
    400,
    "RFC 9112 §7.1.1",
    "chunk extension: bare line feed ends it (TERM.EXT)",
    chunks("5;a\nhello\r\n0\r\n\r\n"),
  ),
  refused(
    400,
    "RFC 9112 §7.1.1",
    "chunk extension: bare carriage return in it (EXT.TERM)",
    chunks("5;a\rb\r\nhello\r\n0\r\n\r\n"),
  ),
  refused(400, "RFC 9112 §7.1.1", "chunk extension: NUL in it", chunks("5;\0\r\nhello\r\n0\r\n\r\n")),
  refused(400, "RFC 9112 §7.1.1", "chunk extension: without a semicolon", chunks("5 a\r\nhello\r\n0\r\n\r\n")),
  refused(
    400,
    "RFC 9112 §7.1.1",
    "chunk extension: over 16 KiB",
    chunks(`5;${"x".repeat(17_000)}\r\nhello\r\n0\r\n\r\n`),
  ),
  refused(400, "RFC 9112 §7.1", "chunk size: 2^64 + 5", chunks("10000000000000005\r\nhello\r\n0\r\n\r\n")),
  refused(
    400,
    "RFC 9112 §7.1",
    "chunk size: 2^32 + 5 behind many zeros",
    chunks("00000100000005\r\nhello\r\n0\r\n\r\n"),
  ),
  refused(400, "RFC 9112 §7.1", "chunk size: sixteen f", chunks("ffffffffffffffff\r\nhello\r\n0\r\n\r\n")),
  refused(400, "RFC 9112 §7.1", "chunk size: +5", chunks("+5\r\nhello\r\n0\r\n\r\n")),
  refused(400, "RFC 9112 §7.1", "chunk size: -5", chunks("-5\r\nhello\r\n0\r\n\r\n")),
  refused(400, "RFC 9112 §7.1", "chunk size: 0x5", chunks("0x5\r\nhello\r\n0\r\n\r\n")),
  refused(400, "RFC 9112 §7.1", "chunk size: 5_0", chunks("5_0\r\nhello\r\n0\r\n\r\n")),
  refused(400, "RFC 9112 §7.1", "chunk size: 5h", chunks("5h\r\nhello\r\n0\r\n\r\n")),
  refused(400, "RFC 9112 §7.1", "chunk size: missing", chunks("\r\nhello\r\n0\r\n\r\n")),
  refused(400, "RFC 9112 §7.1", "chunk size: only an extension", chunks(";a\r\nhello\r\n0\r\n\r\n")),
  refused(400, "RFC 9112 §7.1", "chunk size: space before it", chunks(" 5\r\nhello\r\n0\r\n\r\n")),
  refused(400, "RFC 9112 §7.1", "chunk size: space behind it", chunks("5 \r\nhello\r\n0\r\n\r\n")),
  refused(400, "RFC 9112 §7.1", "chunk size: tab behind it", chunks("5\t\r\nhello\r\n0\r\n\r\n")),
  refused(400, "RFC 9112 §2.2", "chunk size: bare line feed behind it", chunks("5\nhello\r\n0\r\n\r\n")),
  refused(400, "RFC 9112 §2.2", "chunk size: bare carriage return behind it", chunks("5\rhello\r\n0\r\n\r\n")),
  refused(400, "RFC 9112 §2.2", "chunk size: two carriage returns behind it", chunks("5\r\r\nhello\r\n0\r\n\r\n")),
  refused(400, "RFC 9112 §7.1", "chunk: longer than its size", chunks("5\r\nhello!\r\n0\r\n\r\n")),
  refused(400, "RFC 9112 §7.1", "chunk: shorter than its size", chunks("6\r\nhello\r\n0\r\n\r\n")),
  refused(400, "RFC 9112 §7.1", "chunk: no line end behind its content", chunks("5\r\nhello0\r\n\r\n")),
  refused(400, "RFC 9112 §2.2", "chunk: bare line feed behind its content", chunks("5\r\nhello\n0\r\n\r\n")),
  refused(
    400,
    "RFC 9112 §2.2",
    "chunk: two bytes that are no line end behind its content",
    chunks("5\r\nhelloXX0\r\n\r\n"),
  ),
  refused(400, "RFC 9112 §7.1", "last chunk: bare carriage return instead of the empty line", chunks("0\r\n\rX")),
  refused(400, "RFC 9112 §2.2", "last chunk: bare line feed instead of the empty line", chunks("0\r\n\n")),
  taken("RFC 9112 §7.1", "last chunk: the next request behind the empty line", chunks(HELLO) + NEXT, {
    method: "POST",
    target: "/p",
    body: "hello",
  }, TOOK_NEXT),
  taken("RFC 9112 §8", "last chunk: missing, so that the request is never complete", chunks("5\r\nhello\r\n")),
  taken("RFC 9112 §8", "last chunk: its empty line is missing", chunks("5\r\nhello\r\n0\r\n")),
];

function trailers(section: string): string {
  return chunks(`5\r\nhello\r\n0\r\n${section}\r\n`);
}

const MANY_TRAILERS = Array.from({ length: 65 }, (_, at) => `x-${at}: v\r\n`).join("");

const TRAILERS: FramingCase[] = [
  taken(
    "RFC 9112 §7.1.2",
    "trailers: kept in order, names in lower case",
    trailers("X-Sum: a\r\nServer-Timing:b\r\nx-sum:\tc \r\n"),
    {
      method: "POST",
      target: "/p",
      body: "hello",
      trailers: [["x-sum", "a"], ["server-timing", "b"], ["x-sum", "c"]],
    },
  ),
  taken(
    "RFC 9110 §6.5.1",
    "trailers: framing, routing, content, authentication and control are dropped",
    trailers(
      "Transfer-Encoding: chunked\r\nContent-Length: 5\r\nHost: evil\r\nContent-Type: a/b\r\nAuthorization: x\r\n" +
        "Cache-Control: public\r\nSet-Cookie: a=b\r\nCookie: a=b\r\nConnection: close\r\nX-Forwarded-For: ::1\r\nETag: kept\r\n",
    ),
    { method: "POST", target: "/p", body: "hello", trailers: [["etag", "kept"]] },
  ),
  takenPost("RFC 9110 §6.5.1", "trailers: none is left", trailers("Content-Length: 5\r\n"), "hello"),
  refused(400, "RFC 9112 §5.1", "trailers: space before the colon", trailers("a : b\r\n")),
  refused(400, "RFC 9112 §5.2", "trailers: folded", trailers("a: b\r\n c\r\n")),
  refused(400, "RFC 9112 §2.2", "trailers: bare line feed", trailers("a: b\nc: d\r\n")),
  refused(400, "RFC 9112 §2.2", "trailers: bare carriage return", trailers("a: b\rc: d\r\n")),
  refused(400, "RFC 9110 §5.5", "trailers: NUL", trailers("a: \0\r\n")),
  refused(400, "RFC 9112 §5", "trailers: no colon", trailers("GET / HTTP/1.1\r\n")),
  refused(431, "RFC 6585 §5", "trailers: over 16 KiB", trailers(`a: ${"b".repeat(17_000)}\r\n`)),
  refused(431, "RFC 6585 §5", "trailers: over 64 lines", trailers(MANY_TRAILERS)),
];

/** A GET with one more line. */
function line(text: string): string {
  return get("/", `${HOST}${text}\r\n`);
}

const LINES: FramingCase[] = [
  takenGet("RFC 9110 §5.6.2", "field name: every character of a token", line("!#$%&'*+-.^_`|~09azAZ: v")),
  takenGet(
    "RFC 9110 §5.5",
    "field value: empty, with tabs, with bytes above ASCII",
    line("a:\r\nb: c\td\r\ne: \x80\xff\xa0"),
  ),
  takenGet("RFC 9112 §5.1", "field value: colons and no space", line("a::b:c")),
  ...["(a)", "a@b", "a{b}", '"a"', "a/b", "a[b]", "a,b", "a;b", "a=b", "a?b", "a\\b", "a<b>"].map((name) =>
    refused(400, "RFC 9110 §5.1", `field name: ${name}`, line(`${name}: v`))
  ),
  ...["\0", "\x01", "\x1f", "\x7f", "\x80", "\xe9", "\xff"].map((octet) =>
    refused(400, "RFC 9110 §5.1", `field name: byte ${hex(octet)} in it`, line(`a${octet}b: v`))
  ),
  ...["\0", "\x01", "\x08", "\x0b", "\x0c", "\x1b", "\x1f", "\x7f"].map((octet) =>
    refused(400, "RFC 9110 §5.5", `field value: byte ${hex(octet)} in it`, line(`a: b${octet}c`))
  ),
  refused(400, "RFC 9112 §5", "field line: no name", line(": v")),
  refused(400, "RFC 9112 §5", "field line: no colon", line("nothing")),
  refused(400, "RFC 9112 §5.1", "field line: space before the colon", line("a : v")),
  refused(400, "RFC 9112 §5.1", "field line: space inside the name", line("a b: v")),
  refused(400, "RFC 9112 §5.2", "obs-fold: with a space", line("a: b\r\n c")),
  refused(400, "RFC 9112 §5.2", "obs-fold: with a tab", line("a: b\r\n\tc")),
  refused(400, "RFC 9112 §5.2", "obs-fold: a line of a space only", line("a: b\r\n ")),
  refused(
    400,
    "RFC 9112 §2.2",
    "white space between the request line and the first field",
    get("/", ` a: b\r\n${HOST}`),
  ),
  refused(400, "RFC 9112 §2.2", "bare LF: every line of the message", "GET / HTTP/1.1\nHost: h.example\n\n"),
  refused(400, "RFC 9112 §2.2", "bare LF: behind the request line", `GET / HTTP/1.1\n${HOST}\r\n`),
  refused(400, "RFC 9112 §2.2", "bare LF: behind a field line", line("a: b\nc: d")),
  refused(400, "RFC 9112 §2.2", "bare LF: instead of the empty line", `GET / HTTP/1.1\r\n${HOST}\n`),
  refused(400, "RFC 9112 §2.2", "bare CR: behind a value", line("a: b\rc: d")),
  refused(400, "RFC 9112 §2.2", "bare CR: two before the line feed", line("a: b\r")),
  refused(400, "RFC 9112 §2.2", "bare CR: a line that begins with one", line("\ra: b")),
  refused(400, "RFC 9112 §2.2", "bare CR: in the target", get("/a\rb")),
];

function hex(octet: string): string {
  return octet.charCodeAt(0).toString(16).padStart(2, "0");
}

const REQUEST_LINES: FramingCase[] = [
  taken("RFC 9110 §9.1", "method: case is kept", `get / HTTP/1.1\r\n${HOST}\r\n`, {
    method: "get",
    target: "/",
    body: "",
  }),
  taken("RFC 9110 §9.1", "method: unknown", `M-SEARCH / HTTP/1.1\r\n${HOST}\r\n`, {
    method: "M-SEARCH",
    target: "/",
    body: "",
  }),
  ...["G(T", "G\xe9T", "G\0T", "GET:", "<GET>"].map((method) =>
    refused(400, "RFC 9110 §9.1", `method: ${JSON.stringify(method)}`, `${method} / HTTP/1.1\r\n${HOST}\r\n`)
  ),
  refused(501, "RFC 9112 §3", "method: longer than any that is known", `${"A".repeat(40)} / HTTP/1.1\r\n${HOST}\r\n`),
  refused(400, "RFC 9112 §3", "request line: two spaces before the target", `GET  / HTTP/1.1\r\n${HOST}\r\n`),
  refused(400, "RFC 9112 §3", "request line: two spaces behind the target", `GET /  HTTP/1.1\r\n${HOST}\r\n`),
  refused(400, "RFC 9112 §3", "request line: tab before the target", `GET\t/ HTTP/1.1\r\n${HOST}\r\n`),
  refused(400, "RFC 9112 §3", "request line: tab behind the target", `GET /\tHTTP/1.1\r\n${HOST}\r\n`),
  refused(400, "RFC 9112 §3", "request line: space before the method", ` GET / HTTP/1.1\r\n${HOST}\r\n`),
  refused(400, "RFC 9112 §3", "request line: space behind the version", `GET / HTTP/1.1 \r\n${HOST}\r\n`),
  refused(400, "RFC 9112 §3", "request line: a word behind the version", `GET / HTTP/1.1 x\r\n${HOST}\r\n`),
  refused(400, "RFC 9112 §3", "request line: no target", `GET HTTP/1.1\r\n${HOST}\r\n`),
  refused(400, "RFC 9112 §3", "request line: only a method", `GET\r\n${HOST}\r\n`),
  refused(400, "RFC 9112 §3", "request line: HTTP/0.9, no version", `GET /\r\n\r\n`),
  ...[
    "http/1.1",
    "HTTP/1",
    "HTTP/11",
    "HTTP/1.10",
    "HTTP/01.1",
    "HTTP/1,1",
    "HTTP/ 1.1",
    "HTTP/x.1",
    "HTTPS/1.1",
    "HTTP 1.1",
  ]
    .map((version) => refused(400, "RFC 9112 §2.3", `version: ${version}`, get("/", HOST, version))),
  ...["HTTP/0.9", "HTTP/2.0", "HTTP/3.0", "HTTP/9.9"].map((version) =>
    refused(505, "RFC 9110 §15.6.6", `version: ${version}`, get("/", HOST, version))
  ),
  takenGet("RFC 9110 §2.5", "version: HTTP/1.2 is answered as HTTP/1.1", get("/", HOST, "HTTP/1.2")),
  takenGet("RFC 9112 §3.2", "version: HTTP/1.0 needs no Host", get("/", "", "HTTP/1.0")),
  refused(400, "RFC 9112 §3.2", "version: HTTP/1.9 needs a Host", get("/", "", "HTTP/1.9")),
  refused(505, "RFC 9113 §3.4", "preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  refused(400, "RFC 8446 §4.1.2", "greeting of TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
  takenGet("RFC 9112 §2.2", "an empty line before the request", `\r\n${get("/")}`),
  takenGet("RFC 9112 §2.2", "two empty lines before the request", `\r\n\r\n${get("/")}`),
  taken(
    "RFC 9112 §2.2",
    "an empty line behind the content of a request",
    post("Content-Length: 5\r\n", "hello\r\n") + NEXT,
    {
      method: "POST",
      target: "/p",
      body: "hello",
    },
    TOOK_NEXT,
  ),
  refused(400, "RFC 9112 §2.2", "three empty lines before the request", `\r\n\r\n\r\n${get("/")}`),
  refused(400, "RFC 9112 §2.2", "an empty line of a line feed only", `\n${get("/")}`),
  refused(400, "RFC 9112 §2.2", "a lone carriage return before the request", `\r${get("/")}`),
];

const TARGETS: FramingCase[] = [
  takenGet(
    "RFC 9112 §3.2.1",
    "target: as sent, nothing is decoded or made canonical",
    get('/a//b/%2e%2E/.;x?q=%zz&r=[]{}|\\^`"<>?'),
    '/a//b/%2e%2E/.;x?q=%zz&r=[]{}|\\^`"<>?',
  ),
  takenGet(
    "RFC 3986 §2.1",
    "target: bytes above ASCII are escaped",
    get("/\x80caf\xc3\xa9?q=\xff"),
    "/%80caf%C3%A9?q=%FF",
  ),
  ...["\0", "\x01", "\x08", "\x0b", "\x0c", "\x1f", "\x7f"].map((octet) =>
    refused(400, "RFC 9112 §3.2", `target: byte ${hex(octet)} in it`, get(`/a${octet}b`))
  ),
  refused(400, "RFC 9112 §3", "target: space in it", get("/a b")),
  refused(400, "RFC 9112 §3.2", "target: fragment", get("/a#b")),
  refused(400, "RFC 9112 §3.2", "target: in none of the four forms", get("a")),
  refused(400, "RFC 9112 §3.2", "target: query only", get("?a")),
  takenGet(
    "RFC 9112 §3.2.2",
    "target: absolute form",
    get("http://other.example:81/a?b"),
    "http://other.example:81/a?b",
  ),
  takenGet(
    "RFC 9112 §3.2.2",
    "target: absolute form without a path",
    get("HTTP://other.example?b"),
    "HTTP://other.example?b",
  ),
  refused(400, "RFC 9110 §4.2.4", "target: absolute form with user information", get("http://user@other.example/")),
  refused(400, "RFC 9110 §4.2.4", "target: absolute form with a password", get("http://user:pw@other.example/")),
  refused(400, "RFC 9112 §3.2.2", "target: absolute form without an authority", get("http:///a")),
  refused(400, "RFC 9112 §3.2.2", "target: absolute form with one slash", get("http:/a")),
  refused(400, "RFC 9112 §3.2.2", "target: absolute form with a backslash in the authority", get("http://a\\b/")),
  refused(400, "RFC 9112 §3.2.2", "target: absolute form with a port too large", get("http://a:65536/")),
  refused(400, "RFC 9112 §3.2", "target: absolute form needs a Host too", get("http://other.example/", "")),
  refused(400, "RFC 9112 §3.2.3", "target: authority form of a GET", get("h.example:80")),
  taken("RFC 9112 §3.2.3", "target: authority form of CONNECT", `CONNECT h.example:443 HTTP/1.1\r\n${HOST}\r\n`, {
    method: "CONNECT",
    target: "h.example:443",
    body: "",
  }),
  refused(400, "RFC 9112 §3.2.3", "target: CONNECT without a port", `CONNECT h.example HTTP/1.1\r\n${HOST}\r\n`),
  refused(400, "RFC 9112 §3.2.3", "target: CONNECT with a path", `CONNECT /a HTTP/1.1\r\n${HOST}\r\n`),
  taken("RFC 9112 §3.2.4", "target: asterisk form of OPTIONS", `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`, {
    method: "OPTIONS",
    target: "*",
    body: "",
  }),
  refused(400, "RFC 9112 §3.2.4", "target: asterisk form of a GET", get("*")),
];

function host(value: string): string {
  return get("/", `Host: ${value}\r\n`);
}

const HOSTS: FramingCase[] = [
  ...[
    "h",
    "H.Example.",
    "a_b-c.example",
    "127.0.0.1:80",
    "h:0",
    "h:65535",
    "[::1]",
    "[::1]:8080",
    "[1:2::ffff:1.2.3.4]:1",
    "a~b",
  ].map((value) => takenGet("RFC 9112 §3.2", `Host: ${value}`, host(value))),
  takenGet("RFC 9110 §5.5", "Host: white space around it", host("\t h.example:80 \t")),
  refused(400, "RFC 9112 §3.2", "Host: missing", get("/", "Accept: a\r\n")),
  refused(400, "RFC 9112 §3.2", "Host: empty", get("/", "Host:\r\n")),
  refused(400, "RFC 9112 §3.2", "Host: two", get("/", "Host: a\r\nHost: b\r\n")),
  refused(400, "RFC 9112 §3.2", "Host: the same twice", get("/", `${HOST}${HOST}`)),
  refused(400, "RFC 9112 §3.2", "Host: two, the second in odd case", get("/", `${HOST}hOST: b\r\n`)),
  refused(400, "RFC 9112 §3.2", "Host: two, the first empty", get("/", `Host:\r\n${HOST}`)),
  refused(400, "RFC 9112 §3.2", "Host: two in HTTP/1.0", get("/", `${HOST}${HOST}`, "HTTP/1.0")),
  refused(400, "RFC 9112 §3.2", "Host: invalid in HTTP/1.0", get("/", "Host: a b\r\n", "HTTP/1.0")),
  refused(400, "RFC 9112 §5.1", "Host: space before the colon", get("/", "Host : a\r\n")),
  ...[
    "a b",
    "a, b",
    "user@h",
    "user:pw@h",
    "h/",
    "h/x",
    "http://h",
    "h?x",
    "h#x",
    "h\\x",
    "h:65536",
    "h:99999",
    "h:-1",
    "h:+1",
  ]
    .map((value) => refused(400, "RFC 9112 §3.2", `Host: ${value}`, host(value))),
  ...["h:8a", "h: 80", "h:80:81", ":80", "[::1", "::1", "[::1]x", "[::1]:x", "[::g]", "h\xe9", "<h>", "h:000080"].map((
    value,
  ) => refused(400, "RFC 9112 §3.2", `Host: ${value}`, host(value))),
  refused(400, "RFC 9112 §3.2", "Host: longer than any name", host("a".repeat(300))),
];

const EXPECTATIONS: FramingCase[] = [
  takenPost(
    "RFC 9110 §10.1.1",
    "Expect: 100-Continue",
    post("Expect: 100-Continue\r\nContent-Length: 5\r\n", "hello"),
    "hello",
  ),
  refused(417, "RFC 9110 §10.1.1", "Expect: unknown", post("Expect: 200-ok\r\nContent-Length: 5\r\n", "hello")),
  refused(417, "RFC 9110 §10.1.1", "Expect: two", post("Expect: 100-continue, x\r\nContent-Length: 5\r\n", "hello")),
  takenGet("RFC 9110 §10.1.1", "Expect: ignored in HTTP/1.0", get("/", "Expect: 100-continue\r\n", "HTTP/1.0")),
];

const { fieldsBytes, maxFields, targetBytes } = CASE_LIMITS;

/** Lines that take `bytes` bytes together with {@linkcode HOST}. */
function filled(bytes: number): string {
  return `${HOST}a: ${"b".repeat(bytes - HOST.length - 5)}\r\n`;
}

const LIMITS: FramingCase[] = [
  takenGet("RFC 9110 §5.4", "limit: as many field lines as allowed", get("/", HOST + "a: b\r\n".repeat(maxFields - 1))),
  refused(431, "RFC 6585 §5", "limit: one field line more", get("/", HOST + "a: b\r\n".repeat(maxFields))),
  takenGet("RFC 9110 §5.4", "limit: a field section as large as allowed", get("/", filled(fieldsBytes))),
  refused(431, "RFC 6585 §5", "limit: a field section one byte larger", get("/", filled(fieldsBytes + 1))),
  refused(431, "RFC 6585 §5", "limit: a field section without an end", get("/", filled(3 * fieldsBytes)).slice(0, -4)),
  takenGet(
    "RFC 9112 §3",
    "limit: a target as long as allowed",
    get(`/${"a".repeat(targetBytes - 1)}`),
    `/${"a".repeat(targetBytes - 1)}`,
  ),
  refused(414, "RFC 9112 §3", "limit: a target one byte longer", get(`/${"a".repeat(targetBytes)}`)),
  refused(414, "RFC 9112 §3", "limit: a target without an end", `GET /${"a".repeat(3 * targetBytes)}`),
  refused(501, "RFC 9112 §3", "limit: a method without an end", "A".repeat(3 * targetBytes)),
];

/** Every case. Names are unique. */
export const FRAMING_CASES: readonly FramingCase[] = [
  ...CONFLICTS,
  ...CODINGS,
  ...LENGTHS,
  ...CHUNKS,
  ...TRAILERS,
  ...LINES,
  ...REQUEST_LINES,
  ...TARGETS,
  ...HOSTS,
  ...EXPECTATIONS,
  ...LIMITS,
];
