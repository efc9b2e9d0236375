/**
 * Runs many command lines in one process, to save the start of one each: `commandLine` is all that `main.ts` does. The argument is
 * JSON, a list of lists of arguments. A line on both streams tells where the output of each ends: a mark and its exit status.
 */
import { commandLine } from "../../routes/command_line.ts";

const mark = Deno.args[0]!;
const write = (text: string) => {
  for (const stream of [Deno.stdout, Deno.stderr]) stream.writeSync(new TextEncoder().encode(text));
};

for (const args of JSON.parse(Deno.args[1]!) as string[][]) {
  const code = await commandLine(args, new URL("../../main.ts", import.meta.url));
  write(`${mark} ${code}\n`);
}
