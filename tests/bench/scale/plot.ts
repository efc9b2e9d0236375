import { linePlot } from "../../line_plot.ts";
import type { SizeFigures } from "./sizes.ts";

/** Three diagrams over the number of entries: first answer, memory, and what purges take. */
export function sizesPlot(figures: readonly SizeFigures[]): string {
  const panel = (title: string, ys: readonly number[]) => ({ title, lines: [{ name: "", ys }] });
  return linePlot(figures.map(({ entries }) => entries), [
    panel("first answer after a start, ms", figures.map(({ firstAnswerMs }) => firstAnswerMs)),
    panel("memory of the process, MiB", figures.map(({ residentBytes }) => residentBytes / 2 ** 20)),
    panel("purge of everything, ms", figures.map(({ purgeMs }) => purgeMs.all)),
  ]);
}
