const SCALARS = [
  "0",
  "-0",
  "7.0",
  "1e+3",
  "-12.50E-2",
  "12345678901234567890",
  "true",
  "false",
  "null",
  '""',
  '"\\u00e9\\ud83d\\ude00\\n"',
  '"},{[\\"\\\\"',
  '"é😀 日本"',
];
const NAMES = ["a", "b", "id", "title", "é", "\\u0061", "a b", "constructor", "toString"];

/** The text of a random JSON value, with white space in odd places and each name once an object at most. */
export function randomJson(random: () => number, depth = 0): string {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
  const space = () => pick(["", "", "", " ", "\n\t"]);
  const kind = depth > 4 ? 0 : random();
  if (kind < 0.5) return space() + pick(SCALARS) + space();
  const items = Array.from({ length: Math.floor(random() * 4) }, () => randomJson(random, depth + 1));
  if (kind < 0.7) return `${space()}[${items.join(",") || space()}]${space()}`;
  const offset = Math.floor(random() * NAMES.length);
  const named = items.map((item, index) => `${space()}"${NAMES[(offset + index) % NAMES.length]}"${space()}:${item}`);
  return `${space()}{${named.join(",") || space()}}${space()}`;
}
