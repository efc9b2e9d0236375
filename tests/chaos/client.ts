import type { Field } from "../../lib/http/fields.ts";
import { Wire } from "./wire.ts";

/** What came of a request. */
export interface Got {
  /** When its first byte was sent, when its head had come, and when all was over. */
  readonly sentMs: number;
  readonly headMs: number;
  readonly endedMs: number;
  /** 0 where no head came. */
  readonly status: number;
  readonly fields: readonly Field[];
  readonly body: Uint8Array;
  /** Why there is no whole response; `null` where there is. */
  readonly loss: "unanswered" | "cut" | "late" | null;
  /** What is wrong with the form of what came; `null` where nothing is. */
  readonly malformed: string | null;
}

/** How a request is sent. */
export interface Sending {
  readonly text: string;
  readonly isHead: boolean;
  /** Leaves when it has so many bytes of the response. */
  readonly leavesAfterBytes?: number;
}

/** So long a response is waited for. */
const PATIENCE_MS = 40_000;
const NOTHING = new Uint8Array();

/** A client of its own connection, that trusts nothing but framing. It knows no code of the gateway. */
export class ChaosClient {
  readonly #port: number;
  #connection: Wire | null = null;
  #used = 0;
  /** Requests that were sent again, since the gateway had closed an idle connection. */
  repeated = 0;

  constructor(port: number) {
    this.#port = port;
  }

  /** Sends a request on the kept connection or on a new one. */
  async ask(sending: Sending, mayRepeat: boolean): Promise<Got> {
    const wasUsed = this.#connection !== null && this.#used > 0;
    const got = await this.#once(sending);
    // RFC 9112 §9.3.1: the server may close an idle connection at any time.
    if (got.loss !== "unanswered" || !wasUsed || !mayRepeat) return got;
    this.repeated++;
    return await this.#once(sending);
  }

  close(): void {
    this.#connection?.close();
    this.#connection = null;
    this.#used = 0;
  }

  async #once(sending: Sending): Promise<Got> {
    const sentMs = Date.now();
    const lost = (loss: Got["loss"]): Got => {
      const nowMs = Date.now();
      return { sentMs, headMs: nowMs, endedMs: nowMs, status: 0, fields: [], body: NOTHING, loss, malformed: null };
    };
    try {
      this.#connection ??= await Wire.open(this.#port);
    } catch {
      this.#connection = null;
      return lost("unanswered");
    }
    const connection = this.#connection;
    this.#used++;
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      connection.close();
    }, PATIENCE_MS);
    void connection.send(sending.text);
    try {
      const got = await this.#read(connection, sending, sentMs);
      if (got === null) return lost(isLate ? "late" : "unanswered");
      return isLate ? { ...got, loss: "late" } : got;
    } finally {
      clearTimeout(timer);
    }
  }

  async #read(connection: Wire, { isHead, leavesAfterBytes }: Sending, sentMs: number): Promise<Got | null> {
    const inbox = connection;
    let head = await inbox.takeThrough("\r\n\r\n");
    while (/^HTTP\/1\.1 1\d\d /.test(head)) head = await inbox.takeThrough("\r\n\r\n");
    if (head === "") {
      this.close();
      return null;
    }
    const headMs = Date.now();
    const { status, fields } = parseHead(head);
    const value = (name: string) => fields.find((field) => field[0] === name)?.[1] ?? null;
    const got = { sentMs, headMs, status, fields };
    const hasContent = !isHead && status !== 204 && status !== 304;
    const content = hasContent
      ? await readContent(inbox, value, leavesAfterBytes)
      : { body: NOTHING, isWhole: true, malformed: null };
    if (!content.isWhole || content.malformed !== null || value("connection") === "close") this.close();
    return {
      ...got,
      endedMs: Date.now(),
      body: content.body,
      loss: content.isWhole ? null : "cut",
      malformed: content.malformed,
    };
  }
}

interface Content {
  readonly body: Uint8Array;
  readonly isWhole: boolean;
  readonly malformed: string | null;
}

async function readContent(
  inbox: Wire,
  value: (name: string) => string | null,
  mostBytes = Infinity,
): Promise<Content> {
  if (value("transfer-encoding") === "chunked") return await readChunks(inbox, mostBytes);
  const length = value("content-length");
  if (length === null || !/^\d+$/.test(length)) {
    return { body: NOTHING, isWhole: true, malformed: `content-length: ${length}` };
  }
  const body = await inbox.take(Math.min(Number(length), mostBytes));
  return { body, isWhole: body.length === Number(length), malformed: null };
}

async function readChunks(inbox: Wire, mostBytes: number): Promise<Content> {
  let leftBytes = mostBytes;
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const joined = async () => new Uint8Array(await new Blob(parts).arrayBuffer());
  for (;;) {
    const line = await inbox.takeThrough("\r\n");
    if (line === "") return { body: await joined(), isWhole: false, malformed: null };
    if (!/^[0-9a-f]+\r\n$/i.test(line)) return { body: await joined(), isWhole: true, malformed: `chunk ${line}` };
    const lengthBytes = parseInt(line, 16);
    if (lengthBytes === 0) break;
    const part = await inbox.take(Math.min(lengthBytes, leftBytes));
    leftBytes -= part.length;
    parts.push(Uint8Array.from(part));
    if (leftBytes <= 0) return { body: await joined(), isWhole: false, malformed: null };
    const end = await inbox.takeThrough("\r\n");
    if (part.length < lengthBytes || end === "") return { body: await joined(), isWhole: false, malformed: null };
    if (end !== "\r\n") return { body: await joined(), isWhole: true, malformed: "a chunk is longer than it says" };
  }
  while (true) {
    const line = await inbox.takeThrough("\r\n");
    if (line === "\r\n") return { body: await joined(), isWhole: true, malformed: null };
    if (line === "") return { body: await joined(), isWhole: false, malformed: null };
  }
}

function parseHead(text: string): { readonly status: number; readonly fields: readonly Field[] } {
  const [first = "", ...lines] = text.slice(0, -4).split("\r\n");
  const fields = lines.map((line): Field => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  return { status: Number(/^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1] ?? -1), fields };
}
