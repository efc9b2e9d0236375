/** What an upstream answers to one request, and what the client makes of it. */
export interface ResponseCase {
  /** The attack or the rule. */
  readonly name: string;
  /** Where the rule is written. */
  readonly section: string;
  readonly method: string;
  /** The bytes up to the end of the connection, as Latin-1 text. */
  readonly text: string;
  /** `null` where the response is refused. */
  readonly taken: TakenResponse | null;
}

/** A response that is taken. */
export interface TakenResponse {
  readonly status: number;
  /** Content as Latin-1 text; `null` where it breaks off. */
  readonly body: string | null;
  /** Whether the connection may carry another request: what is behind the content would be taken for its answer. */
  readonly isPersistent: boolean;
}

const OK = "HTTP/1.1 200 OK\r\n";
const CHUNKED = "Transfer-Encoding: chunked\r\n";
const HELLO = "5\r\nhello\r\n0\r\n\r\n";

function taken(section: string, name: string, text: string, response: Partial<TakenResponse> = {}): ResponseCase {
  return { name, section, method: "GET", text, taken: { status: 200, body: "hello", isPersistent: true, ...response } };
}

function refused(section: string, name: string, text: string): ResponseCase {
  return { name, section, method: "GET", text, taken: null };
}

function length(value: string, body = "hello"): string {
  return `${OK}Content-Length: ${value}\r\n\r\n${body}`;
}

function coding(value: string): string {
  return `${OK}Transfer-Encoding: ${value}\r\n\r\n${HELLO}`;
}

const TAKEN: ResponseCase[] = [
  taken("RFC 9112 §6.2", "a length", length("5")),
  taken("RFC 9112 §6.2", "a length of 0", length("0", ""), { body: "" }),
  taken("RFC 9112 §7.1", "chunks", `${OK}${CHUNKED}\r\n${HELLO}`),
  taken("RFC 9112 §7.1", "chunks: padded sizes of some old servers", `${OK}${CHUNKED}\r\n5  \t\r\nhello\r\n0 \r\n\r\n`),
  taken("RFC 9112 §7", "chunked in odd case", coding("\tCHUNKED ")),
  taken("RFC 9112 §6.3", "neither: the end of the connection", `${OK}\r\nhello`, { isPersistent: false }),
  taken(
    "RFC 9112 §6.3",
    "HTTP/1.0: the end of the connection",
    "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nhello",
    {
      isPersistent: false,
    },
  ),
  taken(
    "RFC 9112 §9.3",
    "HTTP/1.0 with keep-alive and a length",
    "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
  ),
  taken("RFC 9112 §9.6", "Connection: close", `${OK}Connection: close\r\nContent-Length: 5\r\n\r\nhello`, {
    isPersistent: false,
  }),
  taken("RFC 9112 §4", "status line without a reason phrase", "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello"),
  taken("RFC 9112 §4", "status line without the space either", "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello"),
  taken(
    "RFC 9112 §4",
    "reason phrase with bytes above ASCII",
    "HTTP/1.1 200 \xe4 \t\xff\r\nContent-Length: 5\r\n\r\nhello",
  ),
  { ...taken("RFC 9112 §6.3", "HEAD: a length without content", length("5", ""), { body: "" }), method: "HEAD" },
  { ...taken("RFC 9112 §6.3", "HEAD: chunked without content", `${OK}${CHUNKED}\r\n`, { body: "" }), method: "HEAD" },
  taken("RFC 9112 §6.3", "304: a length without content", "HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n", {
    status: 304,
    body: "",
  }),
  taken("RFC 9110 §15.3.5", "204", "HTTP/1.1 204 x\r\n\r\n", { status: 204, body: "" }),
  taken(
    "RFC 9110 §15.3.5",
    "204 with a length: content may follow it",
    "HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\nhello",
    {
      status: 204,
      body: "",
      isPersistent: false,
    },
  ),
  taken("RFC 9110 §15.3.5", "204 with chunked: content may follow it", `HTTP/1.1 204 x\r\n${CHUNKED}\r\n${HELLO}`, {
    status: 204,
    body: "",
    isPersistent: false,
  }),
  taken("RFC 9112 §8", "content shorter than its length", length("6"), { body: null }),
  taken("RFC 9112 §8", "chunks without the last one", `${OK}${CHUNKED}\r\n5\r\nhello\r\n`, { body: null }),
  taken("RFC 9112 §8", "chunks without the empty line", `${OK}${CHUNKED}\r\n5\r\nhello\r\n0\r\na: b\r\n`, {
    body: null,
  }),
];

