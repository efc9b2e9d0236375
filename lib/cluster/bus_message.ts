import { createHmac, timingSafeEqual } from "node:crypto";

/** A message as its sender means it. */
export interface BusMessage {
  /** What it is about: who does not know the kind skips it. */
  readonly kind: string;
  /** Plain data, as JSON takes it. */
  readonly data: unknown;
}

/** A message that has come. */
export interface ReceivedMessage extends BusMessage {
  /** Its place among all messages. */
  readonly position: number;
  /** Name of the member that sent it. */
  readonly from: string;
}

/** Longest body of one message. */
export const MAX_BODY_BYTES = 1024 * 1024;

const CODE = /^[0-9a-f]{64}$/;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Proves messages to be those of the cluster: who can write to the engine can else purge all, or hide a purge. */
export class BusSeal {
  readonly #key: Uint8Array;

  constructor(secret: string, name: string) {
    this.#key = createHmac("sha256", secret).update(`usher bus ${name}`).digest();
  }

  /**
   * Several messages in one body, and its code (HMAC-SHA256, hexadecimal).
   *
   * @throws {RangeError} where they are longer than a body may be
   */
  close(from: string, messages: readonly BusMessage[]): { readonly body: Uint8Array; readonly code: string } {
    const body = encoder.encode(JSON.stringify({ from, messages }));
    if (body.byteLength > MAX_BODY_BYTES) throw new RangeError("Cannot send a message: it is too long");
    return { body, code: this.#codeOf(body) };
  }

  /** The messages of a body; `null` where it is none of this cluster's. */
  open(position: number, body: Uint8Array, code: string): readonly ReceivedMessage[] | null {
    if (!CODE.test(code) || body.byteLength > MAX_BODY_BYTES) return null;
    if (!timingSafeEqual(encoder.encode(code), encoder.encode(this.#codeOf(body)))) return null;
    try {
      const { from, messages } = JSON.parse(decoder.decode(body)) as { from: string; messages: BusMessage[] };
      return messages.map(({ kind, data }) => ({ kind, data, from, position }));
    } catch {
      // Of a version that writes bodies in another way.
      return null;
    }
  }

  #codeOf(body: Uint8Array): string {
    return createHmac("sha256", this.#key).update(body).digest("hex");
  }
}

/** A message as it is rung: the position before, its own, its code and its body. */
export interface RungMessage {
  readonly before: number;
  readonly position: number;
  readonly code: string;
  readonly body: Uint8Array;
}

/** Reads what the doorbell carries; `null` where it is no message. */
export function readBell(bytes: Uint8Array): RungMessage | null {
  const head = decoder.decode(bytes.subarray(0, 128));
  const [, before, position, code] = /^(\d{1,16}) (\d{1,16}) ([0-9a-f]{64}) /.exec(head) ?? [];
  if (code === undefined) return null;
  const at = before!.length + position!.length + code.length + 3;
  return { before: Number(before), position: Number(position), code, body: bytes.subarray(at) };
}
