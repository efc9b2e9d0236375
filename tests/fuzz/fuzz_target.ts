import { integer, seededRandom } from "../seeded_random.ts";

/** One reader of text from outside, and what has to hold of it whatever it is given. */
export interface FuzzTarget {
  readonly name: string;
  /** Pieces that mean something to it. */
  readonly pieces: readonly string[];
  /** Sound inputs that generated ones are made of. */
  readonly seeds: readonly string[];
  /** Inputs that the short form in the tests tries. */
  readonly shortRuns: number;
  /** Throws where something does not hold. A character of `text` is a byte. */
  readonly check: (text: string, random: () => number) => void | Promise<void>;
}

/** Texts longer than this are cut. */
const MAX_LENGTH = 20_000;

/** One input: pieces in a row, or a seed with a few changes. The same for the same random numbers. */
export function madeInput({ pieces, seeds }: Pick<FuzzTarget, "pieces" | "seeds">, random: () => number): string {
  const piece = () => pieces[integer(random, pieces.length)] ?? "";
  let text = seeds.length === 0 || integer(random, 4) === 0
    ? Array.from({ length: integer(random, 14) }, piece).join("")
    : seeds[integer(random, seeds.length)]!;
  for (let changes = integer(random, 6); changes > 0; changes--) text = changed(text, piece, random);
  return text.slice(0, MAX_LENGTH);
}

function changed(text: string, piece: () => string, random: () => number): string {
  const at = integer(random, text.length + 1);
  const to = Math.min(text.length, at + 1 + integer(random, 2 ** integer(random, 6)));
  switch (integer(random, 7)) {
    case 0:
      return text.slice(0, at) + text.slice(to);
    case 1:
      return text.slice(0, at) + String.fromCharCode(integer(random, 256)) + text.slice(at + 1);
    case 2:
      return text.slice(0, at) + text.slice(at, to).repeat(1 + 2 ** integer(random, 7)) + text.slice(to);
    case 3:
      return text.slice(0, at);
    case 4:
      return text.slice(0, at) + text.slice(integer(random, text.length + 1));
    default:
      return text.slice(0, at) + piece() + text.slice(integer(random, 2) === 0 ? at : to);
  }
}

/** The input that a target gets in a turn; each can be made again from these numbers alone. */
export function inputOf(target: FuzzTarget, seed: number, turn: number): { text: string; random: () => number } {
  const random = seededRandom(Math.imul(seed, 0x9e3779b1) + turn);
  return { text: madeInput(target, random), random };
}

/** A failure, told so that it can be repeated and added to the corpus. */
export function toldFailure(target: FuzzTarget, text: string, error: unknown): Error {
  const line = JSON.stringify(text);
  return new Error(`${target.name} fails for this input, a line for tests/fuzz/corpus/${target.name}.txt:\n${line}`, {
    cause: error,
  });
}

/** Inputs that once failed, and such as only people think of: a JSON text a line. */
export function corpusOf({ name }: Pick<FuzzTarget, "name">): string[] {
  const text = Deno.readTextFileSync(new URL(`corpus/${name}.txt`, import.meta.url));
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

/** Bytes of the text. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
