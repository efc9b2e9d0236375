import { provenance, table } from "../page_section.ts";
import { pathSpellings } from "../http/path_spellings.ts";
import { FRAMING_CASES } from "../wire/framing_cases.ts";
import { RESPONSE_CASES } from "../wire/response_cases.ts";
import { FUZZ_TARGETS } from "./targets.ts";

/** What a run tried, as a section of docs/reliability.md. */
export async function fuzzSection(
  tried: Readonly<Record<string, number>>,
  { seconds, seed, failure }: { readonly seconds: number; readonly seed: number; readonly failure: string | null },
): Promise<string> {
  const all = Object.values(tried).reduce((sum, count) => sum + count, 0);
  const rows = FUZZ_TARGETS.filter(({ name }) => name in tried).map(({ name }) => [`\`${name}\``, tried[name]!]);
  const kept = FUZZ_TARGETS.reduce((sum, { name }) => sum + corpusLines(name), 0);
  return [
    `\`deno task fuzz --seconds ${seconds} --seed ${seed}\`, ${await provenance()}: ${all} made inputs, ` +
    (failure === null ? "none of which broke what has to hold." : `until one broke what has to hold: ${failure}.`),
    table([["what reads them", "inputs"], ...rows]),
    "Inputs that are written down, tried by `deno task test`:",
    table([
      ["kind", "inputs"],
      ["requests whose framing is in doubt (smuggling), each with what is right", FRAMING_CASES.length],
      ["responses of the same kind", RESPONSE_CASES.length],
      ["spellings of a closed listener's path, on each of four arrangements of listeners", pathSpellings().length],
      ["inputs that once failed", kept],
    ]),
  ].join("\n\n");
}

function corpusLines(name: string): number {
  try {
    const text = Deno.readTextFileSync(new URL(`corpus/${name}.txt`, import.meta.url));
    return text.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("#")).length;
  } catch {
    return 0;
  }
}
