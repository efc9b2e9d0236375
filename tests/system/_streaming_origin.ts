import { createHash } from "node:crypto";

/** An origin that takes and gives bodies of any size without holding them, as fast as it is let. */
export interface StreamingOrigin {
  readonly url: string;
  /** Bytes taken or given so far, by target. */
  readonly moved: Map<string, number>;
  /** How requests ended, by target: `done` or `broken`. */
  readonly ends: Map<string, string>;
  /** SHA-256 of what was taken, by target. */
  readonly hashes: Map<string, string>;
  /** Lets held requests go on. */
  release(): void;
  close(): Promise<void>;
}

const CHUNK_BYTES = 65_536;

/** The bytes of a body at a place: not the same in any two chunks. */
export function patternChunk(at: number, lengthBytes = CHUNK_BYTES): Uint8Array<ArrayBuffer> {
  const chunk = new Uint8Array(lengthBytes);
  chunk.fill(at / CHUNK_BYTES & 0xff);
  new DataView(chunk.buffer).setUint32(0, at);
  return chunk;
}

/** SHA-256 of a body of `lengthBytes`, a multiple of the chunks. */
export function patternHash(lengthBytes: number): string {
  const hash = createHash("sha256");
  for (let at = 0; at < lengthBytes; at += CHUNK_BYTES) hash.update(patternChunk(at));
  return hash.digest("hex");
}

/** Reads a response to its end without holding it; its SHA-256. */
export async function drained(response: Response): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of response.body!) hash.update(chunk);
  return hash.digest("hex");
}

/** A body of `lengthBytes` in chunks, made as it is read; `onBytes` is told how much was taken. */
export function patternStream(
  lengthBytes: number,
  onBytes: (bytes: number) => void,
  onCancel = () => {},
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= lengthBytes) return controller.close();
      controller.enqueue(patternChunk(at));
      at += CHUNK_BYTES;
      onBytes(at);
    },
    cancel: onCancel,
  }, { highWaterMark: 0 });
}

/** `POST /…?hold` reads nothing until it is released; `GET /…?bytes=N` gives N bytes, with a length unless `chunked` is said. */
export async function startStreamingOrigin(): Promise<StreamingOrigin> {
  const moved = new Map<string, number>();
  const ends = new Map<string, string>();
  const hashes = new Map<string, string>();
  let held = Promise.withResolvers<void>();
  const take = async (request: Request, target: string) => {
    const hash = createHash("sha256");
    let bytes = 0;
    try {
      for await (const chunk of request.body ?? []) {
        hash.update(chunk);
        moved.set(target, bytes += chunk.byteLength);
      }
    } catch {
      ends.set(target, "broken");
      return new Response("broken", { status: 400 });
    }
    hashes.set(target, hash.digest("hex"));
    ends.set(target, "done");
    return new Response(String(bytes), { headers: { "cache-control": "no-store" } });
  };
  const give = (url: URL, target: string) => {
    const bytes = Number(url.searchParams.get("bytes"));
    const headers = new Headers({ "cache-control": url.searchParams.get("control") ?? "no-store" });
    if (!url.searchParams.has("chunked")) headers.set("content-length", String(bytes));
    const onBytes = (count: number) => {
      moved.set(target, count);
      if (count >= bytes) ends.set(target, "done");
    };
    return new Response(patternStream(bytes, onBytes, () => ends.set(target, "broken")), { headers });
  };
  const { promise: listening, resolve } = Promise.withResolvers<number>();
  const stop = new AbortController();
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    signal: stop.signal,
    automaticCompression: false,
    onListen: ({ port }) => resolve(port),
    onError: () => new Response(null, { status: 500 }),
  }, async (request) => {
    const url = new URL(request.url);
    const target = url.pathname + url.search;
    if (request.method === "GET") return give(url, target);
    if (url.searchParams.has("hold")) await held.promise;
    return await take(request, target);
  });
  return {
    url: `http://127.0.0.1:${await listening}`,
    moved,
    ends,
    hashes,
    release() {
      held.resolve();
      held = Promise.withResolvers();
    },
    async close() {
      held.resolve();
      stop.abort();
      await server.finished;
    },
  };
}
