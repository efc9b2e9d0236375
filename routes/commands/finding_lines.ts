import type { Finding, FindingState } from "../../lib/inspect/finding.ts";
import { harmless, type Paint, type Tone, wrapped } from "./text_layout.ts";

type Summary = Readonly<Record<FindingState, number>>;

const MARKS: Readonly<Record<FindingState, readonly [mark: string, tone: Tone]>> = {
  ok: ["ok", "good"],
  warn: ["warn", "doubtful"],
  fail: ["FAIL", "bad"],
  skip: ["-", "faint"],
};
const MARK_WIDTH = 4;
const INDENT = 4;

/** What a check found, and what to do about it; `width` is that of the widest check. */
export function findingLines({ check, state, text, remedy }: Finding, width: number, paint: Paint): string[] {
  const [mark, tone] = MARKS[state];
  const start = INDENT + MARK_WIDTH + 2 + width + 2;
  const head = `${" ".repeat(INDENT)}${paint(tone, mark.padEnd(MARK_WIDTH))}  ${check.padEnd(width)}  `;
  const line = head + wrapped(harmless(text), start);
  return remedy === null ? [line] : [line, `${" ".repeat(start)}-> ${wrapped(harmless(remedy), start + 3)}`];
}

/** The last line of a report. */
export function verdict({ fail, warn }: Pick<Summary, "fail" | "warn">, paint: Paint): string {
  const warnings = warn === 0 ? "" : `, ${warn} warning${warn === 1 ? "" : "s"}`;
  if (fail === 0) return paint("good", `All is well${warnings}`);
  return paint("bad", `${fail} check${fail === 1 ? "" : "s"} failed${warnings}`);
}
