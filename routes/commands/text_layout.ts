/** Columns that a report fits into. */
export const COLUMNS = 100;

/** How a piece of text is meant. */
export type Tone = "good" | "bad" | "doubtful" | "faint" | "strong";

/** Gives a text its tone, where the reader's terminal shows any. */
export type Paint = (tone: Tone, text: string) => string;

const CODES: Readonly<Record<Tone, number>> = { good: 32, bad: 31, doubtful: 33, faint: 2, strong: 1 };

/** Colours for a terminal; plain text elsewhere, and where `NO_COLOR` is set. */
export function painter(isColoured: boolean = Deno.stdout.isTerminal() && !Deno.noColor): Paint {
  return isColoured ? (tone, text) => `\x1b[${CODES[tone]}m${text}\x1b[0m` : (_, text) => text;
}

// deno-lint-ignore no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

/** A text from outside, on one line and without anything that moves a cursor. */
export function harmless(text: string): string {
  return text.replace(CONTROL, "?");
}

/** A text below a hanging indent: broken at spaces, and within words that are longer than a line. */
export function wrapped(text: string, indent: number, columns: number = COLUMNS): string {
  const width = Math.max(20, columns - indent);
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ").flatMap((word) => pieces(word, width))) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].join(`\n${" ".repeat(indent)}`);
}

function pieces(word: string, width: number): string[] {
  if (word.length <= width) return [word];
  return Array.from({ length: Math.ceil(word.length / width) }, (_, at) => word.slice(at * width, (at + 1) * width));
}

/** Rows with their columns below each other; the last one is wrapped. `indent` spaces stand before each. */
export function aligned(rows: ReadonlyArray<readonly string[]>, indent: number): string[] {
  const count = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from(
    { length: count - 1 },
    (_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows.map((row) => {
    const head = row.slice(0, -1).map((cell, column) => cell.padEnd(widths[column]!)).join("  ");
    const start = row.length === 1 ? 0 : head.length + 2;
    const tail = wrapped(row.at(-1) ?? "", indent + start);
    return " ".repeat(indent) + (start === 0 ? tail : `${head}  ${tail}`).trimEnd();
  });
}
