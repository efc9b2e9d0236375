import { deflateSync } from "node:zlib";

/** A picture to draw; the same seed always gives the same bytes. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly seed: string;
}

/** Draws a picture in a format by file extension; `null` for one that this origin does not have. */
export function drawPicture(extension: string, picture: Picture): Uint8Array<ArrayBuffer> | null {
  switch (extension) {
    case "jpg":
      return drawJpeg(picture);
    case "png":
      return drawPng(picture);
    case "svg":
      return drawSvg(picture);
    case "webp":
      return drawWebp(picture);
    default:
      return null;
  }
}

/** A stream of 32-bit numbers from a text (xorshift): pictures differ by seed, not by run. */
function noise(seed: string): () => number {
  let state = 2166136261;
  for (let i = 0; i < seed.length; i++) state = Math.imul(state ^ seed.charCodeAt(i), 16777619);
  state |= 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = crcTable[(crc ^ byte) & 255]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

function joined(parts: readonly (Uint8Array | readonly number[])[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function big32(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}

function pngChunk(type: string, data: Uint8Array): Uint8Array {
  const body = joined([new TextEncoder().encode(type), data]);
  return joined([big32(data.length), body, big32(crc32(body))]);
}

/** 8-bit RGB with a gradient and some grain (PNG, ISO 15948). */
function drawPng({ width, height, seed }: Picture): Uint8Array<ArrayBuffer> {
  const next = noise(seed);
  const [red, green, blue] = [next() & 127, next() & 127, next() & 127];
  const rows = new Uint8Array(height * (1 + width * 3));
  let at = 0;
  for (let y = 0; y < height; y++) {
    rows[at++] = 0;
    const grain = next() & 7;
    for (let x = 0; x < width; x++) {
      rows[at++] = red! + Math.floor(x * 100 / width) + grain;
      rows[at++] = green! + Math.floor(y * 100 / height) + grain;
      rows[at++] = blue! + grain;
    }
  }
  const header = Uint8Array.from([...big32(width), ...big32(height), 8, 2, 0, 0, 0]);
  return joined([
    [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a],
    pngChunk("IHDR", header),
    pngChunk("IDAT", deflateSync(rows, { level: 1 })),
    pngChunk("IEND", new Uint8Array(0)),
  ]);
}

function drawSvg({ width, height, seed }: Picture): Uint8Array<ArrayBuffer> {
  const colour = (noise(seed)() & 0xffffff).toString(16).padStart(6, "0");
  return new TextEncoder().encode(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">` +
      `<rect width="100%" height="100%" fill="#${colour}"/></svg>\n`,
  );
}

/** One colour, lossless: five prefix codes of a single symbol, so that the pixels take no bits (RFC 9649 §3). */
function drawWebp({ width, height, seed }: Picture): Uint8Array<ArrayBuffer> {
  const colour = noise(seed)();
  const bits: number[] = [];
  const push = (value: number, count: number) => {
    for (let i = 0; i < count; i++) bits.push((value >>> i) & 1);
  };
  push(width - 1, 14);
  push(height - 1, 14);
  push(0, 1 + 3 + 1 + 1 + 1); // no alpha, version 0, no transform, no colour cache, no meta prefix codes
  for (const symbol of [(colour >>> 8) & 255, (colour >>> 16) & 255, colour & 255, 255]) {
    push(0b101 | (symbol << 3), 11);
  }
  push(0b0001, 4); // distance: one symbol, given in one bit, 0
  const stream = [0x2f];
  for (let i = 0; i < bits.length; i += 8) {
    stream.push(bits.slice(i, i + 8).reduce((byte, bit, place) => byte | (bit << place), 0));
  }
  const padded = stream.length % 2 === 0 ? stream : [...stream, 0];
  const little32 = (value: number) => big32(value).reverse();
  const text = (word: string) => new TextEncoder().encode(word);
  const body = joined([text("WEBPVP8L"), little32(stream.length), padded]);
  return joined([text("RIFF"), little32(body.length), body]);
}

/** Bits of a JPEG scan: most significant first, a zero byte after each 0xFF (ITU-T T.81 §F.1.2.3). */
class ScanWriter {
  #bytes = new Uint8Array(65536);
  #length = 0;
  #held = 0;
  #heldBits = 0;

  put(value: number, count: number): void {
    this.#held = (this.#held << count) | (value & ((1 << count) - 1));
    this.#heldBits += count;
    while (this.#heldBits >= 8) {
      this.#heldBits -= 8;
      const byte = (this.#held >>> this.#heldBits) & 255;
      this.#byte(byte);
      if (byte === 255) this.#byte(0);
    }
  }

  finish(): Uint8Array {
    if (this.#heldBits > 0) this.put(0xff, 8 - this.#heldBits);
    return this.#bytes.subarray(0, this.#length);
  }

  #byte(byte: number): void {
    if (this.#length === this.#bytes.length) {
      const larger = new Uint8Array(this.#length * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes[this.#length++] = byte;
  }
}

/** One coefficient's magnitude category and its bits (ITU-T T.81 §F.1.2.1); `prefix` gives the code of a category. */
function putCoefficient(scan: ScanWriter, value: number, code: readonly [prefix: number, bits: number]): void {
  const category = categoryOf(value);
  scan.put(code[0], code[1]);
  if (category > 0) scan.put(value < 0 ? value - 1 : value, category);
}

function categoryOf(value: number): number {
  return 32 - Math.clz32(Math.abs(value));
}

/** Categories 0 to 11 in four bits each; no code of ones alone, as the format demands. */
const dcTable = [0x00, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
/** End of block, and sizes 1 to 6 after no zeros, in three bits each. */
const acTable = [0x10, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6];

function jpegSegment(marker: number, data: readonly number[]): number[] {
  return [0xff, marker, (data.length + 2) >>> 8, (data.length + 2) & 255, ...data];
}

function jpegHead({ width, height }: Picture): number[] {
  const size = [height >>> 8, height & 255, width >>> 8, width & 255];
  return [
    ...[0xff, 0xd8],
    ...jpegSegment(0xe0, [0x4a, 0x46, 0x49, 0x46, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0]),
    ...jpegSegment(0xdb, [0, ...new Array(64).fill(8)]),
    ...jpegSegment(0xc0, [8, ...size, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]),
    ...jpegSegment(0xc4, dcTable),
    ...jpegSegment(0xc4, acTable),
    ...jpegSegment(0xda, [3, 1, 0, 2, 0, 3, 0, 0, 63, 0]),
  ];
}

/** Baseline, 4:4:4, blocks of smooth noise drawn straight as coefficients: no transform needed (ITU-T T.81). */
function drawJpeg(picture: Picture): Uint8Array<ArrayBuffer> {
  const next = noise(picture.seed);
  const scan = new ScanWriter();
  const blocks = Math.ceil(picture.width / 8) * Math.ceil(picture.height / 8);
  const before = [0, 0, 0];
  for (let block = 0; block < blocks; block++) {
    for (let component = 0; component < 3; component++) {
      const wander = (next() % 17) - 8;
      const dc = Math.max(-120, Math.min(120, before[component]! + wander));
      const difference = dc - before[component]!;
      putCoefficient(scan, difference, [categoryOf(difference), 4]);
      before[component] = dc;
      if (component === 0) putGrain(scan, next());
      scan.put(0, 3);
    }
  }
  return joined([jpegHead(picture), scan.finish(), [0xff, 0xd9]]);
}

/** Three low frequencies of brightness. */
function putGrain(scan: ScanWriter, random: number): void {
  for (let i = 0; i < 3; i++) {
    const value = ((random >>> (i * 5)) & 15) - 8 || 1;
    putCoefficient(scan, value, [categoryOf(value), 3]);
  }
}
