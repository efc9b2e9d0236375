/** One response that another client reads in another way: its status and content, or `fails`. `=` stands for the same as ours. */
export interface ResponseDifference {
  /** Where the rule is written that decides it. */
  readonly section: string;
  /** Name of the case. */
  readonly name: string;
  readonly undici: string;
  /** Node's own client, as this runtime has it. */
  readonly node: string;
}

/**
 * All responses of the table of cases that undici or Node's client read in another way than ours. All but one are looser: they take what
 * cannot be told apart from an attack on the framing, where a gateway would store it for everybody.
 */
export const RESPONSE_DIFFERENCES: readonly ResponseDifference[] = [
  { section: "RFC 9112 \u00a77.1", name: "chunks: padded sizes of some old servers", undici: "fails", node: "fails" },
  { section: "RFC 9112 \u00a76.1", name: "Transfer-Encoding in HTTP/1.0", undici: '200 "hello"', node: '200 "hello"' },
  {
    section: "RFC 9112 \u00a76.1",
    name: "Transfer-Encoding: ",
    undici: '200 "5\\r\\nhello\\r\\n0\\r\\n\\r\\n"',
    node: '200 "5\\r\\nhello\\r\\n0\\r\\n\\r\\n"',
  },
  {
    section: "RFC 9112 \u00a76.1",
    name: "Transfer-Encoding: gzip",
    undici: '200 "5\\r\\nhello\\r\\n0\\r\\n\\r\\n"',
    node: '200 "5\\r\\nhello\\r\\n0\\r\\n\\r\\n"',
  },
  {
    section: "RFC 9112 \u00a76.1",
    name: "Transfer-Encoding: gzip, chunked",
    undici: '200 "hello"',
    node: '200 "hello"',
  },
  {
    section: "RFC 9112 \u00a76.1",
    name: "Transfer-Encoding: chunked, gzip",
    undici: '200 "5\\r\\nhello\\r\\n0\\r\\n\\r\\n"',
    node: '200 "5\\r\\nhello\\r\\n0\\r\\n\\r\\n"',
  },
  {
    section: "RFC 9112 \u00a76.1",
    name: "Transfer-Encoding: chunked, chunked",
    undici: '200 "hello"',
    node: '200 "hello"',
  },
  {
    section: "RFC 9112 \u00a76.1",
    name: "Transfer-Encoding: identity",
    undici: '200 "5\\r\\nhello\\r\\n0\\r\\n\\r\\n"',
    node: '200 "5\\r\\nhello\\r\\n0\\r\\n\\r\\n"',
  },
  {
    section: "RFC 9112 \u00a76.1",
    name: "Transfer-Encoding: chunked;q=1",
    undici: '200 "5\\r\\nhello\\r\\n0\\r\\n\\r\\n"',
    node: '200 "5\\r\\nhello\\r\\n0\\r\\n\\r\\n"',
  },
  {
    section: "RFC 9112 \u00a76.1",
    name: "Transfer-Encoding: xchunked",
    undici: '200 "5\\r\\nhello\\r\\n0\\r\\n\\r\\n"',
    node: '200 "5\\r\\nhello\\r\\n0\\r\\n\\r\\n"',
  },
  {
    section: "RFC 9112 \u00a76.1",
    name: "Transfer-Encoding: chunked,",
    undici: '200 "5\\r\\nhello\\r\\n0\\r\\n\\r\\n"',
    node: '200 "5\\r\\nhello\\r\\n0\\r\\n\\r\\n"',
  },
  { section: "RFC 9112 \u00a76.3", name: "chunked twice", undici: '200 "hello"', node: '200 "hello"' },
  { section: "RFC 9112 \u00a74", name: "status line: HTTP/1.1 600 x", undici: '600 "hello"', node: '600 "hello"' },
  {
    section: "RFC 9112 \u00a74",
    name: 'status line: "HTTP/1.1 200 O\\u0000K"',
    undici: '200 "hello"',
    node: '200 "hello"',
  },
  {
    section: "RFC 9112 \u00a72.2",
    name: "an empty line before the status line",
    undici: '200 "hello"',
    node: '200 "hello"',
  },
  { section: "RFC 9112 \u00a77.1", name: 'chunk size: "00000000000005"', undici: '200 "hello"', node: '200 "hello"' },
  { section: "RFC 9112 \u00a74", name: "status line: HTTP/1.1 099 x", undici: "=", node: '99 "hello"' },
];
