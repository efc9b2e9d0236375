/** A content coding that is made here. */
export type Coding = "br" | "gzip" | "zstd";
