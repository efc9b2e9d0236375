import { standardOutput } from "../../lib/logging/line_buffer.ts";

/** Writes lines until its input ends, then says on the other stream that it is still there. */
const output = standardOutput();
const ticking = setInterval(() => output.push("a line\n"), 1);
for await (const _ of Deno.stdin.readable) { /* until it ends */ }
clearInterval(ticking);
output.push("the last line\n");
output.flush();
await Deno.stderr.write(new TextEncoder().encode("still here"));
