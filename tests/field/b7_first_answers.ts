import assert from "node:assert/strict";
import { brotliDecompressSync, gunzipSync, gzipSync, zstdDecompressSync } from "node:zlib";
import { DOCUMENT, says } from "./b1_verified_bodies.ts";
import { asking, type FieldResponse, type FieldRow, type Seen } from "./field_row.ts";

const GZIP: [string, string][] = [["content-encoding", "gzip"]];
const sendsGzip = says(gzipSync(DOCUMENT), GZIP);
const UNCODED = "uncoded";

function firstAsking(id: number, accepted: string | null): string[] {
  return [asking(`GET /3/tv/${id}`, "tmdb.test", accepted === null ? [] : [`Accept-Encoding: ${accepted}`])];
}

const DECODERS: Readonly<Record<string, (bytes: Uint8Array) => Uint8Array>> = {
  gzip: gunzipSync,
  br: brotliDecompressSync,
  zstd: zstdDecompressSync,
};

function contentOf(response: FieldResponse): string {
  const coding = response.field("content-encoding");
  return new TextDecoder().decode(coding === null ? response.body : DECODERS[coding]!(response.body));
}

function isCoded(...codings: readonly (string | null)[]) {
  return ({ responses, asked }: Seen) => {
    assert.deepEqual(responses.map((response) => response.field("content-encoding")), codings);
    for (const response of responses) assert.equal(contentOf(response), DOCUMENT);
    assert.equal(asked.length, 1);
  };
}

/** B7: the first answer goes out compressed. */
export const firstAnswerRows: readonly FieldRow[] = [
  {
    line: "B7",
    name: "the gzip that the upstream sent goes to the first client that takes it",
    before: UNCODED,
    fellShort: true,
    requests: firstAsking(1, "gzip"),
    answer: sendsGzip,
    holds: isCoded("gzip"),
  },
  {
    line: "B7",
    name: "the same to a browser, which would rather have another coding",
    before: UNCODED,
    fellShort: true,
    requests: firstAsking(2, "gzip, deflate, br, zstd"),
    answer: sendsGzip,
    holds: isCoded("gzip"),
  },
  {
    line: "B7",
    name: "a first client that takes brotli alone gets brotli",
    before: UNCODED,
    fellShort: true,
    requests: firstAsking(3, "br, gzip;q=0"),
    answer: sendsGzip,
    holds: isCoded("br"),
  },
  {
    line: "B7",
    name: "what the upstream sent uncoded is coded for the first client as for those who come later",
    before: UNCODED,
    fellShort: true,
    requests: firstAsking(4, "gzip"),
    answer: says(DOCUMENT),
    holds: isCoded("gzip"),
  },
  {
    line: "B7",
    name: "a first client that refuses gzip, or says nothing, gets none",
    before: "none",
    fellShort: false,
    requests: [...firstAsking(5, "gzip;q=0"), ...firstAsking(5, null)],
    answer: sendsGzip,
    holds: isCoded(null, null),
  },
  {
    line: "B7",
    name: "six at once are coded each as they take it",
    before: "all uncoded",
    fellShort: true,
    requests: ["gzip", "identity", "br", "gzip", "gzip", "br"].flatMap((accepted) => firstAsking(6, accepted)),
    isAtOnce: true,
    async answer(asked) {
      // A herd, not one after the other.
      await asked.exchange.wait(300);
      await says(DOCUMENT)(asked);
    },
    holds: isCoded("gzip", null, "br", "gzip", "gzip", "br"),
  },
  {
    line: "B7",
    name: "what is not stored goes out as the upstream coded it",
    before: UNCODED,
    fellShort: true,
    requests: firstAsking(7, "gzip"),
    answer: says(gzipSync(DOCUMENT), [...GZIP, ["vary", "*"]], 410),
    holds: isCoded("gzip"),
  },
  {
    line: "B7",
    name: "a HEAD that is the first says of the coding what a GET would",
    before: "it does",
    fellShort: false,
    requests: [asking("HEAD /3/tv/8", "tmdb.test", ["Accept-Encoding: gzip"])],
    answer: sendsGzip,
    holds: ({ responses }) => assert.equal(responses[0]!.field("content-encoding"), "gzip"),
  },
];
