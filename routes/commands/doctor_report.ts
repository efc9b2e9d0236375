import type { Finding, FindingState } from "../../lib/inspect/finding.ts";
import type { Diagnosis } from "../../lib/inspect/doctor.ts";
import { aligned, harmless, type Paint, painter, type Tone, wrapped } from "./text_layout.ts";

const MARKS: Readonly<Record<FindingState, readonly [mark: string, tone: Tone]>> = {
  ok: ["ok", "good"],
  warn: ["warn", "doubtful"],
  fail: ["FAIL", "bad"],
  skip: ["-", "faint"],
};
const MARK_WIDTH = 4;
const INDENT = 4;

/** A diagnosis for people: pool by pool, then the machine, each line with what to do about it. */
export function doctorReport({ file, warnings, pools, machine, summary }: Diagnosis, paint: Paint = painter()): string {
  const width = Math.max(0, ...[...pools.flatMap(allOf), ...machine].map(({ check }) => check.length));
  const lines = (findings: readonly Finding[]) => findings.flatMap((finding) => findingLines(finding, width, paint));
  return [
    ...warnings.flatMap((warning) => aligned([["warning:", warning]], 0)),
    `${file} is valid`,
    ...pools.flatMap(({ pool, type, upstreams, keys }) => [
      "",
      paint("strong", `Pool ${pool} (${type})`),
      ...upstreams.flatMap(({ id, findings }) => [`  ${id}`, ...lines(findings)]),
      ...(keys.length === 0 ? [] : ["  keys", ...lines(keys)]),
    ]),
    "",
    paint("strong", "This machine"),
    ...lines(machine),
    "",
    verdict(summary, paint),
  ].join("\n");
}

function allOf({ upstreams, keys }: Diagnosis["pools"][number]): Finding[] {
  return [...upstreams.flatMap(({ findings }) => findings), ...keys];
}

function findingLines({ check, state, text, remedy }: Finding, width: number, paint: Paint): string[] {
  const [mark, tone] = MARKS[state];
  const start = INDENT + MARK_WIDTH + 2 + width + 2;
  const head = `${" ".repeat(INDENT)}${paint(tone, mark.padEnd(MARK_WIDTH))}  ${check.padEnd(width)}  `;
  const line = head + wrapped(harmless(text), start);
  return remedy === null ? [line] : [line, `${" ".repeat(start)}-> ${wrapped(harmless(remedy), start + 3)}`];
}

function verdict({ fail, warn }: Diagnosis["summary"], paint: Paint): string {
  const warnings = warn === 0 ? "" : `, ${warn} warning${warn === 1 ? "" : "s"}`;
  if (fail === 0) return paint("good", `All is well${warnings}`);
  return paint("bad", `${fail} check${fail === 1 ? "" : "s"} failed${warnings}`);
}