const REFUSED: ResponseCase[] = [
  refused("RFC 9112 §6.1", "CL.TE", `${OK}Content-Length: 15\r\n${CHUNKED}\r\n${HELLO}`),
  refused("RFC 9112 §6.1", "TE.CL", `${OK}${CHUNKED}Content-Length: 15\r\n\r\n${HELLO}`),
  refused("RFC 9112 §6.1", "Transfer-Encoding in HTTP/1.0", `HTTP/1.0 200 OK\r\n${CHUNKED}\r\n${HELLO}`),
  {
    ...refused("RFC 9112 §6.1", "both framing fields in an answer to HEAD", `${OK}Content-Length: 5\r\n${CHUNKED}\r\n`),
    method: "HEAD",
  },
  refused("RFC 9112 §6.3", "two lengths that differ", `${OK}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello`),
  refused("RFC 9112 §6.3", "two lengths that are equal", `${OK}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`),
  ...["", "-1", "+5", "5, 5", "0x5", "5.0", "5 5", "1e3", "9999999999999999"].map((value) =>
    refused("RFC 9110 §8.6", `Content-Length: ${value}`, length(value))
  ),
  ...[
    "",
    "gzip",
    "gzip, chunked",
    "chunked, gzip",
    "chunked, chunked",
    "identity",
    "chunked;q=1",
    "xchunked",
    "chunked,",
  ].map(
    (value) => refused("RFC 9112 §6.1", `Transfer-Encoding: ${value}`, coding(value)),
  ),
  refused("RFC 9112 §6.3", "chunked twice", `${OK}${CHUNKED}${CHUNKED}\r\n${HELLO}`),
  ...["HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "HTTP/1.1 099 x", "HTTP/1.1 600 x", "HTTP/2 200"]
    .map(
      (line) => refused("RFC 9112 §4", `status line: ${line}`, `${line}\r\nContent-Length: 5\r\n\r\nhello`),
    ),
  ...[
    "HTTP/1.2 200 OK",
    "http/1.1 200 OK",
    " HTTP/1.1 200 OK",
    "HTTP/1.1  200 OK",
    "HTTP/1.1\t200 OK",
    "HTTP/11 200 OK",
    "ICY 200 OK",
  ].map(
    (line) =>
      refused("RFC 9112 §4", `status line: ${JSON.stringify(line)}`, `${line}\r\nContent-Length: 5\r\n\r\nhello`),
  ),
  ...["", "200", "HTTP/1.1 200 O\rK", "HTTP/1.1 200 O\0K", "HTTP/1.1 2\x300\x7f OK"].map((line) =>
    refused("RFC 9112 §4", `status line: ${JSON.stringify(line)}`, `${line}\r\nContent-Length: 5\r\n\r\nhello`)
  ),
  ...[
    "no colon",
    ": no name",
    " folded: x",
    "\tfolded: x",
    "x : a",
    "x y: a",
    "x\0: a",
    "\xe9: a",
    "(x): a",
    "x",
    "\r: a",
  ].map(
    (line) =>
      refused("RFC 9112 §5", `field line: ${JSON.stringify(line)}`, `${OK}Content-Length: 5\r\n${line}\r\n\r\nhello`),
  ),
  ...["x: a\rb", "x: \0", "x: a\x7f", "x: a\x01b", "x: a\r", "x: a\nb: c", "Content-Length : 5"].map((line) =>
    refused("RFC 9110 §5.5", `field line: ${JSON.stringify(line)}`, `${OK}${line}\r\n\r\nhello`)
  ),
  refused("RFC 9112 §2.2", "an empty line before the status line", `\r\n${length("5")}`),
  refused("RFC 9112 §2.2", "bare line feeds", "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"),
  ...["g", "", ";x", " 5", "-5", "+5", "0x5", "5 x", "5\r", "fffffffffffffff", "00000000000005"].map((size) =>
    refused("RFC 9112 §7.1", `chunk size: ${JSON.stringify(size)}`, `${OK}${CHUNKED}\r\n${size}\r\nhello\r\n0\r\n\r\n`)
  ),
  refused("RFC 9112 §7.1", "chunk longer than its size", `${OK}${CHUNKED}\r\n4\r\nhello\r\n0\r\n\r\n`),
  refused("RFC 9112 §7.1", "chunk ended by a line feed", `${OK}${CHUNKED}\r\n5\r\nhello\n0\r\n\r\n`),
  refused("RFC 9112 §7.1.1", "chunk extension ended by a line feed", `${OK}${CHUNKED}\r\n5;x\nhello\r\n0\r\n\r\n`),
];

/** Every case. */
export const RESPONSE_CASES: readonly ResponseCase[] = [...TAKEN, ...REFUSED];
