/** Tags of ASN.1 (X.690 §8.1.2) that certificates are made of. */
const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

const CONSTRUCTED_CONTEXT = 0xa0;
const PRIMITIVE_CONTEXT = 0x80;

/** From this year on a time is written with four digits (RFC 5280 §4.1.2.5). */
const LONG_YEAR = 2050;

/** One value with its tag and length, in the distinguished encoding (X.690 §10). */
function encoded(tag: number, content: Uint8Array): Uint8Array {
  const { length } = content;
  const size = length < 0x80 ? [length] : lengthBytes(length);
  const bytes = new Uint8Array(1 + size.length + length);
  bytes[0] = tag;
  bytes.set(size, 1);
  bytes.set(content, 1 + size.length);
  return bytes;
}

function lengthBytes(length: number): number[] {
  const digits: number[] = [];
  for (let rest = length; rest > 0; rest >>>= 8) digits.unshift(rest & 0xff);
  return [0x80 | digits.length, ...digits];
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Writers of the values that certificates are made of, each with its tag and length. */
export const der = {
  sequence: (...parts: readonly Uint8Array[]) => encoded(TAG.sequence, joined(parts)),
  set: (...parts: readonly Uint8Array[]) => encoded(TAG.set, joined(parts)),
  octets: (content: Uint8Array) => encoded(TAG.octets, content),
  /** A string of bits that fills its last octet. */
  bits: (content: Uint8Array) => encoded(TAG.bits, joined([new Uint8Array([0]), content])),
  /** Bits of one octet; those from `count` on are not part of it. */
  flags: (octet: number, count: number) => encoded(TAG.bits, new Uint8Array([8 - count, octet])),
  boolean: (value: boolean) => encoded(TAG.boolean, new Uint8Array([value ? 0xff : 0])),
  null: () => encoded(TAG.null, new Uint8Array(0)),
  utf8: (text: string) => encoded(TAG.utf8, new TextEncoder().encode(text)),
  /** A number of any size that is not negative, from its bytes. */
  integer(magnitude: Uint8Array): Uint8Array {
    let start = 0;
    while (start < magnitude.length - 1 && magnitude[start] === 0) start++;
    const significant = magnitude.subarray(start);
    // The first bit is the sign.
    return encoded(TAG.integer, significant[0]! >= 0x80 ? joined([new Uint8Array([0]), significant]) : significant);
  },
  /** Such as `1.2.840.10045.4.3.2`. */
  oid(dotted: string): Uint8Array {
    const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
    return encoded(TAG.oid, new Uint8Array([first * 40 + second, ...rest.flatMap(base128)]));
  },
  /** A moment, to the second. */
  time(atMs: number): Uint8Array {
    const [date, time] = new Date(atMs).toISOString().split("T") as [string, string];
    const digits = `${date}${time.slice(0, 8)}Z`.replaceAll(/[-:]/g, "");
    const isLong = Number(date.slice(0, 4)) >= LONG_YEAR;
    return encoded(
      isLong ? TAG.generalizedTime : TAG.utcTime,
      new TextEncoder().encode(isLong ? digits : digits.slice(2)),
    );
  },
  /** A context tag around other values. */
  explicit: (number: number, ...parts: readonly Uint8Array[]) => encoded(CONSTRUCTED_CONTEXT | number, joined(parts)),
  /** A tag of the context in the place of the value's own. */
  implicit: (number: number, content: Uint8Array) => encoded(PRIMITIVE_CONTEXT | number, content),
};

function base128(value: number): number[] {
  const digits = [value & 0x7f];
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) digits.unshift(rest & 0x7f | 0x80);
  return digits;
}

/** Bytes as PEM text (RFC 7468), such as `CERTIFICATE`. */
export function toPem(label: string, bytes: Uint8Array): string {
  const lines = bytes.toBase64().match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

/** The bytes of the first PEM text with that label; `null` where there is none. */
export function fromPem(label: string, text: string): Uint8Array<ArrayBuffer> | null {
  const match = new RegExp(`-----BEGIN ${label}-----([^-]*)-----END ${label}-----`).exec(text);
  return match === null ? null : Uint8Array.fromBase64(match[1]!.replaceAll(/\s/g, ""));
}
